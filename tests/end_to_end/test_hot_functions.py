"""A program that only calls one function is recorded throughout its run, although that function is too hot."""

from __future__ import annotations

from pathlib import Path

import pytest

from pythons import MONITORING_VERSIONS
from spool_reader import interpreter

pytestmark = pytest.mark.anyio

PROGRAM = """
import os, sys

def hot(n):
    return n

def main(stop):
    n = 0
    while not os.path.exists(stop):
        for n in range(n, n + 100_000):
            hot(n)
    print(n)

main(sys.argv[1])
"""


@pytest.fixture(params=MONITORING_VERSIONS)
def python(request: pytest.FixtureRequest) -> str:
    return interpreter(request.param)


async def test_late_calls_of_a_function_that_is_too_hot_are_recorded(python, session, workspace, tmp_path: Path):
    (workspace / "app.py").write_text(PROGRAM)
    stop = tmp_path / "stop"
    await session.project(workspace, include=["__main__"])
    running = await session.run(python, "app.py", str(stop), wait_seconds=0)
    late = "SELECT count(*) FROM calls WHERE function_name = 'hot' AND (args->>'$.n')::BIGINT > 1000000 AND NOT late"
    while (await session.rows(late)) == [[0]]:  # the server turns its recording on again every few seconds
        await session.ok("wait_for_run", project="p", trace_id=running["trace_id"], wait_seconds=1)
    stop.touch()
    report = await session.ok("wait_for_run", project="p", trace_id=running["trace_id"], wait_seconds=60)
    assert (report["status"], report["exit_code"]) == ("completed", 0)
    hot = next(row for row in report["hot"]["rows"] if row[0] == "__main__:hot")
    assert str(hot[1]).startswith(">=")
    assert any("switched off" in reason for reason in report["not_traced"])
