from __future__ import annotations

import json
from datetime import datetime

import duckdb
import pytest

from breadcrumb_storage.errors import QueryFailed, QueryRefused
from breadcrumb_storage.sql_access.read_only_sql import SqlResult, run_read_only
from breadcrumb_storage.trace_rows import TraceEnd, finish_trace


@pytest.fixture(scope="module")
def recorded(new_trace):
    trace = new_trace()
    process = trace.process()
    process.start()
    process.call(1, 1000)
    process.call(2, 2000, parent=1, function=2, args='{"price": 3}')
    process.end(2, 3000, value="6")
    process.event("exception", id=1, at_ns=3000, thread=0, call=1, type="KeyError", message="'x'", stack="Traceback")
    process.end(1, 5000, outcome=1, exception=1)
    trace.ingest()
    with trace.database.write() as con:
        end = TraceEnd(status="failed", finished_at=datetime(2025, 1, 10, 12, 1), duration_ms=1.0, exit_code=1)
        finish_trace(con, trace.trace_id, end)
    return trace


def run(trace, sql: str, limit: int = 100, timeout_seconds: float = 30.0) -> SqlResult:
    with trace.database.read() as con:
        return run_read_only(con, sql, limit, timeout_seconds=timeout_seconds)


def test_the_documented_queries_run_unchanged(recorded):
    failed = run(recorded, "SELECT * FROM traces WHERE status='failed' LIMIT 10")
    assert failed.rows[0][failed.columns.index("trace_id")] == recorded.trace_id
    counts = run(recorded, "SELECT function_name, COUNT(*) FROM trace_events GROUP BY function_name")
    assert sorted(map(tuple, counts.rows), key=str) == [("<module>", 1), ("total", 2), (None, 1)]


def test_the_documented_columns_exist(recorded):
    events = run(
        recorded,
        'SELECT trace_id, event_type, function_name, module_name, "timestamp", args, return_value FROM trace_events '
        "WHERE event_type = 'return'",
    )
    assert events.rows == [[recorded.trace_id, "return", "total", "shop", "2025-01-10T12:00:00.000003", None, "6"]]
    exceptions = run(recorded, "SELECT trace_id, exception_type, exception_message, stack_trace FROM exceptions")
    assert exceptions.rows == [[recorded.trace_id, "KeyError", "'x'", "Traceback"]]
    for table in ("calls", "functions", "function_stats", "gaps", "processes", "threads", "notices"):
        run(recorded, f"SELECT trace_id FROM {table}")


def test_a_users_script_reads_the_tables_with_duckdb_alone(recorded, start_python):
    code = (
        "import sys, duckdb, json\n"
        "con = duckdb.connect(sys.argv[1])\n"
        "queries = ['SELECT trace_id FROM traces', \"SELECT trace_id FROM traces WHERE status='failed' LIMIT 10\",\n"
        "  'SELECT function_name, COUNT(*) FROM trace_events GROUP BY function_name ORDER BY 1']\n"
        "print(json.dumps([con.execute(query).fetchall() for query in queries]))"
    )
    output, errors = start_python(code, recorded.database.path).communicate()
    assert errors == ""
    assert json.loads(output) == [
        [[recorded.trace_id]], [[recorded.trace_id]], [["<module>", 1], ["total", 2], [None, 1]],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 AS a",
        "select 1 as a;",
        "-- why\nSELECT 1 AS a /* because */",
        "WITH one AS (SELECT 1 AS a) FROM one",
        "VALUES (1)",
        "FROM range(1, 2)",
        "EXPLAIN SELECT 1",
        "DESCRIBE traces",
        "SHOW TABLES",
        "SUMMARIZE traces",
        "SELECT ';' AS a",
    ],
)
def test_every_kind_of_reading_statement_runs(recorded, sql):
    assert run(recorded, sql).rows


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO notices VALUES ('t', 0, 'c', 'm')",
        "UPDATE traces SET status = 'completed'",
        "DELETE FROM traces",
        "DROP TABLE traces",
        "CREATE TEMP TABLE t AS SELECT 1",
        "ALTER TABLE traces ADD COLUMN a INTEGER",
        "COPY traces TO '{outside}/x.csv'",
        "EXPORT DATABASE '{outside}/x'",
        "ATTACH '{outside}/x.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '100GB'",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "BEGIN",
        "CHECKPOINT",
        "VACUUM",
        "USE memory",
        "PREPARE p AS DELETE FROM traces",
        "WITH a AS (SELECT 1) DELETE FROM traces",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE traces",
        "",
        "-- nothing",
    ],
)
def test_anything_but_one_reading_statement_is_refused(recorded, tmp_path, sql):
    before = recorded.database.path.read_bytes()
    with pytest.raises(QueryRefused):
        run(recorded, sql.format(outside=tmp_path))
    assert recorded.database.path.read_bytes() == before


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM '{outside}/secret.csv'",
        "SELECT * FROM read_text('{outside}/secret.csv')",
        "SELECT * FROM glob('{outside}/*')",
        "SELECT * FROM '{outside}/other.duckdb'.traces",
        "SELECT nextval('trace_numbers')",
        "EXPLAIN ANALYZE DELETE FROM traces",
        "EXPLAIN ANALYZE COPY traces TO '{outside}/x.csv'",
        "SELECT * FROM sql",  # a variable of the Python function that runs it
        "SELECT getenv('HOME')",
        "SELECT * FROM duckdb_secrets()",
    ],
)
def test_a_select_reaches_nothing_outside_and_changes_nothing(recorded, tmp_path, sql):
    outside = tmp_path / "outside"
    outside.mkdir()
    outside.joinpath("secret.csv").write_text("a,b\n1,2\n")
    before = recorded.database.path.read_bytes()
    with pytest.raises(QueryFailed):
        run(recorded, sql.format(outside=outside))
    assert recorded.database.path.read_bytes() == before
    assert [file.name for file in outside.iterdir()] == ["secret.csv"]


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT nothing FROM calls", "SELECT * FROM call"])
def test_wrong_sql_is_answered_with_duckdbs_message_and_the_tables(recorded, sql):
    with pytest.raises(QueryFailed) as caught:
        run(recorded, sql)
    message = str(caught.value)
    assert "Error: " in caught.value.why
    assert "traces(trace_id, trace_no, status" in message and "trace_events(trace_id, event_type" in message
    assert "pending_returns" not in message and len(message) < 4000


def test_a_parameter_without_a_value_is_an_error(recorded):
    with pytest.raises(QueryFailed, match="parameters"):
        run(recorded, "SELECT * FROM traces WHERE trace_id = ?")


def test_rows_beyond_the_limit_are_neither_returned_nor_computed(recorded):
    result = run(recorded, "SELECT range FROM range(1000000000000)", limit=3)
    assert (result.rows, result.truncated) == ([[0], [1], [2]], True)
    assert run(recorded, "SELECT * FROM range(3)", limit=3).truncated is False


def test_columns_have_their_names_and_types_even_without_rows(recorded):
    result = run(recorded, "SELECT trace_id, duration_ms AS ms, started_at FROM traces WHERE false")
    assert (result.columns, result.types, result.rows) == (
        ["trace_id", "ms", "started_at"], ["VARCHAR", "DOUBLE", "TIMESTAMP"], [],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("NULL", None),
        ("true", True),
        ("170141183460469231731687303715884105727::HUGEINT", 170141183460469231731687303715884105727),
        ("1.5::DECIMAL(10, 2)", 1.5),
        ("4::DECIMAL(10, 2)", 4),
        ("12345678901234567890.12::DECIMAL(38, 2)", "12345678901234567890.12"),
        ("'nan'::FLOAT", "nan"),
        ("'-inf'::DOUBLE", "-inf"),
        ("'\\xAB'::BLOB", "ab"),
        ("TIMESTAMP '2025-01-10 12:00:00.5'", "2025-01-10T12:00:00.500000"),
        ("DATE '2025-01-10'", "2025-01-10"),
        ("TIME '12:00:01'", "12:00:01"),
        ("INTERVAL 3 DAY", "3 days, 0:00:00"),
        ("'8a6f9c1e-0000-0000-0000-000000000001'::UUID", "8a6f9c1e-0000-0000-0000-000000000001"),
        ("{'a': [1, NULL], 'b': DATE '2025-01-10'}", {"a": [1, None], "b": "2025-01-10"}),
        ("MAP {1: 'x'}", {"1": "x"}),
        ("(now()::TIMESTAMP - now()::TIMESTAMP) < INTERVAL 1 SECOND", True),
    ],
)
def test_values_are_converted_to_json(recorded, sql, value):
    result = run(recorded, f"SELECT {sql}")
    assert result.rows == [[value]]
    json.dumps(result.rows, allow_nan=False)


def test_a_time_with_a_zone_is_returned_or_the_error_proposes_a_cast(recorded):
    """DuckDB 2.0.0 needs pytz for it, which is not a dependency."""
    question = "SELECT TIMESTAMPTZ '2025-01-10 13:00:00+01'"
    if duckdb.__version__ == "2.0.0":
        with pytest.raises(QueryFailed, match=r"now\(\)::TIMESTAMP"):
            run(recorded, question)
    else:
        assert run(recorded, question).rows == [["2025-01-10T12:00:00+00:00"]]


def test_a_query_that_takes_too_long_is_stopped(recorded):
    with pytest.raises(QueryFailed, match=r"stopped after 0\.05 s"):
        run(recorded, "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b", timeout_seconds=0.05)
    assert run(recorded, "SELECT 1").rows == [[1]]


def test_a_query_that_needs_too_much_memory_is_stopped(recorded, monkeypatch):
    from breadcrumb_storage import database

    monkeypatch.setitem(database._READ_CONFIG, "memory_limit", "50MB")
    with pytest.raises(QueryFailed, match="more memory"):
        run(recorded, "SELECT list(range) FROM range(100000000)")
