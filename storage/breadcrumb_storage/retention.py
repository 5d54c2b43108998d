"""Delete a project's oldest traces when its database exceeds the limits of its config."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from breadcrumb_storage.database import checkpoint
from breadcrumb_storage.trace_rows import delete_traces

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# The limits of a project that sets none.
DEFAULT_MAX_TRACES = 200
DEFAULT_MAX_DB_MB = 2048

# Fraction of the traces that one call deletes from a database that is too large. DuckDB frees space in whole row groups
# and some time after a deletion, so its size does not show how many more traces to delete.
SHARE_WHEN_TOO_LARGE = 0.1


def apply_retention(con: DuckDBPyConnection, max_traces: int, max_bytes: int) -> list[str]:
    """Delete the oldest traces beyond the limits, but neither running traces nor the newest one.

    Args:
        con: A connection of `Database.write`, outside any transaction.
        max_traces: Traces to keep, besides the running ones.
        max_bytes: Limit for the used blocks of the file. Freed blocks stay in the file for later traces.

    Returns:
        The ids of the deleted traces.
    """
    rows = con.execute("SELECT trace_id FROM traces WHERE status <> 'running' ORDER BY trace_no DESC").fetchall()
    newest_first = [trace_id for (trace_id,) in rows]
    excess = newest_first[max(max_traces, 1) :]
    if _bytes_in_use(con) > max_bytes:
        kept = newest_first[: len(newest_first) - len(excess)]
        share = min(ceil(len(kept) * SHARE_WHEN_TOO_LARGE), len(kept) - 1)
        excess += kept[len(kept) - share :] if share > 0 else []
    if not excess:
        return []
    deleted = delete_traces(con, excess)
    checkpoint(con)
    return deleted


def _bytes_in_use(con: DuckDBPyConnection) -> int:
    ((used,),) = con.execute("SELECT used_blocks * block_size FROM pragma_database_size()").fetchall()
    return int(used)
