"""Test that a program which frees or takes Breadcrumb's tool id of sys.monitoring is told what is missing and why."""

from __future__ import annotations

import pytest

from spool_reader import Trace

PROGRAM = """
import os, sys
tools = sys.monitoring
tool = next(number for number in range(6) if tools.get_tool(number) == "breadcrumb")

def half(number):
    return number / 2

def lose():
    {code}

half(1)
lose()
half(2)
def later():
    return half(3)
later()
print(later())
{end}
"""

WAYS = {
    "tools.free_tool_id(tool)": "freed by the program",
    "tools.free_tool_id(tool); tools.use_tool_id(tool, 'other')": "by the program",
    "tools.set_events(tool, 0)": "was given other events by the program",
    "[tools.register_callback(tool, 1 << number, None) for number in range(17)]": "was given other callbacks",
}


@pytest.mark.parametrize("code", WAYS)
def test_the_notice_about_a_lost_tool_id_says_what_to_do(monitoring_python: str, trace: Trace, code: str) -> None:
    spool = trace(monitoring_python, PROGRAM.format(code=code, end=""), expect_lost=True)
    assert (spool.exit_code, spool.stdout, spool.stderr) == (0, "1.5\n", "")
    (notice,) = spool.of("notice")
    assert notice["code"] == "tracer_replaced"
    assert WAYS[code] in notice["message"] or "is freed by the program at program.py" in notice["message"]
    assert "sys.monitoring.get_tool(id) is None" in notice["message"]


def test_a_killed_program_that_freed_the_tool_id_has_told_so(monitoring_python: str, trace: Trace) -> None:
    end = "sys.stdout.flush(); os.kill(os.getpid(), 9)"
    spool = trace(monitoring_python, PROGRAM.format(code="tools.free_tool_id(tool)", end=end), expect_lost=True)
    assert (spool.exit_code, spool.stdout) == (-9, "1.5\n")
    (notice,) = spool.of("notice")
    assert notice["code"] == "tracer_replaced" and "is freed by the program at program.py:10" in notice["message"]
