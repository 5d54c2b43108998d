"""Hold the state that all parts of the tracer share: settings, spool, encoder, threads, functions.

The session knows none of the parts; they register callbacks in its ``when_*`` lists. It also acts on secrets that the
redactor learns: it erases them from recent records and sends them to the server.
"""

from __future__ import annotations

import itertools
import sys
from _thread import _local, get_ident

from .. import core, record_format
from ..json_text import quote, utf8
from ..redaction.redactor import process_redactor
from ..runtime.object_numbers import ObjectNumbers
from ..runtime.system import system
from ..values.encoder import Encoder
from .functions import NameFinder
from .open_calls import ROOT
from .patterns import IncludeFilter
from .processes import fork_mark
from .spool import SpoolWriter
from .threads import ThreadState, thread_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Sequence, Set

    from .functions import Function


# Limits of values that are cut short to cost less: the fields of an object, but not what these hold.
SHORT_VALUE_CHARS = 200
SHORT_ITEMS = 10
SHORT_DEPTH = 1


class Session:
    """The shared state of one traced process, and the writer of its events.

    The containers (``functions``, ``threads``, ``not_forked``) stay the same objects over a fork, because hot paths
    refer to them.

    Args:
        folder: The trace's spool folder.
        settings: The content of its ``tracer.config``.
        clears_locals: Whether a frame's ``f_locals`` must be cleared after it was read (see ``Backend``).
    """

    def __init__(self, folder: str, settings: Dict[str, Any], clears_locals: bool) -> None:
        capture = settings.get("capture", {})
        self.folder = folder
        self.mode: str = capture.get("mode", record_format.DEFAULT_MODE)
        self.calls_per_function: int = capture.get("calls_per_function", record_format.DEFAULT_CALLS_PER_FUNCTION)
        if self.mode == "full":
            self.calls_per_function = sys.maxsize
        self.locals_on_exception: bool = capture.get("locals_on_exception", record_format.DEFAULT_LOCALS_ON_EXCEPTION)
        self.clears_locals = clears_locals
        self.include = IncludeFilter(settings["include"], settings.get("exclude", ()), settings.get("workspace"))
        self.redactor = process_redactor(settings.get("redact", ()), self)
        self.core = core.choose(system.environ.get(record_format.ENV_CORE, record_format.CORE_AUTO))
        self.encoder = Encoder(
            self.redactor,
            capture.get("max_value_chars", record_format.DEFAULT_MAX_VALUE_CHARS),
            capture.get("max_items", record_format.DEFAULT_MAX_ITEMS),
            capture.get("max_depth", record_format.DEFAULT_MAX_DEPTH),
            ObjectNumbers(),
            self.core.native,
        )
        self._short_encoder: Optional[Encoder] = None
        self.names = NameFinder()
        self.functions: Dict[int, Function] = {}  # the traced ones, by id(code)
        self.exception_ids: Dict[int, int] = {}  # by address; 0: not written, too many alike
        self.call_ids = itertools.count(1)
        self.next_call_id: Callable[[], int] = self.call_ids.__next__
        self.threads = _local()
        self._losses: Set[str] = set()
        self.near_recursion_limit = False  # whether it was reached: events are lost there, and no notice fits
        self.not_forked = fork_mark()
        self.forks_under_way = 0
        self.when_forked: List[Callable[[], None]] = []  # in the child, on a fork that ran no Python hook
        self.when_stacks_are_wanted: List[Callable[[], None]] = []  # before the server ends the process
        self.when_thread_begins: List[Callable[[], None]] = []  # in the new thread, after its state is set
        self.when_secret_learned: List[Callable[[], None]] = []  # before anything else is written
        self.when_secret_erased: List[Callable[[bytes], None]] = []  # with the secret, as the records hold it
        self.when_counters_move: List[Callable[[], None]] = []  # when ``spool.counters`` is replaced
        self.when_look_asked: List[Callable[[], None]] = []  # by the signal that also asks for stacks
        self._max_trace_mb: int = capture.get("max_trace_mb", record_format.DEFAULT_MAX_TRACE_MB)
        self.spool = self._new_spool()
        self._begin_process()

    @property
    def short_encoder(self) -> Encoder:
        """The encoder of values that are to cost little; made at its first use."""
        short, usual = self._short_encoder, self.encoder
        if short is None:
            short = self._short_encoder = Encoder(
                self.redactor,
                min(usual.max_chars, SHORT_VALUE_CHARS),
                min(usual.max_items, SHORT_ITEMS),
                SHORT_DEPTH,
                usual.numbers,
                usual.native,
            )
            short.spares_dicts = usual.spares_dicts
        return short

    def _begin_process(self) -> None:
        self.pid = system.getpid()
        self.main_thread = get_ident()
        self._thread_numbers = itertools.count()
        self.functions.clear()
        self.exception_ids.clear()
        self._losses.clear()

    def start_over(self) -> str:
        """Become the session of a forked child, with a new spool. Returns the parent's process key."""
        parent = self.spool.process_key
        spool = self._new_spool()
        thread = getattr(self.threads, "state", None)
        if thread is not None:
            thread.top, thread.task = ROOT, 0  # a hot path may hold the state: it must find no open call
        self.spool = spool
        self.forks_under_way = 0
        self.threads.__dict__.clear()  # of this thread, the only one in the child
        self._begin_process()
        return parent

    def notice_fork(self) -> None:
        """Run the ``when_forked`` callbacks if the process was forked in C, which runs no Python hook.

        Called where it costs little: at the first start of a function, for each new thread, after calls of C.
        """
        if not self.not_forked[0]:
            for callback in self.when_forked:
                callback()

    def end(self, leave: Callable[[], None]) -> None:
        """Have callbacks that still come call *leave*: where they look for forks, at the start of functions.

        Args:
            leave: Stops observing the current thread.
        """
        self.when_forked[:] = [leave]
        self.not_forked[0] = 0

    def _new_spool(self) -> SpoolWriter:
        native = self.core.native
        compiled = None if native is None else native.Segment
        return SpoolWriter(self.folder, self._max_trace_mb << 20, self._trace_is_full, compiled)

    def _trace_is_full(self) -> None:
        """Write a notice that no more calls are recorded."""
        self.notice(
            record_format.NOTICE_TRACE_FULL,
            "RECORDING STOPPED %.1f s after the start of process %d: the trace has reached capture.max_trace_mb "
            "(%d MB). Later calls are missing, exceptions are not. Include less, use mode adaptive, or raise the limit"
            % ((system.now_ns() - self.spool.clock_origin_ns) / 1e9, self.pid, self._max_trace_mb),
        )

    def event(self, kind: str, /, **fields: Any) -> None:
        """Write one event; during a fork, hold it back with the thread's other records.

        Args:
            kind: An ``EVENT_*`` of ``record_format``.
            fields: A str is redacted; an int is written as it is; bytes are finished JSON; other values are encoded.
        """
        pieces = [b'{"k": "%s"' % kind.encode()]
        for name, value in fields.items():
            if type(value) is str:
                text = self.encoder.encode_text(value)
            elif type(value) is bytes:
                text = value
            elif type(value) is int:  # an id or a clock: nothing to redact
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
        """Return whether this thread is between the hooks of a fork."""
        thread = getattr(self.threads, "state", None)
        return thread is not None and thread.held_events is not None

    def notice(self, code: str, message: str) -> None:
        """Write a notice: a reason why the trace is not complete, shown in the run's report.

        Args:
            code: A ``NOTICE_*`` of ``record_format``.
            message: A sentence for the reader of the report.
        """
        self.event(record_format.EVENT_NOTICE, code=code, message=message)

    def notice_once(self, code: str, message: str) -> None:
        """Write a notice, unless one with the same code is written."""
        if code not in self._losses:
            self._losses.add(code)
            self.notice(code, message)

    def write_function(self, function: Function) -> None:
        """Write the record of a function; called again when its counts stop being exact."""
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
            whole=function.whole if function.whole >= 0 else None,
        )

    def new_slot(self) -> int:
        """Take a counter slot; if none is left, write a notice and return -1."""
        counters = self.spool.counters
        slot = self.spool.new_slot()
        if self.spool.counters is not counters:
            for callback in self.when_counters_move:
                callback()
        if slot < 0 and "slots" not in self._losses:
            self._losses.add("slots")
            self.notice(
                record_format.NOTICE_COUNTERS_USED_UP,
                "more functions and gaps than counters: later gaps are not listed",
            )
        return slot

    def notice_failure(self, error: BaseException) -> None:
        """Write a notice that the tracer failed to record an event, once for each type of error."""
        kind = type(error).__name__
        if kind not in self._losses:
            self._losses.add(kind)
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = "%s:%d" % (place.tb_frame.f_code.co_filename.rpartition("/")[2], place.tb_lineno) if place else "?"
            self.notice(
                record_format.NOTICE_RECORDS_LOST,
                "the tracer could not record an event (%s at %s): %s" % (kind, where, error),
            )

    def thread(self) -> ThreadState:
        """Return the state of the current thread; makes it on the thread's first event."""
        try:
            state: ThreadState = self.threads.state
        except AttributeError:
            state = self.new_thread()
        return state

    def new_thread(self) -> ThreadState:
        """Make the state of the current thread and write the thread's record."""
        self.notice_fork()
        number = next(self._thread_numbers)
        state = self.threads.state = ThreadState(self.spool, number)
        if state.stream != number:
            state.first_call = self.next_call_id()
        self._write_thread(state)
        for callback in self.when_thread_begins:
            callback()
        return state

    def rename_thread(self) -> None:
        """Write the current thread's record again if its name has changed; called at the thread's first recorded call.

        The first event of a thread may precede its name: functions of threading that traced code has called are
        observed, and a new thread calls them before it is registered.
        """
        self._write_thread(self.thread())

    def _write_thread(self, state: ThreadState) -> None:
        """Write the record of a thread, unless it was written with the same name."""
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

    def on_secret(self, value: str) -> None:
        """Send a newly learned secret to the server, and erase it from recent records. Called by the redactor."""
        from ..redaction.learned_secrets import is_no_part_of_a_record  # a late module, imported by now

        for callback in self.when_secret_learned:
            callback()
        self.spool.send_secret(value)
        if is_no_part_of_a_record(value):
            text = utf8(quote(value)[1:-1])
            self.spool.erase(text)
            for erase in self.when_secret_erased:
                erase(text)

    def on_too_many_secrets(self) -> None:
        """Write a notice that later secrets are not learned any more. Called by the redactor, once."""
        self.notice(
            record_format.NOTICE_SECRETS_NOT_LEARNED,
            "the program has more values under secret names than are remembered: later ones are redacted under these "
            "names and by their shapes, but not elsewhere",
        )

    def on_name_patterns(self, patterns: Sequence[str]) -> None:
        """Send new patterns of secret names to the server, and apply them to the functions. Called by the redactor."""
        for pattern in patterns:
            self.spool.send_name_pattern(pattern)
        for function in list(self.functions.values()):
            function.choose_encoders()
