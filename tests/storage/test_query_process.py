"""SQL of users runs in a process of its own: nothing is reached from it, and nothing is taken that is not given back."""

from __future__ import annotations

import os
import resource
import select
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from breadcrumb_storage.errors import BreadcrumbError, QueryFailed, QueryRefused
from breadcrumb_storage.sql_access import query_process
from breadcrumb_storage.sql_access.query_limits import MEMORY_BYTES
from breadcrumb_storage.sql_access.query_process import QueryProcesses, Ticket
from breadcrumb_storage.sql_access.read_only_sql import MAX_RESULT_BYTES
from sql_attacks import GREEDY, HARMLESS, REFUSED

pytestmark = pytest.mark.processes

CANARY = "canary-4711"
# What Python and DuckDB have in memory before a statement begins, and more.
OWN_BYTES = 1024**3
ENDLESS = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"


@pytest.fixture(scope="module")
def recorded(new_trace):
    trace = new_trace()
    process = trace.process()
    process.start()
    process.call(1, 1000)
    process.end(1, 5000)
    trace.ingest()
    return trace


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outside")
    folder.joinpath("secret.csv").write_text(f"a,b\n1,{CANARY}\n")
    folder.joinpath("secret.txt").write_text(CANARY)
    folder.joinpath("secret.json").write_text(f'{{"a": "{CANARY}"}}\n')
    with duckdb.connect(folder / "other.duckdb") as con:
        con.execute(f"CREATE TABLE kept AS SELECT '{CANARY}' AS a")
        con.execute(f"COPY kept TO '{folder}/secret.parquet'")
    return folder


@pytest.fixture(scope="module")
def queries() -> Iterator[QueryProcesses]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BREADCRUMB_CANARY", CANARY)
        with QueryProcesses() as processes:
            yield processes


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_the_corpus_is_as_large_as_it_is_said_to_be():
    assert len(set(REFUSED)) >= 120
    assert len(GREEDY) >= 25


@pytest.mark.parametrize("sql", REFUSED)
def test_what_reaches_outside_or_writes_is_refused(queries, recorded, outside, sql):
    before = contents(outside), recorded.database.path.read_bytes()

    with pytest.raises((QueryRefused, QueryFailed)) as caught:
        queries.ask(recorded.database, sql.replace("{outside}", str(outside)).replace("{{}}", "{}"), 100)

    assert CANARY not in str(caught.value)
    assert (contents(outside), recorded.database.path.read_bytes()) == before


@pytest.mark.parametrize("sql", HARMLESS)
def test_what_is_answered_holds_nothing_from_outside(queries, recorded, outside, sql):
    before = contents(outside), recorded.database.path.read_bytes()

    result = queries.ask(recorded.database, sql.replace("{outside}", str(outside)), 1000).result

    assert CANARY not in repr(result.rows)
    assert (contents(outside), recorded.database.path.read_bytes()) == before


def test_the_process_has_no_secrets_of_the_environment(queries, recorded):
    queries.ask(recorded.database, "SELECT 1", 1)
    process = queries._take()
    assert CANARY.encode() not in Path(f"/proc/{process.pid}/environ").read_bytes()
    queries._give_back(process)


@pytest.fixture(scope="module")
def impatient() -> Iterator[QueryProcesses]:
    with QueryProcesses(timeout_seconds=0.3, grace_seconds=0.2) as processes:
        yield processes


@pytest.mark.parametrize("sql", GREEDY.values(), ids=GREEDY)
def test_time_memory_and_size_hold_for_any_statement(impatient, recorded, sql):
    with pytest.raises(QueryFailed) as caught:
        impatient.ask(recorded.database, sql, 1000)

    assert caught.value.what in (
        "The query was stopped after 0.3 s.",
        "The query needs more memory than a query may use.",
        f"The first row alone is larger than a result may be: {MAX_RESULT_BYTES // 2**20} MiB.",
        "The query ended the process that ran it: DuckDB could not handle this statement.",
    ), str(caught.value)
    assert caught.value.hint
    assert impatient.ask(recorded.database, "SELECT count(*) FROM traces", 1).result.rows == [[1]]
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < MEMORY_BYTES + OWN_BYTES


def test_a_result_ends_where_it_is_as_large_as_it_may_be(queries, recorded):
    result = queries.ask(recorded.database, "SELECT repeat('x', 1000000) FROM range(1000)", 1000).result

    assert (result.truncated, result.is_full) == (True, True)
    assert 0 < len(result.rows) * 1_000_000 <= MAX_RESULT_BYTES


def test_the_next_question_is_asked_in_the_same_process(recorded):
    with QueryProcesses() as queries:
        pids = set()
        for sql in ("SELECT 1", "SELEC 1", "DROP TABLE traces", "SELECT repeat('x', 20000000)", "SELECT 2"):
            with suppress(BreadcrumbError):
                queries.ask(recorded.database, sql, 1)
            process = queries._take()
            pids.add(process.pid)
            queries._give_back(process)

    assert len(pids) == 1


def test_a_process_without_questions_ends_and_the_next_one_is_answered(recorded):
    with QueryProcesses() as queries:
        queries.ask(recorded.database, "SELECT 1", 1)
        process = queries._take()
        process.kill()  # as if it had been idle for long
        queries._give_back(process)

        assert queries.ask(recorded.database, "SELECT 2", 1).result.rows == [[2]]


def test_a_cancelled_question_ends_and_its_process_with_it(recorded):
    ticket = Ticket()
    began = threading.Event()

    class Told(QueryProcesses):
        def _take(self):
            process = super()._take()
            began.set()
            return process

    caught: list[BreadcrumbError] = []
    with Told() as queries:

        def ask() -> None:
            try:
                queries.ask(recorded.database, ENDLESS, 1, ticket)
            except BreadcrumbError as error:
                caught.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        assert began.wait(30)
        ticket.cancel()
        thread.join(30)

    assert [error.what for error in caught] == ["The question was cancelled."]


def test_the_process_ends_with_the_one_that_started_it(recorded, start_python):
    """However that one dies, and whatever the process computes then."""
    code = (
        "import sys, threading, time\n"
        "from pathlib import Path\n"
        "from breadcrumb_storage.database import Database\n"
        "from breadcrumb_storage.sql_access.query_process import QueryProcesses\n"
        "class Told(QueryProcesses):\n"
        "    def _take(self):\n"
        "        process = super()._take()\n"
        "        print(process.pid, flush=True)\n"
        "        return process\n"
        "Told().ask(Database(Path(sys.argv[1])), sys.argv[2], 1)\n"
    )
    parent = start_python(code, recorded.database.path, ENDLESS)
    pid = int(parent.stdout.readline())
    descriptor = os.pidfd_open(pid)
    parent.kill()
    parent.communicate()

    assert select.select([descriptor], [], [], 30)[0]
    os.close(descriptor)


def test_a_process_that_cannot_be_started_is_told(recorded, monkeypatch):
    monkeypatch.setattr(query_process, "_WORKER", "no_such_module_of_breadcrumb")
    with QueryProcesses() as queries, pytest.raises(BreadcrumbError, match="cannot be started"):
        queries.ask(recorded.database, "SELECT 1", 1)


def test_half_of_a_surrogate_pair_is_refused(queries, recorded):
    with pytest.raises(QueryRefused, match="no text"):
        queries.ask(recorded.database, "SELECT '\ud800'", 1)
