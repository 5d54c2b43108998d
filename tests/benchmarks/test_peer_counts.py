"""How calls are counted in what other tools write, and the table that compares them."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from benchmarks.common import usage
from benchmarks.common.traced import untraced_environment
from benchmarks.peers import __main__ as peers
from benchmarks.peers.counts import hunter_calls, last_part, recorded, viztracer_calls
from benchmarks.peers.tools import HERE, TOOLS, UNTRACED, Tool

HUNTER = """\
                       /shop/orders.py:0     call      => <module>()
                       /shop/orders.py:3     call         => Item()
                       /shop/orders.py:9     return       <= Item: None
                       /shop/orders.py:4     call         => __init__(self=<Item>, name='a => total(')
                       /shop/orders.py:7     return       <= __init__: 'x:1 call => total()'
"""


def test_calls_are_counted_in_what_hunter_printed() -> None:
    assert hunter_calls(HUNTER.splitlines()) == Counter({"Item": 1, "__init__": 1})


def test_complete_calls_of_python_functions_are_counted_in_the_json_of_viztracer() -> None:
    events = [
        {"ph": "M", "name": "process_name", "args": {"name": "total (x)"}},
        {"ph": "X", "cat": "fee", "name": "Item.total (/shop/orders.py:9)", "args": {"return_value": "0"}},
        {"ph": "X", "cat": "fee", "name": "outer.<locals>.total (/shop/orders (1).py:9)"},
        {"ph": "X", "cat": "fee", "name": "price (/shop/orders.py:29)"},
        {"ph": "i", "cat": "instant", "name": "total (/shop/orders.py:9)"},
    ]
    assert viztracer_calls({"traceEvents": events}) == Counter({"total": 2, "price": 1})


@pytest.mark.parametrize("name", ["total", "Item.total", "shop.orders.Item.total", "outer.<locals>.total"])
def test_a_function_is_counted_under_its_last_name(name: str) -> None:
    assert last_part(name) == "total"


def test_a_call_that_is_there_twice_and_one_of_another_function_count_for_nothing() -> None:
    assert recorded({"total": 3, "price": 2}, {"total": 7, "main": 1}) == 3


@pytest.mark.processes
@pytest.mark.parametrize("name", peers.PROGRAMS)
def test_a_program_makes_the_calls_that_tools_are_measured_by(name: str, tmp_path: Path) -> None:
    counting = (
        "import collections, json, runpy, sys\n"
        "counts = collections.Counter()\n"
        "def count(frame, event, argument):\n"
        "    if event == 'call' and frame.f_code.co_filename == sys.argv[0]:\n"
        "        counts[frame.f_code.co_name] += 1\n"
        "sys.argv = sys.argv[1:]\n"
        "sys.setprofile(count)\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "sys.setprofile(None)\n"
        "print(dict(counts))\n"
    )
    program = peers.PROGRAMS[name]
    source = str(HERE / "programs" / f"{name}.py")
    counted = [eval(_output(counting, source, str(count))) for count in (0, 7)]
    for function, calls in program.calls.items():
        assert counted[1][function] - counted[0].get(function, 0) == 7 * calls
    others = counted[1].keys() - program.calls.keys()
    assert all(counted[1][function] == counted[0][function] for function in others)


def _output(text: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", text, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def _run(processor: float, peak: int, stored: float = 0.0, size: int = 0) -> peers.Run:
    return peers.Run(usage.Usage(processor, processor, peak, ""), stored, stored, size)


def test_the_row_of_a_tool_says_what_a_call_adds_beside_the_start() -> None:
    tool = next(tool for tool in TOOLS if tool.needs_server)
    untraced, traced = peers.Results("python"), peers.Results("python")
    for name, count in peers.RUNS:
        calls = peers.PROGRAMS[name].all_made if count else 0
        untraced.runs[name, count] = [_run(0.02 + calls * 1e-6, 8_192), _run(9.0, 90_000)]
        traced.runs[name, count] = [_run(0.05 + calls * 3e-6, 10_240, 0.3 + calls * 5e-6, 2_000_000)]
    traced.calls = {"hot": 5, "orders": None, "large_self": 10_000}
    cells = dict(zip(peers.HEADINGS, peers.row(tool, traced, untraced), strict=True))
    assert cells["start, ms"] == "30" and cells["hot, µs a call"] == cells["orders, µs a call"] == "2.00"
    assert cells["server, µs a call"] == "5.00" and cells["memory, MB"] == "2.0" and cells["files, MB"] == "2.0"
    assert cells["time"] == f"{0.26 / 0.09:.1f}" and cells["until stored"] == f"{0.91 / 0.09:.1f}"
    assert cells["hot, calls recorded"] == "5 of 100,000" and cells["orders, calls recorded"] == "-"


def test_the_table_is_one_of_markdown_with_columns_of_equal_width() -> None:
    assert peers.table([["tool", "ms"], ["a", "1,234"]]) == ("| tool | ms    |\n| ---- | ----- |\n| a    | 1,234 |\n")


@pytest.mark.slow
@pytest.mark.processes
def test_a_tool_that_cannot_be_installed_or_run_is_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Missing(Tool):
        key = name = "missing"
        requirement = "no package"

    class Failing(Tool):
        key = name = "failing"

        def command(self, python: str, program: list[str], folder: Path) -> list[str]:
            return [python, "-c", "raise SystemExit('no tracer for this Python')"]

    monkeypatch.setattr(peers, "RUNS", [(peers.EMPTY, 0)])
    results = peers.measure([UNTRACED, Missing(), Failing()], sys.executable, 1, tmp_path)
    assert list(results) == ["untraced"]
    told = capsys.readouterr().err
    assert "left out: missing: the installation failed: " in told
    assert "left out: failing: " in told and "ended with 1: no tracer for this Python" in told


@pytest.mark.processes
def test_the_memory_of_a_small_program_is_its_own_and_not_that_of_the_benchmark(tmp_path: Path) -> None:
    ballast = bytearray(b"x") * 200_000_000
    used = usage.run([sys.executable, "-S", "-c", "print('done')"], untraced_environment(), tmp_path)
    assert used.shown == "done\n" and 0 < used.peak_kib * 1024 < len(ballast) / 2
