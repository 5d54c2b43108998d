from __future__ import annotations

from datetime import datetime
from pathlib import Path

from breadcrumb_storage.database import Database
from breadcrumb_storage.retention import apply_retention
from breadcrumb_storage.trace_rows import TraceEnd, TraceStart, finish_trace, insert_trace

PLENTY = 1 << 40


def make_database(tmp_path: Path, traces: int, *, running: tuple[int, ...] = ()) -> Database:
    database = Database(tmp_path / "traces.duckdb")
    now = datetime(2025, 1, 10, 12)
    with database.write() as con:
        for number in range(traces):
            insert_trace(con, TraceStart(trace_id=f"t{number}", started_at=now, command="x"))
            if number not in running:
                finish_trace(con, f"t{number}", TraceEnd(status="completed", finished_at=now, duration_ms=1))
    return database


def remaining(database: Database) -> list[str]:
    with database.read() as con:
        return [row[0] for row in con.execute("SELECT trace_id FROM traces ORDER BY trace_no").fetchall()]


def test_the_oldest_traces_beyond_the_limit_are_deleted(tmp_path: Path) -> None:
    database = make_database(tmp_path, 5)
    with database.write() as con:
        assert sorted(apply_retention(con, 3, PLENTY)) == ["t0", "t1"]
    assert remaining(database) == ["t2", "t3", "t4"]


def test_within_the_limits_nothing_is_deleted(tmp_path: Path) -> None:
    database = make_database(tmp_path, 3)
    with database.write() as con:
        assert apply_retention(con, 3, PLENTY) == []


def test_an_old_running_trace_is_kept(tmp_path: Path) -> None:
    database = make_database(tmp_path, 4, running=(0,))
    with database.write() as con:
        apply_retention(con, 1, PLENTY)
    assert remaining(database) == ["t0", "t3"]


def test_a_database_that_is_too_large_loses_its_oldest_tenth(tmp_path: Path) -> None:
    database = make_database(tmp_path, 20)
    with database.write() as con:
        assert sorted(apply_retention(con, 200, 0)) == ["t0", "t1"]


def test_the_newest_trace_is_kept_even_if_it_is_too_large(tmp_path: Path) -> None:
    database = make_database(tmp_path, 1)
    with database.write() as con:
        assert apply_retention(con, 200, 0) == []
