"""No secret is in any file under the home folder or in any answer, for runs that are running, ended or killed.

tests/targets/planted.py plants the corpus of tests/support/secret_corpus.py in every place that could be recorded.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import duckdb
import pytest

from killed_ingest import KILLED_INGEST
from pythons import NEWEST
from secret_corpus import Secret, SecretSearch, corpus, find
from spool_reader import TARGETS, interpreter

pytestmark = pytest.mark.anyio

SECRETS = corpus()
NAMED = [secret for secret in SECRETS if secret.rule == "name"]
# Learned from the command, environment and input of the run; the program uses them under no secret name.
IN_COMMAND, IN_ENVIRONMENT, IN_INPUT = "cmd-Planted-5501", "env-Planted-5502", "inp-Planted-5503"
GIVEN = [Secret(text, "name", "x", text, text) for text in (IN_COMMAND, IN_ENVIRONMENT, IN_INPUT)]

SEARCH = SecretSearch(SECRETS + GIVEN)

# Tools and arguments that read a trace.
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("list_traces", {"limit": 5}),
    ("get_calls", {"function": "take", "limit": 50}),
    ("get_calls", {"function": "*", "limit": 50}),
    ("find_exceptions", {"limit": 50}),
    ("find_gaps", {"limit": 50}),
    ("query_traces", {"sql": "SELECT * FROM traces", "limit": 10}),
    ("query_traces", {"sql": "SELECT args, return_value FROM calls ORDER BY random()", "limit": 100}),
    ("query_traces", {"sql": "SELECT * FROM exceptions ORDER BY random()", "limit": 30}),
    ("query_traces", {"sql": "SELECT command FROM processes", "limit": 30}),
]


def leaks_under(home: Path) -> list[tuple[str, str, bytes]]:
    """Return (file, kind of secret, text around it) for each leak in a file."""
    while True:
        files = [path for path in home.rglob("*") if path.is_file()]
        assert files
        try:
            return [(path.name, *leak) for path in files for leak in SEARCH.find(path.read_bytes())]
        except FileNotFoundError:  # the ingest moved its content, maybe to a file that was already read
            pass


def leaks_in_tables(home: Path) -> list[tuple[str, str, bytes]]:
    """Return the leaks in the tables: the database file compresses its blocks."""
    found = []
    with duckdb.connect(str(home / "p-traces.duckdb"), read_only=True) as con:
        for (table,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            rows = json.dumps(con.execute(f'SELECT * FROM "{table}"').fetchall(), default=str, ensure_ascii=False)
            found += [(table, *leak) for leak in SEARCH.find(rows.encode("utf-8", "surrogatepass"))]
    return found


async def leaks_in_answers(session: Any, trace_id: str) -> list[tuple[str, str, bytes]]:
    found = []
    for tool, arguments in [("get_trace", {"trace_id": trace_id}), *QUESTIONS]:
        answer = json.dumps(await session.ok(tool, project="p", **arguments), ensure_ascii=False)
        found += [(tool, *leak) for leak in SEARCH.find(answer.encode("utf-8", "surrogatepass"))]
    return found


def planted(workspace: Path) -> list[str]:
    """Write the corpus to a file, and return the command without the interpreter."""
    file = workspace / "corpus.json"
    file.write_text(json.dumps([[secret.rule, secret.name, secret.text] for secret in SECRETS]))
    return [str(TARGETS / "planted.py"), str(file), "--password", IN_COMMAND, f"--db-url=x://bob:{IN_COMMAND}@h/d"]


def server_of_the_run(home: Path) -> int:
    (state,) = (home / "spool").glob("*/*.json")
    return int(json.loads(state.read_text())["server_pid"])


async def release(gate: Any) -> None:
    await anyio.to_thread.run_sync(lambda: gate.path.write_text("go on"))


@pytest.mark.parametrize(
    ("version", "mode"), [("3.8", "full"), ("3.11", "adaptive"), ("3.12", "full"), (NEWEST, "adaptive")]
)
async def test_no_file_and_no_answer_contains_a_planted_secret(
    session: Any, home: Path, workspace: Path, gate: Any, second_gate: Any, version: str, mode: str
) -> None:
    await session.project(workspace, ["__main__"], mode=mode, calls_per_function=2000)
    started = await session.run(
        interpreter(version), *planted(workspace),
        env={"SERVICE_TOKEN": IN_ENVIRONMENT, "NOTE": IN_ENVIRONMENT, "GATE": str(gate.path), "SECOND_GATE": str(second_gate.path)},
        stdin=f"api_key = {IN_INPUT}\nand {IN_INPUT} again\n", label=f"with {IN_COMMAND}", wait_seconds=0,
    )  # fmt: skip
    trace_id = started["trace_id"]
    assert await gate.message() == "all is planted"
    assert not leaks_under(home)
    assert not await leaks_in_answers(session, trace_id)
    await release(second_gate)
    report = await session.ok("wait_for_run", project="p", trace_id=trace_id, wait_seconds=90)
    assert (report["status"], report["exit_code"]) == ("completed", 0), report["stderr_tail"]
    assert report["traced"]["calls"] > 5000 and report["traced"]["processes"] > 10
    assert "[REDACTED]" in report["stdout_tail"] and "[REDACTED]" in json.dumps(report["command"])
    assert not await leaks_in_answers(session, trace_id)
    assert not leaks_under(home)
    assert not leaks_in_tables(home)


def ingest_and_be_killed(home: Path, trace_id: str, statements: int) -> None:
    """Ingest as a server that is killed after a number of statements."""
    (spool,) = home.rglob(trace_id)
    command = [
        sys.executable,
        "-c",
        KILLED_INGEST,
        str(home / "p-traces.duckdb"),
        str(spool),
        trace_id,
        str(statements),
    ]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert any(file.is_file() for file in spool.glob("ingest-*/*"))


async def test_a_killed_server_and_a_killed_ingest_leave_no_secret(
    start_server: Any, home: Path, workspace: Path, gate: Any, second_gate: Any
) -> None:
    session = await start_server()
    await session.project(workspace, ["__main__"], mode="full")
    started = await session.run(
        interpreter("3.12"), *planted(workspace),
        env={"GATE": str(gate.path), "SECOND_GATE": str(second_gate.path)}, wait_seconds=0,
    )  # fmt: skip
    await gate.message()
    os.kill(server_of_the_run(home), signal.SIGKILL)
    assert not leaks_under(home)
    trace_id = started["trace_id"]
    for statements in (4, 9, 15):
        await anyio.to_thread.run_sync(ingest_and_be_killed, home, trace_id, statements)
        assert not leaks_under(home)
    other = await start_server()
    report = await other.ok("get_trace", project="p", trace_id=trace_id)
    assert report["status"] == "stopped" and report["traced"]["calls"] > 5000
    assert not await leaks_in_answers(other, trace_id)
    assert not leaks_under(home)
    assert not leaks_in_tables(home)


async def test_a_secret_known_to_one_process_is_redacted_in_another(session: Any, home: Path, workspace: Path) -> None:
    await session.project(workspace, ["__main__"], mode="full")
    program = workspace / "two.py"
    program.write_text(
        "import subprocess, sys\n"
        "def take(value): return value\n"
        "def use(password): return None\n"
        f"SECRET = '{IN_INPUT[:4]}' + '{IN_INPUT[4:]}'\n"
        "if len(sys.argv) == 1:\n"
        "    subprocess.run([sys.executable, __file__, 'child'], check=True)\n"
        "    use(SECRET)\n"
        "else:\n"
        "    take(SECRET)\n"
    )
    report = await session.run(interpreter("3.12"), str(program))
    assert report["status"] == "completed"
    rows = await session.rows("SELECT args FROM calls WHERE function_name = 'take'")
    assert rows == [['{"value": "[REDACTED]"}']]
    assert not leaks_under(home) and not leaks_in_tables(home)


async def test_an_error_shows_no_secret(session: Any, workspace: Path) -> None:
    await session.project(workspace, ["__main__"])
    for secret in (NAMED[0], NAMED[5]):
        for command in (
            f"API_KEY={secret.text} python app.py", f"./app --password {secret.text} 'unfinished", f"/no/such/program --token={secret.text}",
            ["/no/such/program", "--password", secret.text], f"mysql -u bob --password={secret.text}x", {"password": secret.text},
        ):  # fmt: skip
            text = await session.error("run", project="p", command=command, timeout_seconds=5)
            assert not find(text.encode(), [secret]), text
        for arguments in (
            {"env": {f"API_KEY={secret.text}": "1"}}, {"env": {"API_KEY": {"inner": secret.text}}}, {"password": secret.text},
            {"capture": {"token": secret.text}}, {"label": {"secret": secret.text}},
        ):  # fmt: skip
            text = await session.error("run", project="p", command=["python"], timeout_seconds=5, **arguments)
            assert not find(text.encode(), [secret]), text
        text = await session.error("query_traces", project="p", sql=f"SELECT password='{secret.text}' FRM x", limit=1)
        assert not find(text.encode(), [secret]), text
        text = await session.error("edit_config", project="p", set={"capture.mode": f"password={secret.text}"})
        assert not find(text.encode(), [secret]), text
