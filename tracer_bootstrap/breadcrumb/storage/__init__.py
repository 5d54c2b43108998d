"""Say what an older Breadcrumb had here, and what to write instead."""

raise ModuleNotFoundError(
    "breadcrumb.storage was a part of an older Breadcrumb. Traces are written by breadcrumb.init() and "
    "breadcrumb.stop(). To query them, in place of query_traces, get_trace, find_exceptions and analyze_performance, "
    "write: import duckdb; duckdb.connect('.breadcrumb/traces.duckdb').execute('SELECT * FROM traces'). "
    "docs/database.md has the tables. In a shell: breadcrumb exceptions --db-path .breadcrumb/traces.duckdb",
    name=__name__,
)
