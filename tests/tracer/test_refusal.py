"""Test that an interpreter in which the tracer cannot run is refused with a reason, and runs the program untouched."""

from __future__ import annotations

from pathlib import Path

import pytest

from breadcrumb import record_format
from pythons import NEWEST
from spool_reader import Trace, interpreter, program

# Make CPython look like another interpreter, in a .pth file: these run before any sitecustomize.
STAND_INS = {
    "PyPy": "import sys; sys.implementation.name = 'pypy'",
    "Free-threaded Python": "import sys; sys._is_gil_enabled = lambda: False",
}
ADVICE = {"PyPy": "Run the command with CPython.", "Free-threaded Python": f"ordinary build of Python {NEWEST}"}


def stand_in(folder: Path, kind: str) -> dict[str, str]:
    packages = folder / "lib" / f"python{NEWEST}" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "early.pth").write_text(STAND_INS[kind] + "\n")
    return {"PYTHONUSERBASE": str(folder)}


@pytest.mark.parametrize("kind", STAND_INS)
def test_an_unsupported_interpreter_is_named_with_what_to_do(trace: Trace, tmp_path: Path, kind: str) -> None:
    text = program("""
        import os, sys, _signal
        def f(n): return n
        f(1)
        if os.fork() == 0: sys.exit()  # writes no end of its parent
        os.wait()
        loaded = [name for name in sys.modules if name.startswith("breadcrumb") and ".events" in name]
        tools = [sys.monitoring.get_tool(number) for number in range(6)]
        print(loaded, set(tools), {_signal.getsignal(n) for n in range(34, 65)} == {_signal.SIG_DFL})
    """)
    (tmp_path / "app.py").write_text(text)
    args = ["app.py", "--password", "hunter2hunter2"]
    spool = trace(interpreter(NEWEST), args, env=stand_in(tmp_path, kind), expect_lost=True)
    assert (spool.exit_code, spool.stdout, spool.stderr) == (0, "[] {None} True\n", "")
    (process,), (notice,), (end,) = spool.of("process"), spool.of("notice"), spool.of("end")
    assert process["python"].startswith(f"{NEWEST}.") and process["command"] == ["python"]
    assert notice["code"] == record_format.NOTICE_NOT_OBSERVING
    assert notice["message"].startswith(f"{kind} is not supported: ") and ADVICE[kind] in notice["message"]
    assert end["at_ns"] > process["clock_origin_ns"]
    assert spool.calls == []
    assert "hunter2" not in str(spool.events)


def test_a_free_threaded_build_with_the_gil_is_traced(trace: Trace, tmp_path: Path) -> None:
    packages = tmp_path / "lib" / f"python{NEWEST}" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "early.pth").write_text("import sys; sys.abiflags = 't'; sys._is_gil_enabled = lambda: True\n")
    (tmp_path / "app.py").write_text("def f(n): return n\nf(1)\n")
    spool = trace(interpreter(NEWEST), ["app.py"], env={"PYTHONUSERBASE": str(tmp_path)})
    assert spool.one("f").value == 1
