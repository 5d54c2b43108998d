"""Variables are read without harm while a comprehension binds one that functions share (gh-128396, Python 3.13.0 to 2)."""

from __future__ import annotations

from breadcrumb import record_format
from spool_reader import program

SHARED_NAME = program(
    """
    def loaded(table, names):
        table = [
            {
                name.upper(): value
                for name, value in row.items()
            }
            for row in table
        ]
        rows = [tuple(row[name] for name in names) for row in table]
        return rows

    def failing(table, limit):
        shared = [lambda: row for row in table]
        return [
            1 // (row - limit)
            for row in table
        ]

    print(loaded([{"a": 1, "b": 2}, {"a": 3, "b": 4}], ("A", "B")))
    try:
        failing([1, 2, 3], 2)
    except ZeroDivisionError as error:
        print(error)
    """
)


def test_lines_and_exceptions_in_comprehensions_that_share_a_variable_do_no_harm(python: str, trace) -> None:
    spool = trace(python, SHARED_NAME, capture={"lines": ["loaded", "failing"]})
    assert spool.stdout == trace(python, SHARED_NAME, env={record_format.ENV_TRACE: ""}).stdout
    assert spool.stdout.startswith("[(1, 2), (3, 4)]")
    (call,) = spool.named("loaded")
    assert call.args == {"table": [{"a": 1, "b": 2}, {"a": 3, "b": 4}], "names": {"$tuple": ["A", "B"]}}
    assert any("table" in step.changes for step in call.lines)
    (exception,) = spool.of("exception")
    assert '"limit": 2' in exception["locals"]
