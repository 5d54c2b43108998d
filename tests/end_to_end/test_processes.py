"""A command with many processes is one trace: each process is a row with its parent, and each call is there once."""

from __future__ import annotations

from pathlib import Path

import pytest

from spool_reader import interpreter

pytestmark = pytest.mark.anyio

MAIN = """
import multiprocessing, os, subprocess, sys
from concurrent.futures import ProcessPoolExecutor

def double(n):
    return n * 2

def main(other):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        print(sum(pool.map(double, range(10))), flush=True)  # before the exec, which loses buffered output
    subprocess.check_call([other, "child.py"])
    subprocess.check_call(f"cd . && '{other}' child.py && true", shell=True)
    os.execv(sys.executable, [sys.executable, "child.py"])

if __name__ == "__main__":
    main(sys.argv[1])
"""
CHILD = "def double(n):\n    return n * 2\ndouble(21)\n"


async def test_the_processes_of_a_command_and_their_calls_are_one_trace(session, workspace: Path) -> None:
    (workspace / "main.py").write_text(MAIN)
    (workspace / "child.py").write_text(CHILD)
    python, other = interpreter("3.12"), interpreter("3.8")
    await session.project(workspace, ["__main__"])
    report = await session.run(python, "main.py", other)
    assert (report["status"], report["stdout_tail"]) == ("completed", "90")
    rows = await session.rows(
        "SELECT c.process_id, c.parent_process_id, p.pid, c.parent_pid, c.started_by, c.command, c.python_version[:4], "
        "c.ended_at IS NOT NULL FROM processes c "
        "LEFT JOIN processes p ON p.trace_id = c.trace_id AND p.process_id = c.parent_process_id ORDER BY 1"
    )
    main = f"{python} main.py {other}"
    assert [(row[0], row[1], *row[4:]) for row in rows] == [
        (0, None, None, main, "3.12", True),
        (1, 0, "fork", main, "3.12", True),
        (2, 0, "fork", main, "3.12", True),
        (3, 0, None, f"{other} child.py", "3.8.", True),
        (4, 0, None, f"{other} child.py", "3.8.", True),
        (5, 0, "exec", f"{python} child.py", "3.12", True),
    ]
    assert all(row[2] == row[3] for row in rows[1:4])
    assert rows[4][2] != rows[4][3]  # a shell is between them
    names = await session.rows("SELECT name FROM processes WHERE name IS NOT NULL")
    assert len(names) == 2 and all(name.startswith("ForkProcess-") for (name,) in names)
    assert report["traced"]["processes"] == 6
    table = report["processes"]
    assert [row[:2] + row[4:] for row in table["rows"]] == [
        [0, None, "exec"], [1, 0, "exit"], [2, 0, "exit"], [3, 0, "exit"], [4, 0, "exit"], [5, 0, "exit"],
    ]  # fmt: skip
    # Nothing went wrong, so there are no warnings.
    assert "warnings" not in report and "open_calls" not in report
    calls = await session.rows(
        "SELECT return_value::INT, count(*) FROM calls WHERE function_name = 'double' GROUP BY 1"
    )
    assert dict(calls) == {**{n * 2: 1 for n in range(10)}, 42: 3}
    in_pool = await session.rows("SELECT DISTINCT process_id FROM calls WHERE return_value::INT < 20 AND args <> '{}'")
    assert {process for (process,) in in_pool} <= {1, 2}
