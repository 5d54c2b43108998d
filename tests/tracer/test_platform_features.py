"""Test the flags of what an operating system offers."""

from __future__ import annotations

import runpy
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from breadcrumb import platform_features
from breadcrumb.platform_features import ENV_PORTABLE

FILE = platform_features.__file__


def flags(monkeypatch: pytest.MonkeyPatch, platform: str, portable: str) -> dict[str, Any]:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(ENV_PORTABLE, portable)
    return runpy.run_path(FILE)


@pytest.mark.parametrize(
    ("platform", "portable", "expected"),
    [("linux", "", True), ("linux", "1", False), ("darwin", "", False), ("freebsd14", "", False)],
)
def test_all_flags_are_on_on_linux_unless_they_are_switched_off(
    monkeypatch: pytest.MonkeyPatch, platform: str, portable: str, expected: bool
) -> None:
    found = flags(monkeypatch, platform, portable)
    named = {name: value for name, value in found.items() if name.startswith("HAS_")}
    assert len(named) >= 5 and set(named.values()) == {expected}
    assert "environ" not in found  # nothing that a test of the program replaces


def test_macos_asks_by_its_own_signal_where_it_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("_signal.SIGINFO", 29, raising=False)
    found = flags(monkeypatch, "darwin", "")
    assert (found["STACKS_SIGNAL"], found["FAULT_SIGNAL"]) == (signal.SIGURG, 29)


def test_the_page_on_portability_explains_each_flag() -> None:
    page = (Path(__file__).parents[2] / "docs" / "portability.md").read_text()
    assert not [name for name in vars(platform_features) if name.startswith("HAS_") and f"| `{name}` |" not in page]


@pytest.mark.processes
def test_the_signals_of_a_portable_tracer_do_no_harm_where_nobody_handles_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = flags(monkeypatch, "linux", "1")
    with subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1) as process:
        assert process.stdout is not None
        process.stdout.readline()
        for name in ("STACKS_SIGNAL", "LOOK_SIGNAL", "FAULT_SIGNAL"):
            process.send_signal(found[name])
        process.communicate(b"\n")
    assert process.returncode == 0
