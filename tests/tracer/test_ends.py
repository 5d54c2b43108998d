"""Test that a traced process ends as an untraced one, and that no record made before is lost."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from breadcrumb import record_format
from spool_reader import TARGETS, Spool, Trace

UNTRACED = {record_format.ENV_TRACE: "", "PYTHONPATH": ""}
PROGRAM = str(TARGETS / "ends.py")


def fault_text(spool: Spool) -> str:
    (file,) = spool.folder.glob("*" + record_format.FAULT_SUFFIX)
    return file.read_text()


def expect_recorded(spool: Spool, *, open_calls: list[str]) -> None:
    """Expect the call that had ended to be complete, and exactly *open_calls* to be open."""
    assert (spool.one("done").args, spool.one("done").value) == ({"number": 21}, 42)
    assert [call.function for call in spool.calls if call.outcome is None] == open_calls


@pytest.mark.parametrize(
    ("way", "exit_code", "outcome"),
    [
        ("normal", 0, record_format.OUTCOME_RETURNED),
        ("sys.exit", 3, record_format.OUTCOME_RAISED),
        ("uncaught", 1, record_format.OUTCOME_RAISED),
        ("SIGINT", -signal.SIGINT, record_format.OUTCOME_RAISED),
        ("memory", 1, record_format.OUTCOME_RAISED),
    ],
)
def test_an_end_through_the_interpreter_ends_every_call(
    python: str, trace: Trace, way: str, exit_code: int, outcome: int
) -> None:
    untraced = trace(python, [PROGRAM, way], env=UNTRACED)
    spool = trace(python, [PROGRAM, way])
    assert (spool.exit_code, spool.stdout, spool.stderr) == (untraced.exit_code, untraced.stdout, untraced.stderr)
    assert spool.exit_code == exit_code
    expect_recorded(spool, open_calls=[])
    assert [spool.one(name).outcome for name in ("outer", "inner")] == [outcome, outcome]
    assert len(spool.of("end")) == 1
    if way == "memory":
        assert [e["type"] for e in spool.of("exception")] == ["MemoryError"]
    assert fault_text(spool) == ""


@pytest.mark.parametrize("way", ["os._exit", "SIGTERM", "SIGKILL"])
def test_an_end_past_the_interpreter_leaves_open_calls_open(python: str, trace: Trace, way: str) -> None:
    untraced = trace(python, [PROGRAM, way], env=UNTRACED)
    spool = trace(python, [PROGRAM, way])
    assert (spool.exit_code, spool.stdout, spool.stderr) == (untraced.exit_code, "recorded\n", "")
    assert spool.exit_code == (4 if way == "os._exit" else -getattr(signal, way))
    opened = ["<module>", "outer", "inner", "os_exit" if way == "os._exit" else "signals.<locals>.kill"]
    expect_recorded(spool, open_calls=opened)
    assert spool.of("end") == []
    assert fault_text(spool) == ""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGKILL"])
def test_a_signal_from_outside_ends_a_traced_process_as_an_untraced_one(
    python: str, start: Callable, name: str
) -> None:
    spools = []
    for env in (UNTRACED, {}):
        traced = start(python, [PROGRAM, "waits"], env=env)
        assert [traced.line(), traced.line()] == ["recorded\n", "waiting\n"]
        traced.process.send_signal(getattr(signal, name))
        spools.append(traced.finish())
    untraced, spool = spools
    # The last line only: the interrupted line differs from run to run.
    assert spool.stderr.splitlines()[-1:] == untraced.stderr.splitlines()[-1:]
    assert spool.exit_code == untraced.exit_code == -getattr(signal, name)
    expect_recorded(spool, open_calls=[] if name == "SIGINT" else ["<module>", "outer", "inner", "waits"])


@pytest.mark.parametrize(
    ("way", "number", "error"),
    [
        ("segfault", signal.SIGSEGV, "Segmentation fault"),
        ("null pointer", signal.SIGSEGV, "Segmentation fault"),
        ("stack overflow", signal.SIGSEGV, "Segmentation fault"),
        ("abort", signal.SIGABRT, "Aborted"),
    ],
)
def test_a_crash_writes_the_stacks_and_keeps_its_signal(
    python: str, trace: Trace, way: str, number: int, error: str
) -> None:
    untraced = trace(python, [PROGRAM, way], env=UNTRACED)
    spool = trace(python, [PROGRAM, way])
    assert (spool.exit_code, spool.stdout, spool.stderr) == (untraced.exit_code, "recorded\n", untraced.stderr)
    assert (spool.exit_code, spool.stderr) == (-number, "")
    opened = ["<module>", "outer", "inner", *(["null_pointer"] if way == "null pointer" else [])]
    expect_recorded(spool, open_calls=opened)
    lines = fault_text(spool).splitlines()
    assert lines[0] == f"Fatal Python error: {error}"
    frames = [line.rpartition(" in ")[2] for line in lines if line.startswith("  File ")]
    assert frames[-3:] == ["inner", "outer", "<module>"]
