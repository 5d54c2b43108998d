"""Number calls and exceptions uniquely within a trace."""

# call_id and exception_id are process_id * ID_SPACE + the process's own count.
ID_SPACE = 1_000_000_000
ID_SPACE_SQL = f"{ID_SPACE}::BIGINT"  # process_id is an INTEGER, and the product must not be one
