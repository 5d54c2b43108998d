"""Test a home that cannot be written: what is stored can be asked for, and what cannot be done says what to do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from breadcrumb_server.projects.home import Home
from breadcrumb_storage.file_lock import lock_files_of
from stdio_server import ServerProcess

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

# Each gives a process mounts of its own; which of them the system allows depends on the user.
SEPARATIONS = [["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]]
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'

QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("list_traces", {}),
    ("get_trace", {"trace_id": "latest"}),
    ("get_calls", {"function": "half"}),
    ("show", {"what": ["half"]}),
    ("find", {"name": "number"}),
]
CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("run", {"command": ["true"], "timeout_seconds": 60}),
    ("edit_config", {"add_include": ["a.*"]}),
    ("delete_traces", {"all": True}),
]


@pytest.fixture
def read_only(tmp_path: Path) -> Callable[[Path, list[str]], list[str]]:
    """Return a function that returns a command for which a folder is on a read-only file system."""

    def command(folder: Path, words: list[str]) -> list[str]:
        for separation in SEPARATIONS:
            whole = [*separation, "sh", "-c", READ_ONLY, str(folder)]
            if subprocess.run([*whole, "true"], capture_output=True, check=False).returncode == 0:
                return [*whole, *words]
        pytest.skip("the system allows no process mounts of its own")

    return command


@pytest.mark.skipif(sys.platform != "linux", reason="mounts of Linux")
@pytest.mark.parametrize("has_locks", [True, False])
async def test_a_home_on_a_read_only_file_system_answers_questions_and_names_what_to_do(
    shop, write, home: Home, read_only, has_locks
) -> None:
    script = write("main.py", "def half(number):\n    return number / 2\nfor number in range(10):\n    half(number)\n")
    await shop.ok("run", project="shop", command=[sys.executable, str(script)], timeout_seconds=60)
    if not has_locks:  # as in a copy
        for file in lock_files_of(home.database_file("shop")):
            file.unlink()
    server = ServerProcess(home, read_only(home.folder, [sys.executable, "-m", "breadcrumb_server"]))
    try:
        for tool, arguments in QUESTIONS:
            server.call(tool, project="shop", **arguments)
        for tool, arguments in [*CHANGES, ("init_project", {"project": "new"})]:
            answer = server.answer(server.start_call(tool, **{"project": "shop", **arguments}))
            assert answer["isError"], tool
            assert "BREADCRUMB_HOME" in answer["content"][0]["text"], tool
    finally:
        server.close()


async def test_what_the_next_run_should_record_is_no_reason_to_refuse_a_question(shop, write, monkeypatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(28, "No space left on device")

    script = write("main.py", "def half(number):\n    return number / 2\nhalf(1)\n")
    await shop.ok("run", project="shop", command=[sys.executable, str(script)], timeout_seconds=60)
    monkeypatch.setattr("breadcrumb_server.projects.atomic_file.tempfile.mkstemp", refuse)
    shown = await shop.ok("show", project="shop", what=["half"])
    assert any("nor can the next run be told to" in note for note in shown["notes"])
