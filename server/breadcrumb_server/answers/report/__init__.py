"""Answers run and get_trace: the run report."""
