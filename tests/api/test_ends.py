"""Test the end of a program that traces itself: its exit code, a kill, a busy database, a missing server."""

from __future__ import annotations

import io
import signal
import subprocess
import sys

import duckdb
import pytest

from breadcrumb.api.program_trace import WAIT_SECONDS
from breadcrumb_server.command_line import storing
from breadcrumb_server.programs.storing import store_programs
from breadcrumb_storage.database import Database
from breadcrumb_storage.ingest.spool_files import spools_of
from spool_reader import INJECT

TRACER_ROOT = INJECT.parent.parent

ENDS = [
    ("pass", 0, ("completed", 0)),
    ("sys.exit(0)", 0, ("completed", 0)),
    ("sys.exit(3)", 3, ("failed", 3)),
    ("sys.exit('text')", 1, ("failed", 1)),
    ("raise KeyError('gone')", 1, ("failed", 1)),
    ("fails()", 1, ("failed", 1)),
    ("try: sys.exit(5)\nexcept SystemExit: pass", 0, ("completed", 0)),
    ("try: sys.exit(5)\nfinally: work(7)", 5, ("failed", 5)),
    ("threading.Thread(target=sys.exit, args=(6,)).start()", 0, ("completed", 0)),
    ("os._exit(4)", 4, ("crashed", None)),
    ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ("crashed", None)),
    ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, ("crashed", None)),
    ("os.kill(os.getpid(), signal.SIGINT); time.sleep(60)", -signal.SIGINT, ("failed", 130)),
]
PROGRAM = """
import os, signal, sys, threading, time
import breadcrumb
breadcrumb.init(include={include})

def work(n):
    return n

def fails():
    work(1)
    raise ValueError("wrong")

work(0)
{end}
"""


@pytest.mark.parametrize(("end", "exit_code", "stored"), ENDS, ids=[end for end, *_ in ENDS])
def test_the_end_of_a_program_is_stored(program, python, end, exit_code, stored) -> None:
    program.run(python, PROGRAM.format(end=end, include=["__main__"]), exit_code=exit_code)
    if stored[0] == "crashed":
        program.ask("list")  # whoever asks stores what was left
        (notice,) = program.rows("SELECT code FROM notices")
        assert notice == ("end_unseen",)
    assert program.rows("SELECT status, exit_code FROM traces") == [stored]
    assert ("work", '{"n": 0}') in program.calls()
    if end == "fails()":
        sql = "SELECT exception_type, exception_message, uncaught FROM exceptions"
        assert program.rows(sql) == [("ValueError", "wrong", True)]


def test_the_exit_code_is_known_also_where_the_main_module_is_not_traced(program, python) -> None:
    program.run(python, PROGRAM.format(end="sys.exit(3)", include=["other.*"]), exit_code=3)
    assert program.rows("SELECT status, exit_code FROM traces") == [("failed", 3)]
    assert program.calls() == []


def test_the_next_program_stores_what_a_killed_one_has_left(program, python) -> None:
    killed = PROGRAM.format(end="os.kill(os.getpid(), signal.SIGKILL)", include=["__main__"])
    program.run(python, killed, exit_code=-signal.SIGKILL)
    assert not program.database.exists()
    program.run(python, PROGRAM.format(end="work(2)", include=["__main__"]))
    assert sorted(program.rows("SELECT status FROM traces")) == [("completed",), ("crashed",)]
    assert program.rows("SELECT count(*) FROM calls WHERE function_name = 'work'") == [(3,)]


def test_a_running_program_can_be_asked_for_and_goes_on(program, python) -> None:
    process = program.start(python, program.write(WAITS))
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    assert '"running"' in program.ask("list")
    assert ("work", '{"n": 1}') in program.calls()
    (program.folder / "go").touch()
    process.communicate(timeout=120)
    assert program.rows("SELECT status, exit_code FROM traces") == [("completed", 0)]
    assert [args for name, args in program.calls() if name == "work"] == ['{"n": 1}', '{"n": 2}']


WAITS = """
    import breadcrumb, os, time
    breadcrumb.init(label="long")
    def work(n): return n
    work(1)
    print("ready", flush=True)
    while not os.path.exists("go"): time.sleep(0.01)
    work(2)
"""


def test_two_programs_that_end_at_once_are_both_stored(program, python) -> None:
    name = program.write(WAITS)
    both = [program.start(python, name) for _ in range(2)]
    for process in both:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    (program.folder / "go").touch()
    assert [process.communicate(timeout=120)[1] for process in both] == ["", ""]
    assert program.rows("SELECT status, exit_code FROM traces") == [("completed", 0)] * 2
    assert program.rows("SELECT count(*) FROM calls WHERE function_name = 'work'") == [(4,)]
    assert not list(program.folder.rglob("*.spool"))


def test_what_cannot_be_stored_is_told_in_one_line_and_kept(program, python) -> None:
    program.database.parent.mkdir()
    with duckdb.connect(str(program.database)) as con:
        con.execute("CREATE TABLE mine (x INTEGER)")
    done = program.run(python, PROGRAM.format(end="pass", include=["__main__"]))
    assert done.stdout == "" and "This is not a Breadcrumb database" in done.stderr
    assert "It is kept in" in done.stderr and done.stderr.count("RuntimeWarning") == 1
    program.database.unlink()
    assert '"completed"' in program.ask("list")
    assert ("work", '{"n": 0}') in program.calls()


def test_without_the_server_it_says_what_is_missing_and_loses_nothing(program, python) -> None:
    env = {"BREADCRUMB_SERVER_PYTHON": "", "PATH": "/usr/bin:/bin"}
    process = program.start(
        python, "-I", "-c", f"import sys; sys.path.insert(0, {str(TRACER_ROOT)!r})\n{SHORT}", env=env
    )
    out, err = process.communicate(timeout=120)
    if python == sys.executable:
        assert (out, err) == ("1\n", "")  # it is installed for this one
    else:
        assert out == "1\n" and err.count("breadcrumb-mcp") == 2 and "pip install breadcrumb-mcp" in err
        assert not program.database.exists()
    assert '"completed"' in program.ask("list")
    assert ("work", '{"n": 1}') in program.calls()


SHORT = """
import breadcrumb
breadcrumb.init()
def work(n): return n
print(work(1))
"""


def test_a_named_python_without_the_server_is_told(program, python) -> None:
    done = program.run(python, SHORT, env={"BREADCRUMB_SERVER_PYTHON": "/usr/bin/env"})
    assert done.stdout == "1\n" and "was not stored" in done.stderr
    assert '"completed"' in program.ask("list")


def test_secrets_are_not_stored_also_what_became_known_as_one_later(program, python) -> None:
    secret = "Zq7XkP2mVw9sTb4y"
    program.run(
        python,
        f"""
        import breadcrumb
        from breadcrumb.capture.secret_redactor import configure_redactor
        configure_redactor(custom_patterns=["my_secret_*"])
        breadcrumb.init(label="api_key={secret}")
        def shows(text): return text
        def login(password): return 1
        def special(my_secret_thing): return 1
        for number in range(3000): shows("padding %d" % number)
        shows("{secret}")
        login("{secret}"); special("Kw82jLm3Xc51Qa")
        """,
    )
    stored = str(program.rows("SELECT args, return_value FROM calls")) + str(program.rows("SELECT * FROM traces"))
    assert secret not in stored and "Kw82jLm3Xc51Qa" not in stored and "[REDACTED]" in stored


def test_ctrl_c_during_the_wait_ends_the_program_at_once_and_loses_nothing(program, python) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_LOCK, str(program.database)], stdout=-1, stdin=-1, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        process = program.start(python, program.write(ENDS_LAST))
        assert process.stdout is not None and process.stdout.readline() == "ending\n"
        while not list(program.folder.rglob("program.json")) or '"completed"' not in _program_file(program):
            pass
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out, err) == (0, "", "")
        holder.communicate("\n", timeout=120)
    assert '"completed"' in program.ask("list")


def test_who_holds_the_database_is_told_while_the_program_still_waits(program, monkeypatch, capsys) -> None:
    assert storing.LOCK_SECONDS < WAIT_SECONDS
    processes = [program.start(sys.executable, program.write(WAITS)) for _ in range(2)]
    # Neither is killed before the other has looked for programs that were: it would store them.
    assert [process.stdout and process.stdout.readline() for process in processes] == ["ready\n"] * 2
    for process in processes:
        process.kill()
        process.communicate(timeout=120)
    traces = sorted(folder.name for folder in spools_of(program.database).iterdir())
    monkeypatch.setattr(storing, "LOCK_SECONDS", 0.05)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_LOCK, str(program.database)], stdout=-1, stdin=-1, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        database = Database(program.database, lock_timeout_seconds=0.05)
        assert list(store_programs(database, live=False, first=traces[1])) == traces[1:]  # and not one after the other
        assert storing.store_from_stdin(program.database, traces[1]) == 1
        holder.communicate("\n", timeout=120)
    assert f"It is in use by process {holder.pid}" in capsys.readouterr().out


HOLDS_LOCK = """
import pathlib, sys
from breadcrumb_storage.database import Database
with Database(pathlib.Path(sys.argv[1])).write():
    print("held", flush=True)
    sys.stdin.readline()
"""
ENDS_LAST = """
    import atexit, breadcrumb
    breadcrumb.init()
    print("ending", flush=True)
"""


def _program_file(program) -> str:
    try:
        return next(program.folder.rglob("program.json")).read_text()
    except (StopIteration, OSError):
        return ""
