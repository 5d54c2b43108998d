"""Asking processes where they stand must not do them harm, nor take long where nobody answers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.stack_request import let_go, take_stacks
from breadcrumb_server.runs.state import RunState

pytestmark = pytest.mark.processes

STACKS_SIGNAL = signal.SIGRTMAX - 2
FAULT_SIGNAL = signal.SIGRTMAX - 3
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
    """Starts a Python that belongs to the run of *tmp_path*, and waits until it has come to the end of *code*."""
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


def test_who_answers_is_not_asked_again_and_told_to_wait_until_it_is_let_go(start, state, tmp_path) -> None:
    process = start(HANDLERS, "-2")
    assert take_stacks(state, tmp_path, 60) == []
    assert (tmp_path / f"{process.pid}-2.fault").read_text() == ""
    assert (tmp_path / "stacks-wanted").exists()
    let_go(tmp_path)
    assert not (tmp_path / "stacks-wanted").exists()


@pytest.mark.parametrize("key", ["", "-1"], ids=["no answer", "an answer of the program before it called exec"])
def test_who_does_not_answer_is_asked_for_what_c_code_knows(start, state, tmp_path, key) -> None:
    process = start(HANDLERS, key)
    ((code, message),) = take_stacks(state, tmp_path, 0.2)
    assert (tmp_path / f"{process.pid}-2.fault").read_text() == "Current thread"
    assert code == "stacks_incomplete"
    assert message.startswith(f"process {process.pid} did not answer when it was asked where it stood")
    assert message.endswith(": its stacks are without local values")


@pytest.mark.parametrize(
    "code",
    [
        "",
        f"import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [{STACKS_SIGNAL}, {FAULT_SIGNAL}])",
        f"import signal\nsignal.signal({STACKS_SIGNAL}, signal.SIG_IGN)",
    ],
    ids=["has no handler", "blocks it", "ignores it"],
)
def test_a_process_that_does_not_listen_gets_no_signal(start, state, tmp_path, code) -> None:
    process = start(code)
    ((_, message),) = take_stacks(state, tmp_path, 60)  # without having waited for any
    assert message.endswith(": there are no stacks of it")
    process.communicate("\n")
    assert process.returncode == 0


def test_what_the_kernel_says_of_the_main_thread_is_told(start, state, tmp_path) -> None:
    process = start("")
    while not process_group.doing(process.pid).startswith("its main thread waits"):  # for its input
        assert process.poll() is None
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    ((_, message),) = take_stacks(state, tmp_path, 60)
    assert "(its main thread is stopped)" in message
    process.send_signal(signal.SIGCONT)
    assert process_group.doing(2**22 + 1) == ""


def test_a_process_that_is_not_traced_or_has_ended_is_not_asked(start, state, tmp_path) -> None:
    ended, untraced = start(""), start("")
    ended.communicate("\n")
    for file in tmp_path.glob(f"{untraced.pid}-*"):
        file.unlink()
    (tmp_path / "not-a-process-0.events").touch()
    assert take_stacks(state, tmp_path, 60) == []


def test_many_that_do_not_answer_do_not_fill_the_report(start, state, tmp_path) -> None:
    for _ in range(5):
        start("")
    messages = [message for _, message in take_stacks(state, tmp_path, 60)]
    assert len(messages) == 4
    assert messages[-1] == "2 more processes did not answer either"
