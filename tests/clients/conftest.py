"""A home folder of a user with clients, and the command that connects them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from breadcrumb_server.clients.descriptions import BY_NAME, Machine
from breadcrumb_server.clients.installation import Target, target


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "user", "linux", {"PATH": "/nowhere"})


@pytest.fixture
def place(machine: Machine, workspace: Path) -> Callable[..., Target]:
    """Return the function that makes the place of an entry in that home folder."""

    def make(client: str, scope: str | None = None) -> Target:
        return target(BY_NAME[client], scope, workspace, machine)

    return make


@pytest.fixture(autouse=True)
def no_home_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BREADCRUMB_HOME", raising=False)
