"""Read a trace's spool into the database, each record exactly once."""
