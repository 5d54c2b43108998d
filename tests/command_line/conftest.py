"""Fixtures for the command line: a home folder, a program, and the command run in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from breadcrumb_server.command_line.breadcrumb import main

PROGRAM = """
import sys

def half(number):
    return number / 2

def total(numbers):
    found = 0
    for number in numbers:
        try:
            found += half(number)
        except TypeError:
            pass
    return found

print(total([1, 2, None]))
if len(sys.argv) > 1:
    sys.exit(int(sys.argv[1]))
"""


@dataclass
class Done:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        assert self.code == 0, self.err
        return json.loads(self.out)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BREADCRUMB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def shop(workspace: Path) -> Path:
    (workspace / "script.py").write_text(PROGRAM)
    return workspace


@pytest.fixture
def breadcrumb(home: Path, shop: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Return the command, in the folder of the program."""
    monkeypatch.chdir(shop)

    def call(*words: str) -> Done:
        capfd.readouterr()
        try:
            code = main(words)
        except SystemExit as error:
            code = int(error.code or 0)
        return Done(code, *capfd.readouterr())

    return call


@pytest.fixture
def recorded(breadcrumb, processes):
    """Return the command, in a project with one run."""
    breadcrumb("init", "myproject")
    breadcrumb("run", "-c", "myproject", "--timeout", "60", "python", "script.py")
    return breadcrumb
