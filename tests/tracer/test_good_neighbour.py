"""A traced program behaves as an untraced one, and so do the tools that it uses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from breadcrumb import record_format
from spool_reader import INJECT, TARGETS, Spool, Trace

# All that a program can see of the tracer, and why.
ADDED_MODULES = {
    # What the tracer is made of: parts of the interpreter and of the standard library that have no effect of their own.
    *("__future__", "_ctypes", "_json", "_opcode", "_opcode_metadata", "_operator", "_weakref"),
    *("atexit", "gc", "itertools", "mmap", "opcode", "types"),
}
ADDED_SYS_ATTRIBUTES = {"_breadcrumb_started_in"}  # it starts once in a process
ENVIRONMENT = {"PYTHONPATH": str(INJECT)}  # child processes are to be traced, too
# A callback needs some frames of its own: near the limit the RecursionError comes that much earlier.
FRAMES_OF_THE_TRACER = 8

UNTRACED = {record_format.ENV_TRACE: "", "PYTHONPATH": ""}


def seen_by_the_program(spool: Spool) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(spool.stdout.splitlines()[0])
    return seen


@pytest.mark.parametrize("options", [[], ["-O", "-bb", "-W", "error"], ["-X", "dev"]], ids=" ".join)
def test_a_program_sees_of_the_tracer_what_is_listed_here(python: str, trace: Trace, options: list[str]) -> None:
    if "-X" in options and "3.12" not in python:
        pytest.skip("development mode is the same everywhere")
    args = [*options, str(TARGETS / "everything_visible.py"), "argument"]
    env = {"PYTHONHASHSEED": "3"}
    untraced = trace(python, args, env={**env, **UNTRACED})
    traced = trace(python, args, env=env)
    assert traced.of("process") and not untraced.of("process")
    assert (traced.exit_code, traced.stderr) == (untraced.exit_code, untraced.stderr) == (1, untraced.stderr)
    assert "KeyError: 'missing'" in traced.stderr and "told by its own __str__" in traced.stderr
    assert traced.stdout.splitlines()[1:] == untraced.stdout.splitlines()[1:] != []

    before, after = seen_by_the_program(untraced), seen_by_the_program(traced)
    modules = set(after.pop("modules")) - set(before.pop("modules"))
    assert {name for name in modules if name.partition(".")[0] != "breadcrumb"} <= ADDED_MODULES
    assert set(after.pop("sys attributes")) - set(before.pop("sys attributes")) == ADDED_SYS_ATTRIBUTES
    assert after["environment"].pop(record_format.ENV_TRACE) == str(traced.folder)
    assert after["environment"].pop("PYTHONPATH") == ENVIRONMENT["PYTHONPATH"]
    for name in (record_format.ENV_TRACE, "PYTHONPATH"):
        assert before["environment"].pop(name) == ""
    assert 0 <= before.pop("depth in reach") - after.pop("depth in reach") <= FRAMES_OF_THE_TRACER
    assert after.pop("registered at exit") == before.pop("registered at exit") + 1  # it writes how the process ended
    (process,) = traced.of("process")
    if process["backend"] == "monitoring":
        before["free monitoring tools"].remove(4)
        # Calls in traced code are instrumented, and so the interpreter tells a profile function of the return of the
        # very sys.setprofile that set it.
        before["own profile"].insert(0, "c_return")
    else:
        assert after.pop("trace") != before.pop("trace")  # sys.settrace is the only way before 3.12
    assert after == before
