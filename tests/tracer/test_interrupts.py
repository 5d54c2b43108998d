"""Test exceptions that signal handlers and other threads raise while the tracer works.

From 3.11 on only: before, signal handlers run between nearly any two instructions, and a record may be lost.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from pythons import VERSIONS
from spool_reader import INJECT, Trace, interpreter


@pytest.fixture(params=VERSIONS[VERSIONS.index("3.11") :])
def python(request: pytest.FixtureRequest) -> str:
    return interpreter(request.param)


@pytest.mark.parametrize("raises", ["raise Alarm", "pathlib.Path('/missing/file').read_text()"])
def test_an_exception_of_a_signal_handler_reaches_the_program_and_tracing_goes_on(
    python: str, trace: Trace, raises: str
) -> None:
    # The timer may fire at any instruction; most of them are the tracer's.
    spool = trace(
        python,
        textwrap.dedent(f"""
            import pathlib, signal
            class Alarm(Exception): pass
            def strike(number, frame): {raises}
            signal.signal(signal.SIGALRM, strike)
            def leaf(n): return n
            def work():
                signal.setitimer(signal.ITIMER_REAL, 0.002)  # here: a busy machine may take longer to begin the call
                while True:
                    for i in range(100): leaf(i)
            struck = 0
            for _ in range(60):
                try:
                    work()
                except (Alarm, FileNotFoundError):
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
    assert [call.outcome for call in spool.named("work")] == [1] * 60
    assert spool.of("notice") == []  # the trace function is still in place


def test_a_function_whose_record_was_interrupted_is_written_at_its_next_call(
    python: str, trace: Trace, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text(
        textwrap.dedent("""
            from breadcrumb.session.session import Session
            class Alarm(Exception): pass
            write = Session.write_function
            strikes = [Alarm]
            def write_or_strike(self, function):
                if function.name == "leaf" and strikes:
                    raise strikes.pop()
                write(self, function)
            Session.write_function = write_or_strike
        """)
    )
    program = "def leaf(n): return n\ntry: leaf(1)\nexcept Exception: print('struck')\nleaf(2)\n"
    spool = trace(python, program, env={"PYTHONPATH": f"{INJECT}:{own}"})
    assert (spool.exit_code, spool.stdout) == (0, "struck\n"), spool.stderr
    assert [call.value for call in spool.named("leaf")] == [2]


def test_an_exception_that_another_thread_raises_here_reaches_the_program(python: str, trace: Trace) -> None:
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


def test_an_exception_during_the_release_of_an_ended_threads_state_reaches_the_program(
    python: str, trace: Trace, tmp_path: Path
) -> None:
    # The thread that is traced next releases the state; an exception raised in a finalizer would be lost.
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
                for _ in map(set_async, [ident], [stop]):  # the next instruction is the first to check for it
                    del state
                    for _ in range(100_000): pass
            except Stop:
                state = CallSegments(writer)
                print("reached", streams == {state.stream})
        """).replace("FOLDER", repr(str(tmp_path))),
    )
    assert (spool.exit_code, spool.stdout) == (0, "reached True\n"), spool.stderr


def test_a_timeout_during_a_system_call_of_the_tracer_reaches_the_program(
    python: str, trace: Trace, tmp_path: Path
) -> None:
    # TimeoutError is an OSError, and must not be taken for an error of the system call.
    (tmp_path / "1-0-0.calls").touch()
    spool = trace(
        python,
        textwrap.dedent("""
            from breadcrumb.runtime.system import system
            from breadcrumb.session import patterns, spool
            def strike(*_): raise TimeoutError("time is up")
            def reaches(name, ask):
                kept = getattr(system, name)
                setattr(system, name, strike)  # as if a signal handler ran there
                try:
                    ask()
                except TimeoutError:
                    return True
                finally:
                    setattr(system, name, kept)
            print(
                reaches("stat", lambda: spool._calls_bytes(FOLDER)),
                reaches("listdir", lambda: spool._calls_bytes(FOLDER)),
                reaches("readlink", lambda: patterns._normal("/a/b", True)),
                reaches("getcwd", patterns.current_folder),
            )
        """).replace("FOLDER", repr(str(tmp_path))),
        include=["nothing"],
    )
    assert (spool.exit_code, spool.stdout) == (0, "True True True True\n"), spool.stderr


def test_a_timeout_while_the_tracer_reads_a_value_reaches_the_program(python: str, trace: Trace) -> None:
    # Types of errors that reading a value may raise by itself.
    spool = trace(
        python,
        textwrap.dedent("""
            import signal
            def strike(number, frame): raise kind("time is up")
            signal.signal(signal.SIGALRM, strike)
            value = [{"row": [str(n) * 20, n, {n: n}]} for n in range(50)]
            def look(value): return None
            look(value)  # imports the modules that it needs
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
