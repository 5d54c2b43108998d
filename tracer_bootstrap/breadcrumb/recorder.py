"""Compose the tracer of one process, carry it over forks, and end it with the process."""

from __future__ import annotations

import sys

from . import record_format
from .backends import Parts
from .events import greenlets as greenlet_events
from .events.adaptive import AdaptiveCapture
from .events.budget import make_budget
from .events.calls import CallLog
from .events.exception_state import exception_log, traceback_of
from .events.functions import FunctionLog
from .events.gaps import GapLog
from .events.greenlets import GreenletChains
from .events.tasks import TaskLog
from .json_text import quote, utf8
from .runtime.late_modules import load_late_module
from .runtime.system import system
from .session.functions import creates_task, starts_child
from .session.patterns import as_utf8, current_folder
from .session.processes import (
    MultiprocessingChild,
    ancestors,
    command_line,
    kernel_start,
    short_command,
    starts_for_multiprocessing,
)
from .session.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any, Dict, List, Optional, Sequence, Type

    from .backends import Backend, ExitCode
    from .events.child_processes import ChildLog
    from .events.executed_lines import ExecutedLines
    from .events.test_runners import TestLog
    from .probes.log import ProbeLog
    from .session.functions import Observer


class Recorder:
    """The tracer of one process: its session, event logs and backend.

    Args:
        folder: The trace's spool folder.
        settings: The content of its ``tracer.config``.
        backend: The class of the backend that observes this process.
    """

    def __init__(self, folder: str, settings: Dict[str, Any], backend: Type[Backend]) -> None:
        capture = settings.get("capture", {})
        command = command_line()
        self.session = session = Session(folder, settings, backend.clears_locals)
        self._multiprocessing = MultiprocessingChild(session, self.end_process)
        self._lines: List[Any] = []
        if capture.get("lines"):
            from .events.lines import LineLog  # rarely configured: spare other processes the import

            self._lines.append(LineLog(session, capture["lines"]))
        self._with_test_lines = bool(capture.get("failed_test_lines", record_format.DEFAULT_FAILED_TEST_LINES))
        self._with_suspects = settings.get("suspects", record_format.DEFAULT_SUSPECTS) != "off"
        self._passed_lines: Dict[str, List[int]] = settings.get("passed_lines") or {}
        self._only_lines = bool(settings.get("only_lines"))
        self._tasks = tasks = TaskLog(session)
        self.greenlets = greenlets = GreenletChains(session, tasks)
        self._calls = calls = CallLog(session, tasks, greenlets, self.observer)
        overhead = capture.get("overhead", record_format.DEFAULT_OVERHEAD)
        budget = make_budget(session.mode, overhead, system.environ.get(record_format.ENV_OVERHEAD, ""))
        gaps = GapLog(session, budget)
        adaptive: Optional[AdaptiveCapture] = None  # None: every call is recorded, none is only counted
        sample_rate: float = capture.get("sample_rate", record_format.DEFAULT_SAMPLE_RATE)
        if session.mode != "full" or sample_rate < 1 or budget is not None:
            adaptive = AdaptiveCapture(session, calls, gaps, sample_rate, budget)
        session.encoder.spares_dicts = budget is not None
        self._exceptions = exceptions = exception_log(session, calls, adaptive, backend.sees_all_code)
        spawned = self._multiprocessing if starts_for_multiprocessing(command) else None
        function_log = FunctionLog(session, adaptive, self._lines, spawned)
        self._probes: Optional[ProbeLog] = None
        if settings.get("probes"):
            from .probes.log import ProbeLog  # as are the lines

            self._probes = ProbeLog(session, settings["probes"], backend.writes_locals_back)
        self._tests: Optional[TestLog] = None
        self._children: Optional[ChildLog] = None
        self._executed: Optional[ExecutedLines] = None
        logs = (function_log, calls, exceptions, gaps, tasks, greenlets, *self._lines, adaptive, self._probes)
        self._logs: List[Any] = [log for log in logs if log is not None]  # cleared in a forked child
        self.backend_name = backend.name
        self._backend = backend(
            Parts(
                session=session,
                function_log=function_log,
                calls=calls,
                exceptions=exceptions,
                gaps=gaps,
                greenlets=greenlets,
                observer=self.observer,
                adaptive=adaptive,
                budget=budget,
                probes=self._probes,
            )
        )
        self._adaptive = adaptive
        self._function_log = function_log
        self._is_observing = False
        session.when_forked.append(self.after_fork_in_child)
        session.when_thread_begins.append(greenlets.watch_thread)
        session.when_secret_learned.append(self._backend.secret_learned)
        session.when_counters_move.append(self._backend.forget_last)
        function_log.when_added.append(self._backend.observe)
        if adaptive is not None and backend.can_switch_off:
            adaptive.switch_with(self._backend)
        if self._with_suspects and settings.get("program_lines"):
            self._executed_lines().program_begins()
        self._variables = system.environ
        session.redactor.learn_environment(self._variables)
        self._program = self._describe_program(command, backend.name)
        self._write_process(None)

    def observer(self, code: CodeType) -> Observer:
        """Return the log that reads *code*, which is observed; makes it when the first such function starts."""
        if creates_task(code):
            return self._tasks
        return self._child_log() if starts_child(code) else self._test_log()

    def _child_log(self) -> ChildLog:
        children = self._children
        if children is None:
            load_late_module("events.child_processes")
            from .events.child_processes import ChildLog

            children = self._children = ChildLog(self.session, self._variables)
            self._logs.append(children)
        return children

    def _test_log(self) -> TestLog:
        tests = self._tests
        if tests is None:
            load_late_module("events.test_runners")
            from .events.test_runners import TestLog

            tests = self._tests = TestLog(self.session, self._exceptions)
            self._logs.append(tests)
            if self._with_suspects:
                tests.executed = self._executed_lines()
            if self._with_test_lines:
                load_late_module("events.lines")
                load_late_module("events.recent_lines")
                from .events.recent_lines import RecentLines

                backend = self._backend
                recent = RecentLines(self.session, backend.observe, backend.writes_locals_back, self._passed_lines)
                self._lines.append(recent)
                self._logs.append(recent)
                tests.when_test_begins.append(recent.test_begins)
                tests.when_test_ends.append(recent.test_ends)
                self.session.when_stacks_are_wanted.append(recent.write_now)
        return tests

    def _executed_lines(self) -> ExecutedLines:
        """Return what notes the lines of each test, or of a program without tests; makes it on the first call."""
        executed = self._executed
        if executed is None:
            load_late_module("events.executed_lines")
            from .events.executed_lines import ExecutedLines

            backend = self._backend
            is_limited = not (backend.tells_lines_once or self._only_lines)
            executed = ExecutedLines(self.session, backend.observe_lines, is_limited, backend.writes_locals_back)
            self._executed = executed
            backend.note_lines(executed)
            self._logs.append(executed)
            self._function_log.when_added.insert(0, executed.function_added)
            self._exceptions.when_raised.append(executed.raised)
            self.session.when_stacks_are_wanted.append(executed.write_now)
        return executed

    def start(self) -> None:
        """Start the backend; write a notice if it cannot observe the process."""
        if greenlet_events.MODULE in sys.modules:  # started in the middle of a program
            self.greenlets.loaded()
        try:
            self._backend.start()
            self._is_observing = True
        except RuntimeError as error:
            self.session.notice(record_format.NOTICE_NOT_OBSERVING, str(error))

    def add_patterns(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        """Include and exclude more code, where it has not run yet.

        Args:
            include: Module globs, and path globs relative to the current folder.
            exclude: The same; they win.
        """
        self.session.include.add(include, exclude)
        self._backend.patterns_added()

    def begin_running(self, innermost: FrameType) -> None:
        """Record the calls of this thread that run already, from now on; called after ``start``.

        Args:
            innermost: The innermost frame of the program.
        """
        frame: Optional[FrameType] = innermost
        running: List[FrameType] = []
        while frame is not None:
            running.append(frame)
            frame = frame.f_back
        others = len(sys._current_frames()) - 1
        if others > 0 and not self._backend.sees_all_code:
            self.session.notice(
                record_format.NOTICE_EARLIER_THREADS,
                "calls of threads that ran when tracing began (%d) are not recorded, as sys.settrace is set for each "
                "thread by itself. Call breadcrumb.init() before they start, or use Python 3.12 or newer" % others,
            )
        now_ns = system.now_ns()
        for frame in reversed(running):
            code = frame.f_code
            if not self._function_log.is_included(code, frame) or not self._backend.can_observe_running(code, frame):
                continue
            function = self.session.functions.get(id(code)) or self._function_log.add(code, frame)
            if function is None:
                continue
            if self._adaptive is not None and self._adaptive.skips(function, frame):
                if self.session.thread().top[2] is not frame:
                    continue
            else:
                self._calls.begin(function, frame, now_ns)
            self._backend.observe_running(frame)

    def watch_exit(self, outermost: FrameType, exit_code: ExitCode) -> None:
        """Tell *exit_code* which exception leaves the outermost frame of the main thread; after ``begin_running``."""
        if self._is_observing:
            self._backend.watch_exit(outermost, exit_code)

    def stop(self) -> None:
        """Stop the backend, long before the end of the process; called after ``end_process``."""
        if self._is_observing:
            self._is_observing = False
            self._backend.stop()
        self.greenlets.stop()
        if self._adaptive is not None:
            self._adaptive.stop()

    def _describe_program(self, command: Sequence[str], backend: str) -> Dict[str, bytes]:
        """Return the encoded fields of the process record that forked children share: redacting them once is enough."""
        session = self.session
        encode = session.encoder.encode_text
        words = session.redactor.redact_command(short_command(command))
        ours = {  # words of the tracer, which hold no secret
            "python": "%d.%d.%d" % sys.version_info[:3],
            "backend": backend,
            "mode": session.mode,
            "core": session.core.name,
            "core_reason": session.core.why,
        }
        return {
            **{name: utf8(quote(text)) for name, text in ours.items()},
            "executable": encode(as_utf8(sys.executable or "")),
            "command": b"[" + b", ".join(encode(as_utf8(word)) for word in words) + b"]",
        }

    def _write_process(self, parent: Optional[str]) -> None:
        """Write the process record. parent: the process key of the process that forked this one, or None."""
        session = self.session
        started, image = kernel_start()
        session.event(
            record_format.EVENT_PROCESS,
            pid=session.pid,
            ppid=system.getppid(),
            kernel_start=started,
            image_start=image,
            ancestors=b"[%b]" % b", ".join(b"%d" % pid for pid in ancestors()) if parent is None else b"null",
            cwd=current_folder(),
            started_at_ns=session.spool.started_at_ns,
            clock_origin_ns=session.spool.clock_origin_ns,
            parent=b"null" if parent is None else b'"%b"' % parent.encode(),  # bytes: not redacted
            **self._program,
        )

    def before_fork(self) -> None:
        """Hold back the records of this thread until ``after_fork_*``.

        The program's own fork hooks run in between, in the parent or the child. Nothing may reach the spool meanwhile,
        because both processes have it mapped.
        """
        thread = self.session.thread()
        thread.hold_back()
        self.session.forks_under_way += 1

    def after_fork_in_parent(self) -> None:
        """Write the records that were held back."""
        self.session.forks_under_way -= 1
        thread = self.session.thread()
        for line in thread.held_events or ():
            self.session.spool.event(line)
        thread.release()

    def after_fork_in_child(self) -> None:
        """Start a new process in the trace; open calls and held-back records stay the parent's.

        Called by Python's fork hooks, and by ``Session.notice_fork`` for forks made in C. A callback may reach the
        latter before the hooks run.
        """
        session = self.session
        if session.pid == system.getpid():
            return
        session.not_forked[0] = 1  # first: any call below may be observed and notice the fork again
        if session.pid == system.getpid():  # so was this one, where the mark is an object in Python
            return
        parent = session.start_over()
        for log in self._logs:
            log.clear()
        self._write_process(parent)
        self._backend.forget_last()
        self._multiprocessing.after_fork()

    def end_process(self) -> None:
        """Write the last records at the normal exit of the process."""
        session = self.session
        if session.pid != system.getpid():
            return
        damaged = session.spool.damaged_segments()  # first: writing into them may be fatal
        if damaged:
            session.notice(
                record_format.NOTICE_RECORDS_LOST,
                "%s%s by the program or by what it has started: records of it are missing. Keep both out of the folder "
                "in BREADCRUMB_TRACE, and run again"
                % (damaged[0], " (and %d more)" % (len(damaged) - 1) if len(damaged) > 1 else ""),
            )
        self._calls.end_dropped_generators()
        self.greenlets.check()
        if self._is_observing:
            self._backend.before_end()
        if self._probes is not None:
            self._probes.write_last()
        if session.near_recursion_limit:
            session.notice(
                record_format.NOTICE_RECURSION_LIMIT,
                "near the recursion limit the tracer had no room to run: the deepest calls may not be recorded",
            )
        uncaught: Optional[BaseException] = None
        last = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        if isinstance(last, BaseException):
            traceback = traceback_of(last)
            # Test runners set sys.last_value too, to exceptions that they caught: their tracebacks begin further in.
            if traceback is not None and traceback.tb_frame.f_back is None:
                uncaught = last
                self._exceptions.ends_program(last, traceback, session.thread())
        if self._executed is not None:
            self._executed.program_ends(uncaught)
        session.event(record_format.EVENT_END, at_ns=system.now_ns())
