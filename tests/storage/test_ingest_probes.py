"""Test that the events of probes become rows of `probes` and `probe_values`."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from breadcrumb_storage.ids import ID_SPACE

CODE = {"function": "total", "module": "shop", "file": "/shop.py", "line": 3, "lines": [4, 5]}


def test_the_last_record_of_a_probe_counts_also_if_it_comes_later(trace):
    process = trace.process()
    process.start()
    first = {"probe": 0, "name": "shop:4", "started": False, "codes": [CODE], "nearest": [], "message": ""}
    process.event("probe", **first, hits=1, met=0, final=False)
    trace.ingest()
    assert trace.ask("SELECT hits, met, exact, started, note FROM probes") == [(1, 0, False, False, None)]
    process.event("probe", **{**first, "started": True}, hits=7, met=2, final=False)
    process.event("probe", **{**first, "started": True, "message": "too slow"}, hits=9, met=3, final=True)
    trace.ingest()
    assert trace.ask("SELECT hits, met, exact, started, note FROM probes") == [(9, 3, True, True, "too slow")]
    ((code, nearest),) = trace.ask("SELECT code, nearest_code FROM probes")
    assert (json.loads(code), json.loads(nearest)) == ([CODE], [])


def test_values_keep_their_kinds(trace):
    process = trace.process()
    process.start(clock_origin_ns=1_000_000)
    row = {"probe": 0, "at_ns": 3_000_000, "thread": 0, "task": 0, "line": 4}
    process.event("probe_values", **row, n=1, call=7, values={"a": "text", "b": None, "c": [1]})
    process.event("probe_values", **row, n=2, call=None, values={}, errors={"a": "NameError: a"}, result=["1"])
    process.event("probe_values", **row, n=3, call=None, values={}, result=[None])
    process.event("probe_values", **row, n=4, call=None, values={}, raised="KeyError: 'x'")
    process.event("probe_values", probe=0)  # damaged
    trace.ingest()
    assert trace.ask("SELECT DISTINCT evaluated_at, task_id FROM probe_values") == [
        (datetime(2025, 1, 10, 12) + timedelta(milliseconds=2), None)
    ]
    rows = trace.ask("SELECT call_id, expressions, errors, return_value, raised FROM probe_values ORDER BY position")
    assert [(None if text is None else json.loads(text)) for text in rows[0][1:2]] == [
        {"a": "text", "b": None, "c": [1]}
    ]
    assert [row[0] for row in rows] == [0 * ID_SPACE + 7, None, None, None]
    assert json.loads(rows[1][2]) == {"a": "NameError: a"}
    assert [row[3] for row in rows] == [None, '"1"', "null", None]
    assert rows[3][4] == "KeyError: 'x'"
