"""Read what the probes of a run found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.rows import fetch

if TYPE_CHECKING:
    from breadcrumb_storage.queries.trace_reader import TraceReader

# Rows of a probe that are read: the first ones, and the last ones of more.
MAX_FIRST = 2_000
MAX_LAST = 20


@dataclass(frozen=True, slots=True)
class ProbeCount:
    """A probe in all processes of a run together."""

    probe: int
    hits: int
    met: int
    exact: bool  # False: hits and met are lower bounds
    started: bool  # whether the function around the place ran
    codes: list[str]  # JSON lists, one of each process: the code that it is in
    nearest: list[str]  # the same: the code around a line that no code has
    notes: list[str]


@dataclass(frozen=True, slots=True)
class ProbeValues:
    """What the expressions of a probe were, one time."""

    probe: int
    process_id: int
    thread: str  # its name, with that of the task
    call_id: int | None
    position: int
    expressions: str | None  # JSON object
    errors: str | None  # JSON object
    return_value: str | None  # JSON
    raised: str | None


def count_probes(reader: TraceReader) -> list[ProbeCount]:
    """Return the probes that were found in a process, or whose place has no code there."""
    result = reader.con.execute(
        """
        WITH kept AS (SELECT process_id, probe, max(position) AS met FROM probe_values WHERE trace_id = $1 GROUP BY ALL)
        SELECT probe, sum(greatest(hits, coalesce(kept.met, 0)))::BIGINT AS hits,
               sum(greatest(probes.met, coalesce(kept.met, 0)))::BIGINT AS met, bool_and(exact) AS exact,
               bool_or(started) AS started,
               coalesce(list(DISTINCT code) FILTER (code <> '[]'), []) AS codes,
               coalesce(list(DISTINCT nearest_code) FILTER (nearest_code <> '[]'), []) AS nearest,
               coalesce(list(DISTINCT note) FILTER (note IS NOT NULL), []) AS notes
        FROM probes LEFT JOIN kept USING (process_id, probe) WHERE trace_id = $1 GROUP BY probe ORDER BY probe
        """,
        [reader.trace_id],
    )
    return fetch(result, ProbeCount)


def probe_values(reader: TraceReader) -> list[ProbeValues]:
    """Return the rows of all probes in the order of time, the first and the last ones of each probe."""
    result = reader.con.execute(
        """
        SELECT v.probe, v.process_id, concat_ws(' ', th.name, k.name) AS thread, v.call_id, v.position, v.expressions,
               v.errors, v.return_value, v.raised
        FROM (
            SELECT *, row_number() OVER (PARTITION BY probe ORDER BY evaluated_at, process_id, position) AS first,
                   count(*) OVER (PARTITION BY probe) - first AS after
            FROM probe_values WHERE trace_id = $trace_id) v
        LEFT JOIN threads th
               ON th.trace_id = $trace_id AND th.process_id = v.process_id AND th.thread_id = v.thread_id
        LEFT JOIN tasks k ON k.trace_id = $trace_id AND k.process_id = v.process_id AND k.task_id = v.task_id
        WHERE v.first <= $first OR v.after < $last
        ORDER BY v.probe, v.first
        """,
        {"trace_id": reader.trace_id, "first": MAX_FIRST, "last": MAX_LAST},
    )
    return fetch(result, ProbeValues)
