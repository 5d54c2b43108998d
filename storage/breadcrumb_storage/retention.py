"""Keeps a project's database within what its config allows: the oldest traces go first."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from breadcrumb_storage.database import checkpoint
from breadcrumb_storage.trace_rows import delete_traces

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# DuckDB gives space free in row groups, some time after the rows are gone: the size is no measure of how much more
# has to go. So a database that is too large loses this share of its traces at the end of each run, and no more.
SHARE_WHEN_TOO_LARGE = 0.1


def apply_retention(con: DuckDBPyConnection, max_traces: int, max_bytes: int) -> list[str]:
    """Deletes what is beyond the limits; running traces and the newest one stay.

    Args:
        max_bytes: for the space in use; the file itself does not shrink, but is filled again.

    Returns:
        The ids of the deleted traces.
    """
    rows = con.execute("SELECT trace_id FROM traces WHERE status <> 'running' ORDER BY trace_no DESC").fetchall()
    newest_first = [trace_id for (trace_id,) in rows]
    gone = newest_first[max(max_traces, 1) :]
    if _bytes_in_use(con) > max_bytes:
        kept = newest_first[: len(newest_first) - len(gone)]
        share = min(ceil(len(kept) * SHARE_WHEN_TOO_LARGE), len(kept) - 1)
        gone += kept[len(kept) - share :] if share > 0 else []
    if not gone:
        return []
    deleted = delete_traces(con, gone)
    checkpoint(con)
    return deleted


def _bytes_in_use(con: DuckDBPyConnection) -> int:
    ((used,),) = con.execute("SELECT used_blocks * block_size FROM pragma_database_size()").fetchall()
    return int(used)
