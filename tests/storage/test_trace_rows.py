from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.trace_rows import (
    _TABLES_BY_TRACE_ID,
    _TABLES_BY_TRACE_NO,
    TraceEnd,
    TraceStart,
    delete_traces,
    finish_trace,
    insert_trace,
    resolve_trace_id,
)

NOON = datetime(2025, 1, 10, 12, tzinfo=UTC)
START = TraceStart(trace_id="20250110-120000-abcd", started_at=NOON, command="python shop.py", label="first", pid=7)
END = TraceEnd(status="failed", finished_at=NOON + timedelta(seconds=2), duration_ms=2000.0, exit_code=1)


@pytest.fixture
def con(tmp_path: Path) -> Iterator[object]:
    with Database(tmp_path / "shop-traces.duckdb").write() as con:
        yield con


def test_a_trace_is_running_until_it_is_finished(con):
    insert_trace(con, START)
    assert con.execute("SELECT status, label, pid, finished_at FROM traces").fetchall() == [
        ("running", "first", 7, None)
    ]
    finish_trace(con, START.trace_id, END)
    row = con.execute("SELECT status, started_at, finished_at, duration_ms, exit_code, signal FROM traces").fetchall()
    assert row == [("failed", datetime(2025, 1, 10, 12), datetime(2025, 1, 10, 12, 0, 2), 2000.0, 1, None)]


def test_times_of_another_zone_are_stored_as_utc(con):
    insert_trace(con, replace(START, started_at=datetime(2025, 1, 10, 14, tzinfo=timezone(timedelta(hours=2)))))
    assert con.execute("SELECT started_at FROM traces").fetchall() == [(datetime(2025, 1, 10, 12),)]


def test_inserting_a_trace_again_changes_nothing(con):
    insert_trace(con, START)
    finish_trace(con, START.trace_id, END)
    insert_trace(con, replace(START, label="second"))
    assert con.execute("SELECT label, status FROM traces").fetchall() == [("first", "failed")]


def test_finishing_an_unknown_trace_is_an_error(con):
    with pytest.raises(BreadcrumbError, match="no trace nowhere"):
        finish_trace(con, "nowhere", END)


@pytest.fixture
def three_traces(con):
    for minutes, suffix in enumerate(["aa11", "bb22", "ab22"]):
        started_at = NOON + timedelta(minutes=minutes)
        insert_trace(
            con, TraceStart(trace_id=f"{started_at:%Y%m%d-%H%M%S}-{suffix}", started_at=started_at, command="x")
        )
    return con


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, "20250110-120200-ab22"),
        ("20250110-120100-bb22", "20250110-120100-bb22"),
        ("20250110-1200", "20250110-120000-aa11"),
        ("aa11", "20250110-120000-aa11"),
        ("bb22", "20250110-120100-bb22"),
    ],
)
def test_a_trace_is_found_by_its_id_a_prefix_a_suffix_or_as_the_newest(three_traces, given, found):
    assert resolve_trace_id(three_traces, given, "shop") == found


def test_an_ambiguous_id_names_the_candidates(three_traces):
    with pytest.raises(BreadcrumbError, match="ambiguous: 20250110-120200-ab22, 20250110-120100-bb22 match"):
        resolve_trace_id(three_traces, "22", "shop")


def test_the_error_about_an_unknown_id_names_the_newest_and_where_to_look(three_traces):
    with pytest.raises(BreadcrumbError) as caught:
        resolve_trace_id(three_traces, "zz", "shop")
    assert "newest are 20250110-120200-ab22, 20250110-120100-bb22" in str(caught.value)
    assert 'list_traces(project="shop")' in str(caught.value)


@pytest.mark.parametrize("given", [None, "abcd"])
def test_a_project_without_traces_says_how_to_record_one(con, given):
    with pytest.raises(BreadcrumbError, match='run\\(project="shop"'):
        resolve_trace_id(con, given, "shop")


def test_wildcards_in_an_id_are_plain_characters(three_traces):
    with pytest.raises(BreadcrumbError, match="no trace '%'"):
        resolve_trace_id(three_traces, "%", "shop")


def test_every_table_with_rows_of_traces_is_among_those_that_lose_them(trace):
    with trace.database.read() as con:
        for column, listed in (("trace_id", _TABLES_BY_TRACE_ID), ("trace_no", _TABLES_BY_TRACE_NO)):
            found = con.execute(
                "SELECT table_name FROM duckdb_columns() JOIN duckdb_tables() USING (table_name) WHERE column_name = ?",
                [column],
            ).fetchall()
            assert {name for (name,) in found} - {"traces"} == set(listed) - {"traces"}


def test_deleting_a_trace_deletes_all_its_rows_and_no_others(trace):
    process = trace.process()
    process.start()
    process.call(1, 10)
    process.end(9, 20)
    process.event("task", task=1, name="Task-1")
    process.event("exception", id=1, at_ns=5, thread=0, call=1, type="KeyError", message="'x'")
    process.event("gap", slot=0, function="f", module="m", file="m.py", line=1, kind="python", caller=1, exact=True)
    process.event("notice", code="c", message="m")
    process.event("probe", probe=0, name="m:1", codes=[], nearest=[])
    process.event("probe_values", probe=0, n=1, at_ns=5, values={})
    trace.ingest()
    with trace.database.write() as con:
        insert_trace(con, replace(START, trace_id="other"))
        assert delete_traces(con, [trace.trace_id, "unknown"]) == [trace.trace_id]
        tables = [name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        remaining = {name: con.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in tables}
        assert con.execute("SELECT trace_id FROM traces").fetchall() == [("other",)]
    assert {name for name, count in remaining.items() if count} == {"traces", "schema_versions"}
