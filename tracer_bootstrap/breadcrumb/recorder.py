"""The state of a traced process, shared by both backends: its settings, its functions, its begin, forks and end.

The backends decide when something happened; what is written about it is decided here, and in the logs that it holds.
"""

from __future__ import annotations

import itertools
import os
import sys
from _thread import _local, get_ident
from os import getpid, getppid
from time import perf_counter_ns
from types import CodeType, FrameType

from . import record_format
from .events.adaptive import AdaptiveCapture
from .events.calls import CallLog
from .events.exceptions import ExceptionLog, traceback_of
from .events.gaps import GapLog
from .events.greenlets import GreenletChains
from .events.tasks import TaskLog
from .json_text import quote, utf8
from .redaction.redactor import process_redactor
from .runtime.features import LIVE_F_LOCALS
from .runtime.late_modules import test_runners
from .session.functions import Function, NameFinder, module_of
from .session.open_calls import ROOT
from .session.patterns import IncludeFilter, current_folder
from .session.processes import (
    MultiprocessingChild,
    ancestors,
    command_line,
    fork_mark,
    kernel_start,
    short_command,
    starts_for_multiprocessing,
)
from .session.spool import SpoolWriter
from .session.threads import ThreadState, thread_name
from .values.encoder import Encoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Sequence, Set, Tuple

    from .events.lines import LineLog
    from .events.test_runners import TestLog

# Programs that make code without end (eval loops) would make functions without end.
MAX_FUNCTIONS = 50_000


class Recorder:
    """Writes what the backends see.

    folder: the trace's spool folder; settings: the content of its ``tracer.config``; backend: its name, for the report.
    """

    def __init__(self, folder: str, settings: Dict[str, Any], backend: str) -> None:
        self.folder = folder
        self.settings = settings
        self.backend = backend
        capture = settings.get("capture", {})
        sample_rate: float = capture.get("sample_rate", record_format.DEFAULT_SAMPLE_RATE)
        full_mode = capture.get("mode", record_format.DEFAULT_MODE) == "full"
        self.calls_per_function: int = (
            sys.maxsize if full_mode else capture.get("calls_per_function", record_format.DEFAULT_CALLS_PER_FUNCTION)
        )
        # None: every call is recorded, and none needs to be counted.
        self.adaptive: Optional[AdaptiveCapture] = None
        if not full_mode or sample_rate < 1:
            self.adaptive = AdaptiveCapture(self, self.calls_per_function, sample_rate)
        self.include = IncludeFilter(settings["include"], settings.get("exclude", ()), settings.get("workspace"))
        self.redactor = process_redactor(settings.get("redact", ()), self)
        self.encoder = Encoder(
            self.redactor,
            capture.get("max_value_chars", record_format.DEFAULT_MAX_VALUE_CHARS),
            capture.get("max_items", record_format.DEFAULT_MAX_ITEMS),
            capture.get("max_depth", record_format.DEFAULT_MAX_DEPTH),
        )
        # Before PEP 667 f_locals keeps what it was filled with. (Not under settrace: what a trace function leaves in
        # f_locals is written back into the variables.)
        self.clears_locals = backend == "monitoring" and not LIVE_F_LOCALS
        self.locals_on_exception: bool = capture.get("locals_on_exception", record_format.DEFAULT_LOCALS_ON_EXCEPTION)
        self.names = NameFinder()
        self.threads = _local()
        self._thread_numbers = itertools.count()
        self._function_numbers = itertools.count(1)  # threads may add functions at the same moment
        self.functions: Dict[int, Function] = {}
        self._first_of: Dict[Tuple[str, str, int], Function] = {}  # code that is made anew is the same function
        self._losses: Set[str] = set()
        self.forget_last: Callable[[], None] = _nothing  # the backend's shortcuts to what is no longer true
        self.before_end: Callable[[], None] = _nothing  # what the backend has to say when the process ends
        self.observe: Callable[[Function], None] = _nothing  # what the backend does for a new function
        self.secret_learned: Callable[[], None] = _nothing
        self.forks_under_way = 0
        self.near_recursion_limit = False  # events were lost there, where nothing can be said
        self._max_trace_mb: int = capture.get("max_trace_mb", record_format.DEFAULT_MAX_TRACE_MB)
        self.spool = self._new_spool()
        self.calls = CallLog(self)
        self.exceptions = ExceptionLog(self)
        self.gaps = GapLog(self)
        self.tasks = TaskLog(self)
        self.greenlets = GreenletChains(self)
        self.lines: Optional[LineLog] = None
        if capture.get("lines"):
            from .events.lines import LineLog  # seldom asked for: not at every start

            self.lines = LineLog(self, capture["lines"])
        self._tests: Optional[TestLog] = None
        self.not_forked = fork_mark()
        self.multiprocessing = MultiprocessingChild(self)
        self.redactor.learn_environment(os.environ)
        command = command_line()
        self._code_of_multiprocessing = starts_for_multiprocessing(command)
        self._program = self._describe_program(command)
        self._begin_process(None)

    def _describe_program(self, argv: Sequence[str]) -> Dict[str, bytes]:
        """What a forked child has in common with its parent, ready for the spool: it is redacted once."""
        encode = self.encoder.encode_text
        command = self.redactor.redact_command(short_command(argv))
        return {
            "python": encode("%d.%d.%d" % sys.version_info[:3]),
            "executable": encode(sys.executable or ""),
            "command": b"[" + b", ".join(encode(word) for word in command) + b"]",
            "backend": encode(self.backend),
            "mode": encode(self.settings.get("capture", {}).get("mode", record_format.DEFAULT_MODE)),
        }

    def _begin_process(self, parent: Optional[str]) -> None:
        self.pid = getpid()
        self.main_thread = get_ident()
        self._thread_numbers = itertools.count()
        self._function_numbers = itertools.count(1)  # threads may add functions at the same moment
        self.functions.clear()
        self.calls.clear()
        self.exceptions.clear()
        self.gaps.clear()
        self.tasks.clear()
        self.greenlets.clear()
        if self.lines is not None:
            self.lines.clear()
        if self._tests is not None:
            self._tests.clear()
        if self.adaptive is not None:
            self.adaptive.clear()
        self._first_of.clear()
        self._losses.clear()
        started, image = kernel_start()
        self.event(
            record_format.EVENT_PROCESS,
            pid=self.pid,
            ppid=getppid(),
            kernel_start=started,
            image_start=image,
            ancestors=b"[%b]" % b", ".join(b"%d" % pid for pid in ancestors()) if parent is None else b"null",
            cwd=current_folder(),
            started_at_ns=self.spool.started_at_ns,
            clock_origin_ns=self.spool.clock_origin_ns,
            parent=b"null" if parent is None else b'"%b"' % parent.encode(),  # its digits are none of the program's
            **self._program,
        )

    def _new_spool(self) -> SpoolWriter:
        return SpoolWriter(self.folder, self._max_trace_mb << 20, self._trace_is_full)

    def _trace_is_full(self) -> None:
        """Say that no more calls are recorded."""
        self.notice(
            record_format.NOTICE_TRACE_FULL,
            "RECORDING STOPPED %.1f s after the start of process %d: the trace has reached capture.max_trace_mb "
            "(%d MB). Later calls are missing, exceptions are not. Include less, use mode adaptive, or raise the limit"
            % ((perf_counter_ns() - self.spool.clock_origin_ns) / 1e9, self.pid, self._max_trace_mb),
        )

    def before_fork(self) -> None:
        """From here to ``after_fork_*`` what this thread does may happen in the parent and again in the child.

        (The program's own hooks run in between.) It must not reach the spool, which both have mapped: it is held back.
        """
        thread = self.thread()
        thread.hold_back()
        self.forks_under_way += 1

    def after_fork_in_parent(self) -> None:
        """Write what was held back."""
        self.forks_under_way -= 1
        thread = self.thread()
        for line in thread.held_events or ():
            self.spool.event(line)
        thread.let_go()

    def after_fork_in_child(self) -> None:
        """Start over as a process of its own: what the parent has open is the parent's to close.

        Called by Python's hooks, and by ``notice_fork``, which a callback may reach before the hooks run. Held back is
        everything until the new spool stands. The containers stay the same objects: the backend's hot path holds on to
        them.
        """
        if self.pid == getpid():
            return
        self.not_forked[0] = 1
        parent = self.spool.process_key
        spool = self._new_spool()
        thread = getattr(self.threads, "state", None)
        if thread is not None:
            thread.top, thread.task = ROOT, 0  # whoever holds on to the state finds no open call in it
        self.spool = spool
        self.forks_under_way = 0
        self.threads.__dict__.clear()  # of this thread, the only one that lives on
        self._begin_process(parent)
        self.forget_last()
        self.multiprocessing.after_fork()

    def notice_fork(self) -> None:
        """Asked now and then: a fork that was made in C runs none of Python's hooks."""
        if not self.not_forked[0]:
            self.after_fork_in_child()

    def end_process(self) -> None:
        """The process goes through its normal exit."""
        if self.pid != getpid():
            return
        self.calls.end_dropped_generators()
        self.greenlets.check()
        self.before_end()
        if self.near_recursion_limit:
            self.notice(
                record_format.NOTICE_RECURSION_LIMIT,
                "near the recursion limit the tracer had no room to work: the deepest calls may not be recorded",
            )
        last = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        if isinstance(last, BaseException):
            traceback = traceback_of(last)
            # Test runners set sys.last_value as well, to what they have caught: that traceback begins in the middle.
            if traceback is not None and traceback.tb_frame.f_back is None:
                self.exceptions.leaves(last, traceback, traceback.tb_frame, self.thread(), uncaught=True)
                self.exceptions.uncaught(id(last))
        self.event(record_format.EVENT_END, at_ns=perf_counter_ns())

    def event(self, kind: str, /, **fields: Any) -> None:
        """Write one event: numbers as they are, texts redacted, bytes as ready JSON."""
        pieces = [b'{"k": "%s"' % kind.encode()]
        for name, value in fields.items():
            if type(value) is str:
                text = self.encoder.encode_text(value)
            elif type(value) is bytes:
                text = value
            elif type(value) is int:  # ids and clocks: none of the program's numbers
                text = b"%d" % value
            else:
                text = self.encoder.encode(value)
            pieces.append(b', "%s": %s' % (name.encode(), text))
        pieces.append(b"}\n")
        line = b"".join(pieces)
        if self.forks_under_way and self.is_forking():
            self.thread().held_events.append(line)  # type: ignore[union-attr]
        else:
            self.spool.event(line)

    def is_forking(self) -> bool:
        """Whether this thread is between the hooks of a fork."""
        thread = getattr(self.threads, "state", None)
        return thread is not None and thread.held_events is not None

    def notice(self, code: str, message: str) -> None:
        """Tell the reader of the run's report something that weakens what it says."""
        self.event(record_format.EVENT_NOTICE, code=code, message=message)

    def new_slot(self) -> int:
        """A counter slot; -1, and a notice, where there are no more."""
        counters = self.spool.counters
        slot = self.spool.new_slot()
        if self.spool.counters is not counters:
            self.forget_last()
        if slot < 0 and "slots" not in self._losses:
            self._losses.add("slots")
            self.notice(
                record_format.NOTICE_COUNTERS_USED_UP,
                "more functions and gaps than counters: later gaps are not listed",
            )
        return slot

    def lost(self, error: BaseException) -> None:
        """The tracer failed to record something: said once for each kind of failure."""
        kind = type(error).__name__
        if kind not in self._losses:
            self._losses.add(kind)
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = "%s:%d" % (os.path.basename(place.tb_frame.f_code.co_filename), place.tb_lineno) if place else "?"
            self.notice(
                record_format.NOTICE_RECORDS_LOST,
                "the tracer could not record an event (%s at %s): %s" % (kind, where, error),
            )

    def on_secret(self, value: str) -> None:
        """A value has been learned: tell the server, and take it out of what was written a moment ago."""
        from .redaction.learned_secrets import looks_random  # one of the late modules, and here by now

        self.secret_learned()
        self.spool.tell_secret(value)
        if looks_random(value):  # what is a word may as well be one of the record's own
            self.spool.take_out(utf8(quote(value)[1:-1]))

    def on_too_many_secrets(self) -> None:
        """Later values will be redacted under their names and by their shapes only."""
        self.notice(
            record_format.NOTICE_SECRETS_NOT_LEARNED,
            "the program has more values under secret names than are remembered: later ones are redacted under these "
            "names and by their shapes, but not wherever else they turn up",
        )

    def on_name_patterns(self, patterns: Sequence[str]) -> None:
        """More names are secret: those of functions that are known already may be among them."""
        for pattern in patterns:
            self.spool.tell_name_pattern(pattern)
        for function in list(self.functions.values()):
            function.choose_encoders()

    def new_thread(self) -> ThreadState:
        """The state of the current thread, on its first event."""
        self.notice_fork()
        number = next(self._thread_numbers)
        state = self.threads.state = ThreadState(self.spool, number)
        if state.stream != number:
            state.first_call = self.calls.next_id()
        self._tell_thread(state)
        self.greenlets.watch_thread()
        return state

    def thread_calls(self) -> None:
        """Tell the current thread again if its name has changed between its first event and its first call.

        Functions of threading that traced code has called are observed, also where a thread calls them before
        threading knows its name. Whether it does is a matter of luck.
        """
        self._tell_thread(self.thread())

    def _tell_thread(self, state: ThreadState) -> None:
        name = thread_name(get_ident(), "thread-%d" % state.number, self.main_thread)
        if name == state.name:
            return
        state.name = name
        self.event(
            record_format.EVENT_THREAD,
            thread=state.number,
            ident=get_ident(),
            name=name,
            stream=state.stream,
            first_call=state.first_call,
        )

    def thread(self) -> ThreadState:
        """The state of the current thread."""
        try:
            state: ThreadState = self.threads.state
        except AttributeError:
            state = self.new_thread()
        return state

    @property
    def tests(self) -> TestLog:
        """Where what test runners do is noted: to be asked for functions with names that theirs have."""
        tests = self._tests
        if tests is None:
            tests = self._tests = test_runners().TestLog(self)
        return tests

    def is_included(self, code: CodeType, frame: FrameType) -> bool:
        """Whether calls of *code* are to be recorded; *frame* is one of them."""
        if self._code_of_multiprocessing and code.co_name == "<module>" and frame.f_back is None:
            return False  # it is named __main__, but is not the program's
        return self.include.is_included(module_of(frame), code.co_filename)

    def add_function(self, code: CodeType, frame: FrameType) -> Optional[Function]:
        """Make *code* known as a traced function; None if there are too many."""
        if len(self.functions) >= MAX_FUNCTIONS:
            if len(self.functions) == MAX_FUNCTIONS:
                self.notice(
                    record_format.NOTICE_TOO_MANY_FUNCTIONS,
                    "the program made more than %d functions: later ones are not traced" % MAX_FUNCTIONS,
                )
                self.functions[0] = next(iter(self.functions.values()))  # said once
            return None
        module = module_of(frame)
        if self._code_of_multiprocessing:
            self.multiprocessing.find_name()
        if code.co_name == "<module>":
            self.names.module_starts(code)
        name = self.names.qualified_name(code, frame)
        file = self.include.absolute(code.co_filename)
        key = (file, name, code.co_firstlineno)
        first = self._first_of.get(key)
        function_id = first.function_id if first is not None else next(self._function_numbers)
        function = Function(code, function_id, name, module, file, self.encoder)
        if self.lines is not None and self.lines.wants(module, name):
            function.record_lines()
        if self.adaptive is not None and not function.runs_tests:  # of these each call is recorded
            self.adaptive.prepare(function, first)
        self.observe(function)  # before it is known: another thread may call it from then on, and its end is to be seen
        self.functions[id(code)] = function
        if first is None:
            self._first_of[key] = function
            self.write_function(function)
        return function

    def write_function(self, function: Function) -> None:
        """Tell what a function id stands for; again when its counts are no longer exact."""
        self.event(
            record_format.EVENT_FUNCTION,
            id=function.function_id,
            name=function.name,
            module=function.module,
            file=function.file,
            line=function.code.co_firstlineno,
            kind=function.kind,
            slot=function.slot if function.slot >= 0 else None,
            exact=function.exact,
        )


def _nothing(*_arguments: object) -> None:
    pass
