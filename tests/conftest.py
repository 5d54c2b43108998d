"""What holds for every test."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from breadcrumb_storage.database import Database
from preloaded_server import preloaded_command, preloaded_servers

# A run of the suite depends on the code alone. "pytest --hypothesis-profile=default" looks for other examples each time.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def _ignore(number: int, frame: object) -> None:
    pass


def pytest_configure() -> None:
    """Let the programs that tests start be ended by the usual signals.

    A job in the background ignores SIGINT, one under nohup SIGHUP, and hands that on to all that it starts. A handler
    that does nothing ignores the signal just as well, and is not handed on.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _ignore)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without traces, to be copied: to make one takes three times as long as to open one."""
    path = tmp_path_factory.mktemp("database") / "empty.duckdb"
    with Database(path).write():
        return path


@pytest.fixture(scope="session", autouse=True)
def no_plugins() -> Iterator[None]:
    """Let a pytest that tests start load no plugins that are installed by chance: they take longer than all its tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        yield


@pytest.fixture(scope="session")
def server_command() -> Iterator[list[str]]:
    """The command that starts a server without importing all that it needs."""
    with TemporaryDirectory() as folder:  # the path of a socket has to be short
        path = Path(folder, "servers")
        with preloaded_servers(path):
            yield preloaded_command(path)
