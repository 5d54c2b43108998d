"""Read the values that generators yielded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.rows import fetch_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader


@dataclass(frozen=True, slots=True)
class Yielded:
    """The values that a call of a generator yielded."""

    values: tuple[str, ...]  # the first ones, as JSON
    at_ns: tuple[int, ...]  # the time of each, in ns since the epoch
    count: int  # of all values


def yields_of(reader: TraceReader, call_ids: Sequence[int]) -> dict[int, Yielded]:
    """Return the values that calls yielded by call id; calls that yielded nothing are left out."""
    result = reader.con.execute(
        """
        SELECT call_id, coalesce(list(value ORDER BY position) FILTER (value IS NOT NULL), []) AS values,
               coalesce(list(coalesce(at_ns, 0) ORDER BY position) FILTER (value IS NOT NULL), []) AS at_ns,
               max(position)::BIGINT + 1 AS count
        FROM yield_records SEMI JOIN (SELECT unnest(?::BIGINT[]) AS call_id) USING (call_id)
        WHERE trace_no = ? GROUP BY call_id
        """,
        [list(call_ids), reader.trace_no],
    )
    found = fetch_with(result, Yielded, "call_id", convert={"values": tuple, "at_ns": tuple})
    return {call_id: yielded for yielded, (call_id,) in found}
