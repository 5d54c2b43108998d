"""Test that rows such as older versions left, or damage, keep no answer from being made."""

from __future__ import annotations

import json
from typing import Any

import pytest

from breadcrumb_server.answers.find.answer import find
from breadcrumb_server.answers.report.probed import report_after_run

# Tables with rows of a trace, but not those that only ingest reads.
TABLES = (
    "traces", "processes", "threads", "tasks", "functions", "call_records", "exceptions", "exception_counts",
    "gap_records", "notices", "stacks", "tests", "line_records", "yield_records",
    "probes", "probe_values",
)  # fmt: skip
KEYS = {
    *("trace_id", "trace_no", "process_id", "thread_id", "task_id", "call_id", "exception_id", "function_id"),
    *("test_id", "stack_id", "slot", "probe"),
}
ODD_TEXTS = [":::", '{"a": [', '{"$type": 5, "$tuple": 1, "$cut": []}']
ODD_NUMBERS = [-1, 2**31 - 1]

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def probed(project, rich, every_answer) -> None:
    """Give the trace a probe that was hit and one that was not."""
    places = [{"place": f"shop.pricing:{line}", "kind": "line", "line": line, "expressions": ["a"]} for line in (4, 5)]
    project.con.execute("UPDATE traces SET config = ?", [json.dumps({"probes": places})])
    code = json.dumps([{"function": "price", "module": "shop.pricing", "file": "/p.py", "line": 4, "lines": [4, 6]}])
    row = {"trace_id": rich.trace_id, "process_id": 0, "hits": 1, "met": 1, "exact": True, "started": True}
    project.con.insert("probes", {**row, "probe": 0, "code": code, "nearest_code": "[]"})
    project.con.insert("probes", {**row, "probe": 1, "hits": 0, "met": 0, "code": "[]", "nearest_code": code})
    row = {"trace_id": rich.trace_id, "process_id": 0, "probe": 0, "position": 1, "call_id": 1, "thread_id": 0}
    values = {"expressions": '{"a": 1}', "errors": '{"b": "NameError: b"}', "return_value": "1", "raised": "KeyError"}
    project.con.insert("probe_values", {**row, **values})
    con, trace_id = project.con, rich.trace_id
    every_answer["find a value"] = lambda: find(con, "shop", value="12.5", trace_id=trace_id)[0]
    every_answer["find an exception"] = lambda: find(con, "shop", exception="*", trace_id=trace_id)[0]
    every_answer["run"] = lambda: report_after_run(project.con, "shop", trace_id=rich.trace_id, running={}, redact=())


def columns(con: Any, table: str, *types: str) -> list[str]:
    rows = con.execute(
        "SELECT column_name FROM duckdb_columns() WHERE table_name = ? AND list_contains(?, data_type)",
        [table, list(types)],
    ).fetchall()
    return [name for (name,) in rows if name not in KEYS and (table, name) != ("traces", "status")]


def nullable(con: Any, table: str) -> list[str]:
    rows = con.execute(
        "SELECT column_name FROM duckdb_columns() WHERE table_name = ? AND is_nullable", [table]
    ).fetchall()
    return [name for (name,) in rows if name not in KEYS]


def check(every_answer: dict[str, Any]) -> None:
    """Build every answer; fail with what was raised or is missing."""
    faults = []
    for tool, answer in every_answer.items():
        try:
            made = answer()
        except Exception as error:
            faults.append(f"{tool}: {type(error).__name__}: {error}")
            continue
        faults += [f"{tool}: {note}" for note in made.notes if "missing here" in note]
    assert faults == []


@pytest.mark.parametrize("table", TABLES)
def test_rows_without_what_they_need_not_have_are_shown(project, every_answer, table) -> None:
    for column in nullable(project.con, table):
        project.con.execute(f"UPDATE {table} SET {column} = NULL")
    check(every_answer)


@pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
@pytest.mark.parametrize("table", TABLES)
def test_rows_with_odd_texts_are_shown(project, every_answer, table, text) -> None:
    for column in columns(project.con, table, "VARCHAR"):
        project.con.execute(f"UPDATE {table} SET {column} = ?", [text])
    for column in columns(project.con, table, "VARCHAR[]"):
        project.con.execute(f"UPDATE {table} SET {column} = ?", [[text, text]])
    check(every_answer)


@pytest.mark.parametrize("number", ODD_NUMBERS)
@pytest.mark.parametrize("table", TABLES)
def test_rows_with_odd_numbers_are_shown(project, every_answer, table, number) -> None:
    for column in columns(project.con, table, "INTEGER", "BIGINT", "DOUBLE"):
        project.con.execute(f"UPDATE {table} SET {column} = ?", [number])
    check(every_answer)
