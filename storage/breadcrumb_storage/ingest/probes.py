"""Define the statements by which `ingest_events` fills `probes` and `probe_values`."""

from __future__ import annotations

from breadcrumb.record_format import EVENT_PROBE, EVENT_PROBE_VALUES
from breadcrumb_storage.ids import ID_SPACE_SQL
from breadcrumb_storage.ingest.batch import MOMENT_SQL

_PROBES = f"""
INSERT INTO probes (trace_id, process_id, probe, place, hits, met, exact, started, code, nearest_code, note)
SELECT $1, process_id, probe, name, coalesce(hits, 0), coalesce(met, 0), coalesce(final, false),
       coalesce(started, false), codes, nearest, nullif(message, '')
FROM events WHERE k = '{EVENT_PROBE}' AND probe IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY process_id, probe ORDER BY rowid DESC) = 1
ON CONFLICT DO UPDATE SET hits = excluded.hits, met = excluded.met, exact = excluded.exact, started = excluded.started,
    code = excluded.code, nearest_code = excluded.nearest_code, note = excluded.note
"""

_VALUES = f"""
INSERT INTO probe_values
    (trace_id, process_id, probe, position, evaluated_at, thread_id, task_id, call_id, line, expressions, errors,
     return_value, raised)
SELECT $1, e.process_id, e.probe, e.n, {MOMENT_SQL.format("p")}, e.thread, nullif(e.task, 0),
       e.process_id * {ID_SPACE_SQL} + nullif(e."call", 0), e.line, e."values", e.errors,
       (e.result::JSON -> 0)::VARCHAR, e.raised
FROM events e JOIN processes p ON p.trace_id = $1 AND p.process_id = e.process_id
WHERE e.k = '{EVENT_PROBE_VALUES}' AND e.probe IS NOT NULL AND e.n IS NOT NULL
"""

# $1 is the trace; the temporary table `events` holds the records of the batch.
PROBE_STATEMENTS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({EVENT_PROBE}), _PROBES),
    (frozenset({EVENT_PROBE_VALUES}), _VALUES),
)
PROBE_FIELDS = {
    "probe": "INTEGER", "hits": "BIGINT", "met": "BIGINT", "final": "BOOLEAN", "started": "BOOLEAN",
    "codes": "VARCHAR", "nearest": "VARCHAR", "n": "BIGINT", '"values"': "VARCHAR", "errors": "VARCHAR",
    "result": "VARCHAR", "raised": "VARCHAR",
}  # fmt: skip
