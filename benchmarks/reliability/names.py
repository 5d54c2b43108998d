"""Name what all trials share."""

PROJECT = "p"
OTHER_PROJECT = "other"
TRACE_ID = "20250110-120000-abcd"
DATABASE = f"{PROJECT}-traces.duckdb"
