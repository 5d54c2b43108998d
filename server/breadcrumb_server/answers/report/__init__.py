"""Answer run and get_trace with the run report."""
