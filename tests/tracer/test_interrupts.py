"""Exceptions that arrive in the midst of the tracer's work: from signal handlers, from other threads.

Up to 3.10 the interpreter looks for signals between nearly any two instructions, so that a record may be lost there.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from spool_reader import Trace, interpreter


@pytest.fixture(params=["3.11", "3.12", "3.13"])
def python(request: pytest.FixtureRequest) -> str:
    return interpreter(request.param)


def test_what_a_signal_handler_raises_reaches_the_program_and_ends_no_tracing(python: str, trace: Trace) -> None:
    # A timer may strike at any instruction: most of them are the tracer's.
    spool = trace(
        python,
        textwrap.dedent("""
            import signal
            class Alarm(Exception): pass
            def strike(number, frame): raise Alarm
            signal.signal(signal.SIGALRM, strike)
            def leaf(n): return n
            def work():
                while True:
                    for i in range(100): leaf(i)
            struck = 0
            for _ in range(60):
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.002)
                    work()
                except Alarm:
                    struck += 1
            def after(): return leaf("after")
            after()
            print(struck)
        """),
    )
    assert (spool.exit_code, spool.stdout) == (0, "60\n"), spool.stderr
    assert spool.one("after").value == "after"
    assert spool.tree()[-1] == ("after", "leaf")
    assert all(call.outcome is not None for call in spool.calls)
    assert sum(call.outcome == 1 for call in spool.named("work")) >= 59
    assert spool.of("notice") == []  # nobody has taken the trace function away


def test_what_another_thread_raises_in_this_one_reaches_the_program(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        textwrap.dedent("""
            import ctypes, threading, time
            class Stop(Exception): pass
            def stop(ident, started):
                started.wait()
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(Stop))
            def leaf(n): return n
            def work(started):
                until = time.monotonic() + 20
                started.set()
                while time.monotonic() < until:
                    for i in range(100): leaf(i)
            stopped = 0
            for _ in range(20):
                started = threading.Event()
                thread = threading.Thread(target=stop, args=(threading.get_ident(), started))
                try:
                    thread.start()
                    work(started)
                except Stop:
                    stopped += 1
                thread.join()
            print(stopped)
        """),
    )
    assert (spool.exit_code, spool.stdout) == (0, "20\n"), spool.stderr


def test_what_arrives_while_the_state_of_an_ended_thread_is_dropped_reaches_the_program(
    python: str, trace: Trace, tmp_path: Path
) -> None:
    # It is whichever thread is traced next that drops it, and what is raised in a finalizer is lost.
    spool = trace(
        python,
        textwrap.dedent("""
            import ctypes, threading
            from breadcrumb.session.spool import CallSegments, SpoolWriter
            class Stop(Exception): pass
            set_async = ctypes.pythonapi.PyThreadState_SetAsyncExc
            ident, stop = ctypes.c_ulong(threading.get_ident()), ctypes.py_object(Stop)
            writer = SpoolWriter(FOLDER, 1 << 30, print)
            streams = set()
            try:
                state = CallSegments(writer)
                streams.add(state.stream)
                for _ in map(set_async, [ident], [stop]):  # no instruction before the next one looks for it
                    del state
                    for _ in range(100_000): pass
            except Stop:
                state = CallSegments(writer)
                print("reached", streams == {state.stream})
        """).replace("FOLDER", repr(str(tmp_path))),
    )
    assert (spool.exit_code, spool.stdout) == (0, "reached True\n"), spool.stderr


def test_a_timeout_that_strikes_while_the_tracer_asks_the_system_reaches_the_program(
    python: str, trace: Trace, tmp_path: Path
) -> None:
    # TimeoutError is an OSError: it is not to be taken for an answer of the system.
    (tmp_path / "1-0-0.calls").touch()
    spool = trace(
        python,
        textwrap.dedent("""
            from breadcrumb.session import patterns, spool
            def strike(*_): raise TimeoutError("time is up")
            def reaches(module, name, ask):
                kept = getattr(module, name)
                setattr(module, name, strike)  # as if a signal handler had run there
                try:
                    ask()
                except TimeoutError:
                    return True
                finally:
                    setattr(module, name, kept)
            print(
                reaches(spool, "os_stat", lambda: spool._calls_bytes(FOLDER)),
                reaches(spool, "os_listdir", lambda: spool._calls_bytes(FOLDER)),
                reaches(patterns, "readlink", lambda: patterns._normal("/a/b", True)),
                reaches(patterns, "getcwd", patterns.current_folder),
            )
        """).replace("FOLDER", repr(str(tmp_path))),
        include=["nothing"],
    )
    assert (spool.exit_code, spool.stdout) == (0, "True True True True\n"), spool.stderr


def test_a_timeout_that_strikes_while_a_value_is_read_reaches_the_program(python: str, trace: Trace) -> None:
    # The errors that reading a value may well meet by itself.
    spool = trace(
        python,
        textwrap.dedent("""
            import signal
            def strike(number, frame): raise kind("time is up")
            signal.signal(signal.SIGALRM, strike)
            value = [{"row": [str(n) * 20, n, {n: n}]} for n in range(50)]
            def look(value): return None
            look(value)  # what is imported for it is there from now on
            reached = []
            for kind in (TimeoutError, ValueError, RuntimeError, OSError) * 5:
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.002)
                    while True: look(value)
                except kind as error:
                    reached.append(error.args[0])
            signal.setitimer(signal.ITIMER_REAL, 0)
            print(set(reached), len(reached))
        """),
    )
    assert (spool.exit_code, spool.stdout) == (0, "{'time is up'} 20\n"), spool.stderr
    assert not list(spool.folder.glob("*.failed"))
