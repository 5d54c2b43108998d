"""What holds for every test."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from breadcrumb.platform_features import ENV_PORTABLE
from breadcrumb.record_format import ENV_CORE, ENV_OVERHEAD
from breadcrumb_storage.database import Database
from gates import Gate
from preloaded_server import preloaded_command, preloaded_servers
from pythons import VERSIONS
from spool_reader import wanted_pythons

# A run of the suite depends on the code alone. "pytest --hypothesis-profile=default" looks for other examples each time.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


# The variables that the programs which tests start are given of those of whoever runs the suite. Any other one may
# change what comes out: a token is a secret that the tracer knows, PYTEST_ADDOPTS, PYTHONWARNINGS or NO_COLOR change what
# the traced programs do. PYTHONPATH is there for a checkout that is not installed.
KEPT_VARIABLES = {
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "PYENV_ROOT"),
    *("BREADCRUMB_REQUIRE_PYTHONS", "BREADCRUMB_EQUIPPED_PYTHONS", "BREADCRUMB_TEST_PYTHONS"),
    *("BREADCRUMB_FUZZ_EXAMPLES", "BREADCRUMB_UPDATE_SNAPSHOTS", "COVERAGE_CORE", ENV_PORTABLE, ENV_CORE),
}
KEPT_PREFIX = "PYTEST_XDIST_"  # of the worker that this is
SET_VARIABLES = {
    "LANG": "C.UTF-8",
    # What a program is recorded with depends on the code alone, and not on how busy the machine is.
    ENV_OVERHEAD: "off",
}


def _ignore(number: int, frame: object) -> None:
    pass


def pytest_configure(config: pytest.Config) -> None:
    """Let what tests start depend neither on the variables nor on the ignored signals of whoever runs the suite.

    A job in the background ignores SIGINT, one under nohup SIGHUP, and hands that on to all that it starts. A handler
    that does nothing ignores the signal just as well, and is not handed on.
    """
    starts_workers = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if not starts_workers:  # the workers need PYTEST_ADDOPTS, and drop it themselves
        for name in set(os.environ) - KEPT_VARIABLES:
            if not name.startswith(KEPT_PREFIX):
                del os.environ[name]
        os.environ.update(SET_VARIABLES)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _ignore)


# Audit events of the ways to start a process.
STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system"}
started: list[str] = []
PS = "/bin/ps"  # what the server looks through where there is no /proc: as cheap, for a test, as reading a file


def _note_start(event: str, arguments: tuple[object, ...]) -> None:
    if event in STARTS and arguments[:1] != (PS,):
        started.append(event)


sys.addaudithook(_note_start)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests of Pythons that are not wanted, and mark those that start processes."""
    unwanted = set(VERSIONS) - wanted_pythons()
    left_out = [item for item in items if unwanted.intersection(_parameters(item))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]
    for item in items:
        if "processes" in getattr(item, "fixturenames", ()):
            item.add_marker("processes")


def _parameters(item: pytest.Item) -> list[str]:
    """Return the parameters of a test that are texts."""
    call = getattr(item, "callspec", None)
    return [value for value in call.params.values() if isinstance(value, str)] if call else []


@pytest.fixture(scope="session")
def processes() -> None:
    """Mark the tests that request this, by themselves or by another fixture, as tests that start processes."""


@pytest.fixture(autouse=True)
def marked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that starts a process without being marked so: it would make the fast tests slow."""
    before = len(started)
    yield
    marked = request.node.get_closest_marker("processes") is not None
    assert marked or len(started) == before, (
        "the test starts a process: request the fixture or add the mark `processes`"
    )


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Make a folder of code that commands run in."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a database without traces for copying: making one takes three times as long as opening one."""
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
def server_command(processes: None) -> Iterator[list[str]]:
    """Return the command that starts a server whose imports are done already, where the system has what that takes."""
    if not hasattr(os, "pidfd_open"):
        yield [sys.executable, "-m", "breadcrumb_server"]
        return
    with TemporaryDirectory() as folder:  # the path of a socket has to be short
        path = Path(folder, "servers")
        with preloaded_servers(path):
            yield preloaded_command(path)
