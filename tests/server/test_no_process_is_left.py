"""Nothing that a command starts lives on after it, after stop_run or after its server, however it is started."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from breadcrumb_server.projects.home import Home
from breadcrumb_server.runs.reaper import program
from sessions import Session

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

DAEMONS = Path(__file__).parents[1] / "targets" / "daemons.py"
WAYS = (
    "session", "group", "empty_environment", "double_fork", "long_chain", "without_descriptors", "deaf", "stopped",
    "subreaper", "restless", "from_a_thread", "from_a_shell", "from_subprocess",
)  # fmt: skip
HANG_SECONDS = 60


class Watch:
    """Sees by a named pipe that processes have begun, and that all of them have ended: then nobody holds it open."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._stopped = threading.Event()
        self._all_begun = threading.Event()
        self._events = select.poll()
        self._events.register(self._descriptor, select.POLLIN)

    def let_begin(self, count: int) -> None:
        """Tell the program of each process that has begun, in the background."""
        threading.Thread(target=self._pass_on, args=(count,), daemon=True).start()

    def wait_for_begin(self) -> None:
        assert self._all_begun.wait(HANG_SECONDS)

    def _pass_on(self, count: int) -> None:
        seen = 0
        while seen < count and not self._stopped.is_set():
            for _, event in self._events.poll(100):
                if event & select.POLLIN:
                    seen += len(os.read(self._descriptor, 100))
            with Path(f"{self.path}.begun").open("ab") as file:
                file.truncate(0)
                file.write(b"x" * seen)
        self._all_begun.set()

    def is_left(self, seconds: float = 0) -> bool:
        """Return whether any process is left, after so many seconds at most."""
        only_end = select.poll()
        only_end.register(self._descriptor, 0)
        return not only_end.poll(seconds * 1000)

    def close(self) -> None:
        self._stopped.set()
        os.close(self._descriptor)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    watch = Watch(tmp_path / "fifo")
    yield watch
    watch.close()


def command(watch: Watch, stay: str, *ways: str) -> list[str]:
    return [sys.executable, str(DAEMONS), str(watch.path), stay, *ways]


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_is_left_when_the_command_has_ended(shop: Session, watch: Watch, way: str) -> None:
    watch.let_begin(1)
    report = await shop.ok("run", project="shop", command=command(watch, "go", way), timeout_seconds=HANG_SECONDS)
    assert report["status"] == "completed"
    assert way == "restless" or "outlived it" in str(report)  # it is between two pids when it is looked for
    watch.wait_for_begin()
    assert not watch.is_left()


async def test_nothing_is_left_when_the_command_was_stopped(shop: Session, watch: Watch) -> None:
    watch.let_begin(len(WAYS))
    report = await shop.ok(
        "run", project="shop", command=command(watch, "stay", *WAYS), timeout_seconds=300, wait_seconds=0
    )
    watch.wait_for_begin()
    report = await shop.ok("stop_run", project="shop", trace_id=report["trace_id"])
    assert report["status"] == "stopped"
    assert not watch.is_left()


def test_nothing_is_left_when_the_server_is_killed(servers: Any, home: Home, workspace: Path, watch: Watch) -> None:
    server = servers([sys.executable, "-m", "breadcrumb_server"])
    server.call("init_project", project="shop", workspace=str(workspace))
    watch.let_begin(len(WAYS))
    server.call("run", project="shop", command=command(watch, "stay", *WAYS), timeout_seconds=300, wait_seconds=0)
    watch.wait_for_begin()

    server.process.send_signal(signal.SIGKILL)

    assert not watch.is_left(HANG_SECONDS)


def test_nothing_is_left_of_a_first_pass_when_the_server_is_killed(servers: Any, workspace: Path, watch: Watch) -> None:
    workspace.joinpath("test_shop.py").write_text(
        f"import subprocess\ndef test_other():\n    subprocess.run({command(watch, 'stay', 'double_fork')!r})\n"
        "def test_this():\n    assert False\n"
    )
    server = servers([sys.executable, "-m", "breadcrumb_server"])
    server.call("init_project", project="shop", workspace=str(workspace))
    watch.let_begin(1)
    test = [sys.executable, "-m", "pytest", "test_shop.py::test_this"]
    server.start_call("run", project="shop", command=test, timeout_seconds=240)
    watch.wait_for_begin()

    server.process.send_signal(signal.SIGKILL)

    assert not watch.is_left(HANG_SECONDS)


def test_a_process_that_has_got_the_pid_of_another_one_is_not_signalled() -> None:
    with subprocess.Popen(["sleep", "600"]) as bystander:
        stat = program._stat(bystander.pid)
        assert stat is not None
        _, started, state = stat
        program._send((bystander.pid, started - 1, state), signal.SIGKILL)
        program._send((bystander.pid, started, state), signal.SIGTERM)
        assert bystander.wait(HANG_SECONDS) == -signal.SIGTERM
