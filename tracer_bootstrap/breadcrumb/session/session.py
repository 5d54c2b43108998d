"""Hold the state of a traced process that all parts of the tracer share: settings, spool, encoder, threads, functions.

The session knows none of the parts: those that must react to a change here register a callback.
"""

from __future__ import annotations

import itertools
import os
import sys
from _thread import _local, get_ident
from os import getpid
from time import perf_counter_ns

from .. import record_format
from ..json_text import quote, utf8
from ..redaction.redactor import process_redactor
from ..values.encoder import Encoder
from .functions import NameFinder
from .open_calls import ROOT
from .patterns import IncludeFilter
from .processes import fork_mark
from .spool import SpoolWriter
from .threads import ThreadState, thread_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Sequence, Set

    from .functions import Function

# Where the settings do not say: some 16 million calls of the usual size.
DEFAULT_MAX_TRACE_MB = 2048


class Session:
    """Write events, notices and threads of this process, and keep what several parts look up.

    The containers (``functions``, ``threads``, ``not_forked``) stay the same objects over a fork: hot paths hold them.

    Args:
        folder: The trace's spool folder.
        settings: The content of its ``tracer.config``.
        clears_locals: Whether a frame's ``f_locals`` must be cleared after it was read (see ``Backend``).
    """

    def __init__(self, folder: str, settings: Dict[str, Any], clears_locals: bool) -> None:
        capture = settings.get("capture", {})
        self.folder = folder
        self.mode: str = capture.get("mode", "adaptive")
        self.calls_per_function: int = sys.maxsize if self.mode == "full" else capture.get("calls_per_function", 1000)
        self.locals_on_exception: bool = capture.get("locals_on_exception", True)
        self.clears_locals = clears_locals
        self.include = IncludeFilter(settings["include"], settings.get("exclude", ()), settings.get("workspace"))
        self.redactor = process_redactor(settings.get("redact", ()), self)
        self.encoder = Encoder(
            self.redactor,
            capture.get("max_value_chars", 2000),
            capture.get("max_items", 50),
            capture.get("max_depth", 4),
        )
        self.names = NameFinder()
        self.functions: Dict[int, Function] = {}  # the traced ones, by the id of their code
        self.exception_ids: Dict[int, int] = {}  # by address; 0: too many like it, not written
        self.next_call_id: Callable[[], int] = itertools.count(1).__next__
        self.threads = _local()
        self._thread_numbers = itertools.count()
        self._losses: Set[str] = set()
        self.near_recursion_limit = False  # events were lost there, where nothing can be said
        self.not_forked = fork_mark()
        self.forks_under_way = 0
        self.when_forked: List[Callable[[], None]] = []  # a fork was noticed that ran none of Python's hooks
        self.when_thread_begins: List[Callable[[], None]] = []  # in that thread, once its state is there
        self.when_secret_learned: List[Callable[[], None]] = []  # before anything else is written
        self.when_counters_move: List[Callable[[], None]] = []  # ``spool.counters`` is another object from then on
        self._max_trace_mb: int = capture.get("max_trace_mb", DEFAULT_MAX_TRACE_MB)
        self.spool = self._new_spool()
        self._begin_process()

    def _begin_process(self) -> None:
        self.pid = getpid()
        self.main_thread = get_ident()
        self._thread_numbers = itertools.count()
        self.functions.clear()
        self.exception_ids.clear()
        self._losses.clear()

    def start_over(self) -> str:
        """Become the session of a forked child. Returns the parent's process key.

        Everything is held back until the new spool stands.
        """
        parent = self.spool.process_key
        spool = self._new_spool()
        thread = getattr(self.threads, "state", None)
        if thread is not None:
            thread.top, thread.task = ROOT, 0  # whoever holds on to the state finds no open call in it
        self.spool = spool
        self.forks_under_way = 0
        self.threads.__dict__.clear()  # of this thread, the only one that lives on
        self._begin_process()
        return parent

    def notice_fork(self) -> None:
        """Look whether the process was forked in C, which runs none of Python's hooks; called now and then."""
        if not self.not_forked[0]:
            for callback in self.when_forked:
                callback()

    def _new_spool(self) -> SpoolWriter:
        return SpoolWriter(self.folder, self._max_trace_mb << 20, self._trace_is_full)

    def _trace_is_full(self) -> None:
        """Write a notice that no more calls are recorded."""
        self.notice(
            "trace_full",
            "RECORDING STOPPED %.1f s after the start of process %d: the trace has reached capture.max_trace_mb "
            "(%d MB). Later calls are missing, exceptions are not. Include less, use mode adaptive, or raise the limit"
            % ((perf_counter_ns() - self.spool.clock_origin_ns) / 1e9, self.pid, self._max_trace_mb),
        )

    def event(self, kind: str, /, **fields: Any) -> None:
        """Write one event: numbers as they are, texts (and lists of texts) redacted, bytes as ready JSON."""
        pieces = [b'{"k": "%s"' % kind.encode()]
        for name, value in fields.items():
            if type(value) is list:
                text = b"[" + b", ".join(self.encoder.encode_text(item) for item in value) + b"]"
            elif type(value) is str:
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
        """Write a notice for the run's report: a reason why the trace is not complete."""
        self.event(record_format.EVENT_NOTICE, code=code, message=message)

    def write_function(self, function: Function) -> None:
        """Write the record of a function; called again when its counts are no longer exact."""
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

    def new_slot(self) -> int:
        """Take a counter slot; returns -1, and writes a notice, where there are no more."""
        counters = self.spool.counters
        slot = self.spool.new_slot()
        if self.spool.counters is not counters:
            for callback in self.when_counters_move:
                callback()
        if slot < 0 and "slots" not in self._losses:
            self._losses.add("slots")
            self.notice("counters_used_up", "more functions and gaps than counters: later gaps are not listed")
        return slot

    def lost(self, error: BaseException) -> None:
        """Write a notice that the tracer failed to record something: one for each kind of failure."""
        kind = type(error).__name__
        if kind not in self._losses:
            self._losses.add(kind)
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = "%s:%d" % (os.path.basename(place.tb_frame.f_code.co_filename), place.tb_lineno) if place else "?"
            self.notice("records_lost", "the tracer could not record an event (%s at %s): %s" % (kind, where, error))

    def thread(self) -> ThreadState:
        """Return the state of the current thread."""
        try:
            state: ThreadState = self.threads.state
        except AttributeError:
            state = self.new_thread()
        return state

    def new_thread(self) -> ThreadState:
        """Make the state of the current thread, on its first event."""
        self.notice_fork()
        number = next(self._thread_numbers)
        state = self.threads.state = ThreadState(self.spool, number)
        self.event(
            record_format.EVENT_THREAD,
            thread=number,
            ident=get_ident(),
            name=thread_name(get_ident(), "thread-%d" % number, self.main_thread),
            stream=state.stream,
            first_call=self.next_call_id() if state.stream != number else 0,  # later ones there are this thread's
        )
        for callback in self.when_thread_begins:
            callback()
        return state

    def on_secret(self, value: str) -> None:
        """Hand a value that was learned to the server, and take it out of what was written a moment ago."""
        from ..redaction.learned_secrets import looks_random  # one of the late modules, and here by now

        for callback in self.when_secret_learned:
            callback()
        self.spool.tell_secret(value)
        if looks_random(value):  # what is a word may as well be one of the record's own
            self.spool.take_out(utf8(quote(value)[1:-1]))

    def on_too_many_secrets(self) -> None:
        """Write a notice that later values are redacted under their names and by their shapes only."""
        self.notice(
            "secrets_not_learned",
            "the program has more values under secret names than are remembered: later ones are redacted under these "
            "names and by their shapes, but not wherever else they turn up",
        )

    def on_name_patterns(self, patterns: Sequence[str]) -> None:
        """Hand more patterns of secret names to the server, and look at the functions again: theirs may match."""
        for pattern in patterns:
            self.spool.tell_name_pattern(pattern)
        for function in list(self.functions.values()):
            function.choose_encoders()
