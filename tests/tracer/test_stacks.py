"""Test the stacks that a process writes when a signal asks for them, or C code where Python cannot."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

import breadcrumb
from breadcrumb import record_format, value_format
from breadcrumb.platform_features import FAULT_SIGNAL, HAS_REALTIME_SIGNALS, STACKS_SIGNAL
from breadcrumb.postmortem import stack_writer
from pythons import EQUIPPED_VERSIONS
from spool_reader import TARGETS, Spool, Trace, data_of, equipped_interpreter

PROGRAM = str(TARGETS / "standing.py")
SECRETS = ("open-sesame-77", "hush-hush-12", "k-0123456789")
HANG_SECONDS = 60


def until(happened: Callable[[], object]) -> None:
    deadline = monotonic() + HANG_SECONDS
    while not happened():
        assert monotonic() < deadline


def ask_pid(pid: int, folder: Path) -> None:
    """Ask until there is an answer: a signal just before the start of a system call does not interrupt it.

    Without real-time signals only the file says what is asked: it is there until the answer.
    """
    asked_at = 0.0
    wanted = folder / record_format.STACKS_WANTED_FILE
    is_withdrawn = not HAS_REALTIME_SIGNALS and not wanted.exists()
    if is_withdrawn:
        wanted.touch()

    def has_answered() -> bool:
        nonlocal asked_at
        if monotonic() > asked_at + 0.5:
            asked_at = monotonic()
            os.kill(pid, STACKS_SIGNAL)
        return any(folder.glob("*" + record_format.STACKS_SUFFIX))

    until(has_answered)
    if is_withdrawn:
        wanted.unlink()


def ask(traced: Any) -> list[dict[str, Any]]:
    """Ask as the server does, and read the answer while the program still runs."""
    (traced.folder / record_format.STACKS_WANTED_FILE).touch()
    ask_pid(traced.process.pid, traced.folder)
    events = [json.loads(line) for path in traced.folder.glob("*.events") for line in data_of(path).splitlines()]
    return [event for event in events if event["k"] == "stack"]


def count_sleeps(traced: Any) -> int:
    text = Path(f"/proc/{traced.process.pid}/status").read_text()
    return int(re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.MULTILINE)[0])


def functions(stack: dict[str, Any]) -> list[str]:
    return [frame["function"].rpartition(".")[2] for frame in stack["frames"]]


def values(stack: dict[str, Any], function: str) -> dict[str, Any]:
    (text,) = [frame["locals"] for frame in stack["frames"] if frame["function"].endswith(function)]
    found: dict[str, Any] = json.loads(text)
    return found


def end(traced: Any) -> Spool:
    traced.process.send_signal(signal.SIGTERM)
    spool: Spool = traced.finish()
    assert spool.exit_code == -signal.SIGTERM
    written = "".join(file.read_text(errors="replace") for file in spool.folder.iterdir() if file.is_file())
    assert not [secret for secret in SECRETS if secret in written]
    return spool


@pytest.mark.parametrize("way", ["joins", "loops", "pauses"])
def test_the_stack_of_every_thread_is_written_with_redacted_variables(python: str, start: Callable, way: str) -> None:
    traced = start(python, [PROGRAM, way])
    assert traced.line() == "ready\n"
    main, *others = ask(traced)
    assert [stack["id"] for stack in (main, *others)] == [0, 1, 2, 3]
    assert main["name"] == "MainThread"
    assert functions(main)[-2:] == ["main", "<module>"] and way in functions(main)
    assert [frame["depth"] for frame in main["frames"]] == [*range(len(main["frames"]))]
    frame = next(frame for frame in main["frames"] if frame["function"] == way)
    assert (frame["module"], frame["file"]) == ("__main__", PROGRAM)
    assert Path(PROGRAM).read_text().splitlines()[frame["line"] - 1].strip() in {
        "thread.join()", "while True:", "number += 1", "signal.pause()", "ready()",
    }  # fmt: skip
    if way == "joins":
        assert values(main, "joins")["password"] == value_format.REDACTED
    assert values(main, "main")["way"] == way
    by_name = {stack["name"]: stack for stack in others}
    assert sorted(by_name) == ["locker", "worker-0", "worker-1"]
    assert functions(by_name["worker-1"])[:3] == ["wait", "get", "takes_jobs"]
    assert values(by_name["worker-1"], "takes_jobs")["number"] == 1
    locker = values(by_name["locker"], "wants_lock")
    assert (locker["api_key"], locker["typed"]) == (value_format.REDACTED, value_format.REDACTED)
    spool = end(traced)
    assert spool.stdout == ""  # pause has not returned
    idents = {event["name"]: event["ident"] for event in spool.of("thread")}
    assert {name: stack["ident"] for name, stack in by_name.items()} == {n: idents[n] for n in by_name}


def test_a_program_that_is_asked_but_not_ended_goes_on_undisturbed(python: str, start: Callable) -> None:
    traced = start(python, [PROGRAM, "reads"])
    assert traced.line() == "ready\n"
    ask_pid(traced.process.pid, traced.folder)  # without the file stacks-wanted the program does not wait
    spool = traced.finish(stdin="")
    assert (spool.exit_code, spool.stdout, spool.stderr) == (0, "went on in time\n", "")  # nor has a method of Loud run
    (loud,) = [json.loads(f["locals"]) for s in spool.of("stack") for f in s["frames"] if f["function"] == "reads"]
    assert loud == {"loud": {"$type": "Loud", "$object": 1}}
    assert not [gap for gap in spool.of("gap") if "breadcrumb" in gap["module"]]
    assert all(call.outcome == 0 for call in spool.calls if call.function in ("main", "reads", "<module>"))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="counts in /proc how often the program slept")
def test_a_program_waits_for_its_end_after_it_has_answered(python: str, start: Callable) -> None:
    traced = start(python, [PROGRAM, "reads"])
    assert traced.line() == "ready\n"
    assert ask(traced)
    before = count_sleeps(traced)
    traced.process.stdin.close()  # it could go on now
    until(lambda: traced.process.poll() is not None or count_sleeps(traced) > before + 20)
    (traced.folder / record_format.STACKS_WANTED_FILE).unlink()
    assert traced.line() == "went on in time\n"
    assert traced.process.wait(HANG_SECONDS) == 0


@pytest.mark.smoke
def test_waiting_tasks_are_written_with_their_chain_of_awaits(python: str, start: Callable) -> None:
    traced = start(python, [PROGRAM, "waits in tasks"])
    until(lambda: traced.line() == "ready\n")
    stacks = [stack for stack in ask(traced) if stack["task_name"]]
    assert sorted(functions(stack) for stack in stacks) == [
        ["main"],
        ["sleep", "sleeps"],
        ["sleep", "sleeps", "numbers", "consumes"],
    ]
    assert sorted(stack["task_name"] for stack in stacks) == ["Task-1", "Task-2", "Task-3"]
    assert all(stack["ident"] is None for stack in stacks)
    chain = next(stack for stack in stacks if len(stack["frames"]) == 4)
    assert values(chain, "sleeps") == {"delay": 501, "token": value_format.REDACTED}
    spool = end(traced)
    assert spool.stdout == ""  # LoudTask has not been hashed


def locks(stack: dict[str, Any], function: str) -> dict[str, list[int]]:
    """Return [number, owner] of the locks that the frame of a function names."""
    (text,) = [frame["locks"] for frame in stack["frames"] if frame["function"].endswith(function)]
    found: dict[str, list[int]] = json.loads(text or "{}")
    return found


def ask_at_locks(start: Callable, python: str, way: str) -> tuple[Any, dict[str, dict[str, Any]]]:
    traced = start(python, [str(TARGETS / "locks_at_work.py"), way])
    assert traced.line() == "ready\n"
    return traced, {stack["task_name"] or stack["name"]: stack for stack in ask(traced)}


@pytest.mark.parametrize("way", ["locks", "rlocks"])
def test_frames_that_name_the_same_lock_have_its_number(python: str, start: Callable, way: str) -> None:
    traced, stacks = ask_at_locks(start, python, way)
    first, second = (locks(stacks[name], "transfer") for name in ("first", "second"))
    assert set(first) == {"source._lock", "target._lock"}
    assert (first["source._lock"], first["target._lock"]) == (second["target._lock"], second["source._lock"])
    assert first["source._lock"][0] != first["target._lock"][0]
    owners = [stacks[name]["ident"] for name in ("first", "second")] if way == "rlocks" else [0, 0]
    assert [first["source._lock"][1], first["target._lock"][1]] == owners
    end(traced)


def test_locks_of_classes_modules_and_conditions_are_found_and_free_ones_left_out(python: str, start: Callable) -> None:
    traced, stacks = ask_at_locks(start, python, "class")
    reader, writer = locks(stacks["reader-1"], "read"), locks(stacks["writer"], "write")
    assert reader == writer == {"self.guard": [reader["self.guard"][0], 0]}
    assert locks(stacks["MainThread"], "waits_for_a_class") == {}  # it names the lock of no object
    end(traced)
    traced, stacks = ask_at_locks(start, python, "condition")
    (owner,) = {stacks["holder"]["ident"]}
    holder, late = locks(stacks["holder"], "changes"), locks(stacks["late"], "notices")
    assert holder == late == {"CHANGED": [holder["CHANGED"][0], owner]}
    end(traced)


def test_tasks_that_name_the_same_lock_have_its_number(python: str, start: Callable) -> None:
    traced, stacks = ask_at_locks(start, python, "tasks")
    held = {json.dumps(locks(stack, "s")) for name, stack in stacks.items() if name in ("Task-2", "Task-3", "Task-4")}
    assert len(held) == 1 and list(json.loads(held.pop())) == ["lock"]
    end(traced)


def test_waiting_tasks_of_every_event_loop_are_written(python: str, start: Callable) -> None:
    program = (
        "import asyncio, sys, threading\n"
        "async def waits(owner): await asyncio.get_running_loop().create_future()\n"
        "async def begins(owner):\n"
        "    tasks.append(asyncio.ensure_future(waits(owner)))\n"
        "    await asyncio.sleep(0)\n"
        "def runs(owner):\n"
        "    loop.run_until_complete(begins(owner))\n"
        "    ready.release()\n"
        "    loop.run_forever()\n"
        "class OwnTask(asyncio.tasks._PyTask): pass\n"
        "tasks, ready, stopped = [], threading.Semaphore(0), asyncio.new_event_loop()\n"
        "stopped.set_task_factory(lambda loop, coroutine, **more: OwnTask(coroutine, loop=loop, **more))\n"
        "loop = asyncio.new_event_loop()\n"
        "threading.Thread(target=runs, args=('thread',), daemon=True).start()\n"
        "ready.acquire()\n"
        "stopped.run_until_complete(begins('stopped loop'))\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    traced = start(python, program)
    assert traced.line() == "ready\n"
    waiting = [stack for stack in ask(traced) if stack["task_name"]]
    assert [functions(stack) for stack in waiting] == [["waits"]] * 2
    assert sorted(values(stack, "waits")["owner"] for stack in waiting) == ["stopped loop", "thread"]
    end(traced)


@pytest.mark.parametrize("version", ["3.8", EQUIPPED_VERSIONS[-1]])
def test_waiting_greenlets_are_written_too(start: Callable, version: str) -> None:
    program = (
        "import greenlet, sys\n"
        "def waits(password): return hub.switch()\n"
        "hub = greenlet.getcurrent()\n"
        "waiting = [greenlet.greenlet(waits) for number in range(2)]\n"
        "waiting[0].switch('hush-hush-12')\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    traced = start(equipped_interpreter(version, "greenlet"), program)
    assert traced.line() == "ready\n"
    main, *waiting = ask(traced)
    assert functions(main) == ["<module>"]
    (stack,) = waiting  # the other one has not begun
    assert stack["task_name"].startswith("greenlet-") and functions(stack) == ["waits"]
    assert values(stack, "waits") == {"password": value_format.REDACTED}
    end(traced)


def test_stacks_have_no_local_values_if_the_settings_say_so(python: str, start: Callable) -> None:
    traced = start(python, [PROGRAM, "reads"], capture={"locals_on_exception": False})
    assert traced.line() == "ready\n"
    assert {frame["locals"] for stack in ask(traced) for frame in stack["frames"]} == {None}
    end(traced)


def test_deep_stacks_lose_their_middle_and_many_threads_the_excess(python: str, start: Callable) -> None:
    traced = start(python, [PROGRAM, "recurses"])
    assert traced.line() == "ready\n"
    depths = [frame["depth"] for frame in ask(traced)[0]["frames"]]
    assert depths[:24] == [*range(24)]
    assert depths[24:] == [*range(depths[-1] - 5, depths[-1] + 1)] and depths[-1] > 200
    end(traced)
    traced = start(python, [PROGRAM, "threads"])
    assert traced.line() == "ready\n"
    assert len(ask(traced)) == 100
    assert "100 threads and 100 waiting tasks are recorded, of 122 and 0" in end(traced).of("notice")[-1]["message"]


def test_c_code_writes_the_stacks_where_python_cannot(python: str, start: Callable) -> None:
    traced = start(python, [PROGRAM, "computes in C"])
    assert traced.line() == "ready\n"
    traced.process.send_signal(STACKS_SIGNAL)
    traced.process.send_signal(FAULT_SIGNAL)
    (file,) = traced.folder.glob("*" + record_format.FAULT_SUFFIX)
    until(lambda: " in <module>" in file.read_text())
    assert not any(traced.folder.glob("*" + record_format.STACKS_SUFFIX))
    spool = end(traced)
    text = file.read_text()
    assert text.count("in takes_jobs") == 2 and "in wants_lock" in text
    names = [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith("  File ")]
    assert names[names.index("computes_in_c") :][:3] == ["computes_in_c", "main", "<module>"]
    assert sorted(call.function for call in spool.calls if call.outcome is None) == [
        "<module>", "computes_in_c", "main", "takes_jobs", "takes_jobs", "wants_lock",
    ]  # fmt: skip


FORKS = """
import faulthandler, os, sys
def crashes(password):
    faulthandler._sigsegv()
def waits(api_key):
    os.write(1, b"ready\\n")
    sys.stdin.read()
highest = min(os.sysconf("SC_OPEN_MAX"), 4096) - 1
if sys.argv[1] == "closes all files":
    os.closerange(3, highest + 1)
elif sys.argv[1] == "uses the number":
    os.dup2(os.open("own", os.O_RDWR | os.O_CREAT), highest)
for work in (crashes, waits) if sys.argv[1] != "uses the number" else (waits,):
    pid = os.fork()
    if not pid:
        work("k-0123456789")
    os.write(1, b"%d\\n" % pid)
    os.waitpid(pid, 0)
"""


@pytest.mark.parametrize("parent", ["does nothing", "closes all files"])
def test_a_forked_child_writes_its_stacks_into_its_own_files(python: str, start: Callable, parent: str) -> None:
    traced = start(python, ["-c", FORKS, parent])
    crashed = int(traced.line())
    waiting = next(int(line) for line in sorted([traced.line(), traced.line()]) if line != "ready\n")
    faults = {int(path.name.partition("-")[0]): path.read_text() for path in traced.folder.glob("*.fault")}
    assert "in crashes" in faults.pop(crashed)
    assert faults == {traced.process.pid: "", waiting: ""}
    ask_pid(waiting, traced.folder)
    spool = traced.finish(stdin="")
    assert spool.exit_code == 0
    (stack,) = spool.of("stack")
    assert (functions(stack), stack["process"].partition("-")[0]) == (["waits", "<module>"], str(waiting))
    assert values(stack, "waits") == {"api_key": value_format.REDACTED}


def test_a_file_number_that_the_program_has_taken_is_not_written_to(
    python: str, start: Callable, tmp_path: Path
) -> None:
    traced = start(python, ["-c", FORKS, "uses the number"])
    waiting = next(int(line) for line in sorted([traced.line(), traced.line()]) if line != "ready\n")
    os.kill(waiting, FAULT_SIGNAL)  # whose handler is removed
    assert traced.finish(stdin="").exit_code == 0
    assert (tmp_path / "own").read_bytes() == b""


@pytest.mark.parametrize("options", [[], ["-X", "faulthandler"]], ids=["by itself", "by option"])
def test_a_program_that_enables_faulthandler_itself_gets_its_output(
    python: str, trace: Trace, options: list[str]
) -> None:
    program = (
        "import faulthandler, sys\n"
        "if not sys.argv[1:]: faulthandler.enable()\n"
        "def crashes(): faulthandler._sigsegv()\n"
        "crashes()\n"
    )
    spool = trace(python, [*options, "-c", program, *options])
    assert spool.exit_code == -signal.SIGSEGV
    assert spool.stderr.startswith("Fatal Python error: Segmentation fault") and "in crashes" in spool.stderr
    assert [path.read_text() for path in spool.folder.glob("*.fault")] == [""]


def test_frames_of_the_tracer_and_of_what_it_was_calling_are_left_out() -> None:
    frames: list[Any] = []
    names = {"look": lambda: frames.append(sys._getframe())}
    folder = Path(breadcrumb.__file__).parent
    for name in (str(folder / "recorder.py"), str(folder / "_inject" / "sitecustomize.py")):
        exec(compile("def between(): look()", name, "exec"), names)
        names["between"]()
    inside, at_start = (stack_writer._frames_outwards(frame) for frame in frames)
    this = "test_frames_of_the_tracer_and_of_what_it_was_calling_are_left_out"
    assert inside[0].f_code.co_name == this
    assert [frame.f_code.co_name for frame in at_start[:3]] == ["<lambda>", "between", this]
