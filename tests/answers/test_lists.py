"""Test the list of traces and the rows of SQL statements."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pytest

from breadcrumb_server.answers.common.budget import MAX_ANSWER_CHARS, size_of
from breadcrumb_server.answers.sql import query_traces
from breadcrumb_server.answers.traces import COLUMNS, list_traces
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.sql_access.read_only_sql import run_read_only


def test_a_trace_is_one_line_with_how_it_ended(project, shop) -> None:
    project.trace(status="crashed", exit_code=None, signal="SIGSEGV", label="second")

    answer = list_traces(project.con, "shop")

    newest, oldest = (dict(zip(COLUMNS, row, strict=True)) for row in answer.rows)
    assert (newest["status"], newest["exit"], newest["label"]) == ("crashed", "SIGSEGV", "second")
    assert oldest == {
        "trace_id": shop.trace.trace_id, "status": "failed", "started_at": "2025-01-10 12:00:00", "duration_ms": 1235,
        "exit": 1, "calls": 7, "uncaught": "KeyError", "command": "python main.py", "label": None,
    }  # fmt: skip
    assert answer.next == [f'get_trace(project="shop", trace_id="{newest["trace_id"]}")']


def test_traces_are_narrowed_by_status_and_time(project) -> None:
    start = datetime(2025, 1, 10)
    for day in range(4):
        project.trace(status="failed" if day % 2 else "completed", started_at=start + timedelta(days=day))

    answer = list_traces(project.con, "shop", status="failed", since="2025-01-12")

    assert [row[2] for row in answer.rows] == ["2025-01-13 00:00:00"]
    assert answer.total == 1


def test_an_unknown_status_is_refused_with_the_known_ones(project) -> None:
    with pytest.raises(BreadcrumbError, match="running, completed, failed, timeout, stopped, crashed"):
        list_traces(project.con, "shop", status="broken")


def test_no_traces_are_an_empty_list(project) -> None:
    assert list_traces(project.con, "shop").rows == []


def test_pages_have_every_trace_once_even_if_new_ones_are_added(project) -> None:
    for number in range(30):
        project.trace(f"20250110-1200{number:02}-beef", command="python " + "x" * 5_000, label="é" * 5_000)
    seen, cursor = [], None
    while True:
        answer = list_traces(project.con, "shop", limit=12, cursor=cursor)
        assert size_of(answer) <= MAX_ANSWER_CHARS
        seen += [row[0] for row in answer.rows]
        cursor = answer.next_cursor
        if cursor is None:
            break
        project.trace()

    assert seen == [f"20250110-1200{number:02}-beef" for number in range(29, -1, -1)]


def test_rows_of_a_statement_come_as_they_are(project, shop) -> None:
    answer = query_traces(
        partial(run_read_only, project.con), "shop", sql="SELECT status, exit_code, label, started_at FROM traces"
    )

    assert answer.columns == ["status", "exit_code", "label", "started_at"]
    assert answer.rows == [["failed", 1, None, "2025-01-10T12:00:00"]]
    assert answer.truncated is False


def test_rows_above_the_limit_are_truncated(project) -> None:
    answer = query_traces(partial(run_read_only, project.con), "shop", sql="SELECT * FROM range(50)", limit=10)

    assert (len(answer.rows), answer.truncated) == (10, True)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT repeat('\x01', 5000) AS a, repeat('é\"', 9000) AS b FROM range(500)",
        "SELECT " + ", ".join(f"{number} AS c{number}_{'x' * 200}" for number in range(300)) + " FROM range(90)",
        "SELECT [[i, i]] AS a, {'k': repeat('x', 9999)} AS b, 2::HUGEINT ** 100 AS c, 'nan'::DOUBLE AS d, "
        "'ab'::BLOB AS e, INTERVAL 3 DAY AS f, MAP {'a': 1} AS g FROM range(200) t(i)",
    ],
)
def test_the_answer_fits_whatever_a_statement_returns_and_says_what_is_missing(project, sql) -> None:
    answer = query_traces(partial(run_read_only, project.con), "shop", sql=sql, limit=1_000)

    assert size_of(answer) <= MAX_ANSWER_CHARS
    assert answer.rows
    assert answer.truncated
    assert all(len(row) == len(answer.columns) for row in answer.rows)
    assert any("did not fit" in note for note in answer.notes)


def test_integers_that_json_readers_would_round_are_texts(project) -> None:
    [row] = query_traces(
        partial(run_read_only, project.con), "shop", sql="SELECT 9007199254740993 AS a, 12 AS b, 1.5 AS c"
    ).rows

    assert row == ["9007199254740993", 12, 1.5]
