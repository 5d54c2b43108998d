"""Hold what one traced process needs to record: its spool, threads, functions and include patterns."""
