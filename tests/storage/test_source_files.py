"""The text of source files is kept once for all traces that have it, and goes with the last of them."""

from __future__ import annotations

from datetime import datetime

import pytest

from breadcrumb_storage.database import Database
from breadcrumb_storage.source_files import keep_sources, known_digests, source_text
from breadcrumb_storage.trace_rows import TraceStart, delete_traces, insert_trace


@pytest.fixture
def con(tmp_path):
    with Database(tmp_path / "traces.duckdb").write() as con:
        for trace_id in ("one", "two"):
            insert_trace(con, TraceStart(trace_id=trace_id, started_at=datetime(2025, 1, 10, 12), command="x"))
        yield con


def test_equal_texts_are_kept_once_and_deleted_with_their_last_trace(con) -> None:
    keep_sources(con, "one", {"/a.py": "1", "/b.py": "2"}, {"1": "a = 1", "2": "b = 2"})
    keep_sources(con, "two", {"/a.py": "1"}, {})
    assert source_text(con, "two", "/a.py") == "a = 1"
    assert source_text(con, "two", "/b.py") is None

    delete_traces(con, ["one"])
    assert known_digests(con) == {"1"}
    assert source_text(con, "two", "/a.py") == "a = 1"
    delete_traces(con, ["two"])
    assert known_digests(con) == set()


def test_the_sources_of_a_trace_are_replaced_when_its_end_is_written_again(con) -> None:
    keep_sources(con, "one", {"/a.py": "1"}, {"1": "a = 1"})
    keep_sources(con, "one", {"/a.py": "1"}, {"1": "a = 1"})
    assert con.execute("SELECT count(*) FROM source_files").fetchone() == (1,)
