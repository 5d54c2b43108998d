"""Number calls and exceptions uniquely within a trace."""

# call_id and exception_id are process_id * ID_SPACE + the id within the process.
ID_SPACE = 1_000_000_000
ID_SPACE_SQL = f"{ID_SPACE}::BIGINT"  # times process_id, an INTEGER, it must not overflow
