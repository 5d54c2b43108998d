"""Test that requesting stacks does not harm processes and takes little time if none answers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from breadcrumb.platform_features import FAULT_SIGNAL, HAS_REALTIME_SIGNALS, STACKS_SIGNAL
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.stack_request import release, request_stacks
from breadcrumb_server.runs.state import RunState

pytestmark = pytest.mark.processes

# Without real-time signals all traced processes are asked, and waited for: nothing says which of them will answer.
LONG_SECONDS = 60 if HAS_REALTIME_SIGNALS else 0.1
HANDLERS = f"""
import os, signal, sys
key = sys.argv[1]
def answer(number, frame):
    if key:
        open(str(os.getpid()) + key + ".stacks", "w").close()
def write(number, frame):
    with open(str(os.getpid()) + "-2.fault", "a") as file:
        file.write("Current thread")
signal.signal({STACKS_SIGNAL}, answer)
signal.signal({FAULT_SIGNAL}, write)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts a Python process of the run in *tmp_path* and waits until it has executed *code*."""
    started: list[subprocess.Popen[str]] = []

    def run(code: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", f"{code}\nprint(flush=True)\nwhile input(): pass", *arguments],
            cwd=tmp_path,
            env={**os.environ, "BREADCRUMB_TRACE": str(tmp_path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        for program in (1, 2):
            (tmp_path / f"{process.pid}-{program}-0.events").touch()
            (tmp_path / f"{process.pid}-{program}.fault").touch()
        return process

    yield run
    for process in started:
        with process:
            process.kill()


@pytest.fixture
def state() -> RunState:
    return RunState("p", "t", ["python"], None, "/", 60, "{}", "")


def test_a_process_that_answers_is_asked_once_and_waits_for_its_release(start, state, tmp_path) -> None:
    process = start(HANDLERS, "-2")
    assert request_stacks(state, tmp_path, 60) == []
    assert (tmp_path / f"{process.pid}-2.fault").read_text() == ""
    assert (tmp_path / "stacks-wanted").exists()
    release(tmp_path)
    assert not (tmp_path / "stacks-wanted").exists()


@pytest.mark.parametrize("key", ["", "-1"], ids=["no answer", "an answer from before it called exec"])
def test_a_process_that_does_not_answer_is_asked_for_a_fault_file(start, state, tmp_path, key) -> None:
    process = start(HANDLERS, key)
    ((code, message),) = request_stacks(state, tmp_path, 0.2)
    assert (tmp_path / f"{process.pid}-2.fault").read_text() == "Current thread"
    assert code == "stacks_incomplete"
    assert message.startswith(f"process {process.pid} did not answer the request for its stacks")
    assert message.endswith(": they have no local values")


@pytest.mark.parametrize(
    "code",
    [
        "",
        f"import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [{STACKS_SIGNAL}, {FAULT_SIGNAL}])",
        f"import signal\nsignal.signal({STACKS_SIGNAL}, signal.SIG_IGN)",
    ],
    ids=["has no handler", "blocks it", "ignores it"],
)
def test_a_process_that_does_not_handle_the_signal_gets_none(start, state, tmp_path, code) -> None:
    process = start(code)
    ((_, message),) = request_stacks(state, tmp_path, LONG_SECONDS)  # returns at once: nobody was asked
    assert message.endswith(": there are none")
    process.communicate("\n")
    assert process.returncode == 0


def test_the_notice_has_the_main_thread_state_from_the_kernel(start, state, tmp_path) -> None:
    process = start("")
    while not process_group.main_thread_state(process.pid).startswith("its main thread waits"):  # for its input
        assert process.poll() is None
    process.send_signal(signal.SIGSTOP)
    while process_group.main_thread_state(process.pid) != "its main thread is stopped":
        assert process.poll() is None
    ((_, message),) = request_stacks(state, tmp_path, LONG_SECONDS)
    assert "(its main thread is stopped)" in message
    process.send_signal(signal.SIGCONT)
    assert process_group.main_thread_state(2**22 + 1) == ""


def test_untraced_and_ended_processes_are_not_asked(start, state, tmp_path) -> None:
    ended, untraced = start(""), start("")
    ended.communicate("\n")
    for file in tmp_path.glob(f"{untraced.pid}-*"):
        file.unlink()
    (tmp_path / "not-a-process-0.events").touch()
    assert request_stacks(state, tmp_path, LONG_SECONDS) == []


def test_notices_about_silent_processes_are_limited(start, state, tmp_path) -> None:
    for _ in range(5):
        start("")
    messages = [message for _, message in request_stacks(state, tmp_path, LONG_SECONDS)]
    assert len(messages) == 4
    assert messages[-1] == "2 more processes did not answer either"
