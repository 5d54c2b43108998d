"""Test that tools which replace parts of Python everywhere (file systems, clocks) replace nothing in the tracer."""

from __future__ import annotations

import datetime
import importlib
import io
import os
import pkgutil
import posixpath
import shutil
import time
from types import ModuleType
from typing import Any

import pytest

import breadcrumb
from spool_reader import Trace, equipped_interpreter, program

# What pyfakefs and freezegun, among others, look for among the globals of every loaded module.
REPLACED_MODULES = (os, posixpath, io, time, datetime, shutil)
MODULES_IN_C = {"posix", "_io", "time", "_datetime"}


def tracer_modules() -> list[ModuleType]:
    names = [found.name for found in pkgutil.walk_packages(breadcrumb.__path__, "breadcrumb.")]
    # The first pass selects tests before any of them runs. The last two refuse to be imported.
    not_imported = ("breadcrumb._inject", "breadcrumb.first_pass", "breadcrumb.instrumentation", "breadcrumb.storage")
    return [importlib.import_module(name) for name in names if not name.startswith(not_imported)]


def can_be_replaced(value: Any) -> bool:
    """Return whether a value is one of these modules, or a function or class of theirs."""
    if isinstance(value, ModuleType):
        return value in REPLACED_MODULES or value.__name__ in MODULES_IN_C
    if not callable(value):
        return False
    if getattr(value, "__module__", None) in {*MODULES_IN_C, *(module.__name__ for module in REPLACED_MODULES)}:
        return True
    return any(value is each for module in REPLACED_MODULES for each in vars(module).values())


def test_no_module_of_the_tracer_has_a_function_of_the_system_or_a_clock_among_its_globals() -> None:
    modules = tracer_modules()
    assert len(modules) > 50
    found = [
        f"{module.__name__}.{name}"
        for module in modules
        for name, value in vars(module).items()
        if name != "__builtins__" and can_be_replaced(value)
    ]
    assert found == []
    assert can_be_replaced(os.readlink) and can_be_replaced(time.perf_counter_ns) and can_be_replaced(datetime.datetime)


FAKED = """
    import os, sys
    from pyfakefs.fake_filesystem_unittest import Patcher

    class Shelf: pass

    def save(path, text):
        with open(path, "w") as file: file.write(text)
        return os.listdir("/shelf")

    def lend(title):
        shelf = Shelf()
        shelf.titles = {title: [1.5, None]}
        raise KeyError(title)

    with Patcher():
        os.mkdir("/shelf")
        print(save("/shelf/book.txt", "x" * 100_000), os.path.exists("/etc"))
        try: lend("password=abc")
        except KeyError: print("kept")
        for number in range(3000): save("/shelf/book.txt", "x" * 500)
        sys.stdout.flush()
        if not os.fork():
            save("/shelf/child.txt", "x")
            os._exit(0)
        os.wait()
"""


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_a_program_with_a_fake_file_system_is_recorded_in_the_real_one(trace: Trace, version: str) -> None:
    # Long texts, a secret, an exception and a fork: they open segments and import the tracer's late modules.
    spool = trace(equipped_interpreter(version, "pyfakefs"), program(FAKED))
    assert (spool.exit_code, spool.stdout, spool.stderr) == (0, "['book.txt'] False\nkept\n", "")
    assert len(spool.named("save")) == 3002 and len({call.process for call in spool.named("save")}) == 2
    assert "abc" not in str(spool.events)
    assert [event["type"] for event in spool.of("exception")] == ["KeyError"]


FROZEN = """
    import datetime, os, time

    def now(): return datetime.datetime.now().isoformat()

    def in_a_child():
        if not os.fork():
            now()
            os._exit(0)
        os.wait()

    {freeze}:
        print(now(), time.time())
        in_a_child()
"""
FREEZERS = {
    "freezegun": 'import freezegun\nwith freezegun.freeze_time("2001-02-03")',
    "time_machine": 'import time_machine\nwith time_machine.travel("2001-02-03T00:00:00", tick=False)',
}


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("tool", FREEZERS)
def test_the_times_of_a_program_that_stops_its_clock_are_true(trace: Trace, tool: str, version: str) -> None:
    text = program(FROZEN).replace("{freeze}", FREEZERS[tool])
    before_ns = time.time_ns()
    spool = trace(equipped_interpreter(version, tool), text)
    after_ns = time.time_ns()
    assert (spool.exit_code, spool.stderr) == (0, "")
    assert spool.stdout.startswith("2001-02-03T00:00:00 9811")
    assert len(spool.named("now")) == 2
    for call in spool.calls:
        assert call.ended_ns is None or 0 <= call.ended_ns - call.started_ns <= after_ns - before_ns, call
    processes = spool.of("process")
    assert len(processes) == 2
    assert all(before_ns <= process["started_at_ns"] <= after_ns for process in processes), processes
    origins = {process["started_at_ns"] - process["clock_origin_ns"] for process in processes}
    assert max(origins) - min(origins) < 1_000_000_000
