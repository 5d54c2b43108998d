"""Exceptions: each one that is raised in traced code or passes through it, once, with what was there at that moment."""

from __future__ import annotations

from os import __file__ as os_file
from os.path import dirname
from time import perf_counter_ns
from types import CodeType, FrameType, TracebackType

from .. import record_format
from ..json_text import quote, utf8
from ..runtime.classes import class_name
from ..session.functions import module_of
from ..values.frame_locals import encoded_locals
from .exception_text import frames_of, message_of, raised_at, stack_text, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    from ..session.session import Session
    from ..session.threads import ThreadState
    from .adaptive import AdaptiveCapture
    from .calls import CallLog

# How many raises of one type at one place are written with all details; the rest is counted.
DETAILED_PER_PLACE = 200

_MAX_KNOWN = 2000

# Of how many exceptions that were only counted the way is remembered: there may be one for each task that waits.
_MAX_UNWINDING = 200

# Where the standard library catches what nobody caught, and prints it.
_LAST_RESORTS = {
    ("threading", "_bootstrap_inner"),
    ("threading", "_bootstrap"),
    ("multiprocessing.process", "_bootstrap"),
}

# Whose code a file is, as far as its path tells.
_PACKAGE_PATHS = ("/site-packages/", "/dist-packages/", "<frozen ")
_STANDARD_LIBRARY = dirname(os_file) + "/"

# Read without asking the exception's class, which may have a property of the same name.
traceback_of: Any = BaseException.__dict__["__traceback__"].__get__
_cause_of: Any = BaseException.__dict__["__cause__"].__get__
_context_of: Any = BaseException.__dict__["__context__"].__get__


def is_control_flow(exception: BaseException) -> bool:
    """Whether it is one of the signals of the interpreter and the iteration protocols (a subclass is not)."""
    cls = type(exception)
    return cls is StopIteration or cls is StopAsyncIteration or cls is GeneratorExit


class RaisesAtPlace:
    """What has been raised of one type at one place."""

    __slots__ = ("count", "left", "name", "slot")

    def __init__(self, name: str) -> None:
        self.name = name  # of the type: another may have the address of one that is gone
        self.count = 0
        self.left = 0  # of those that were only counted at first, so many left the traced code
        self.slot = -1  # of the counter of those that were only counted


class ExceptionLog:
    """Gives each exception object an id at its first sight and follows what becomes of it.

    Exceptions are known by their address, without keeping them alive. That another one has taken a dead one's place is
    seen from its traceback: it has no entry yet in traced code further in. Where raises went by unseen, near the
    recursion limit, that does not hold: the backends then let go of all that is known.
    """

    def __init__(self, session: Session, calls: CallLog, adaptive: Optional[AdaptiveCapture]) -> None:
        self._session = session
        self._calls = calls
        self._adaptive = adaptive
        self._places: Dict[Tuple[int, int, int], RaisesAtPlace] = {}  # by code, instruction and type
        self._last_id = 0
        self._last_uncaught = 0

    def clear(self) -> None:
        """Forget all: a forked child begins anew."""
        self._places.clear()
        self._last_id = 0
        self._last_uncaught = 0

    def seen(
        self, exception: BaseException, traceback: Optional[TracebackType], frame: FrameType, thread: ThreadState
    ) -> int:
        """An exception is raised in, or arrives in, the traced *frame*. Returns its id.

        traceback: from *frame* or further out to where it was raised. (A trace function is handed it; the exception's
        own ``__traceback__`` is not set at that moment before 3.12.)
        """
        known = self._session.exception_ids
        exception_id = known.get(id(exception)) if self._passed_traced_code(traceback, frame) else None
        if exception_id is None:
            exception_id = self._write(exception, traceback, frame, thread)
            known = self._session.exception_ids  # another one, if it has come near the recursion limit
            if len(known) >= _MAX_KNOWN:
                known.pop(next(iter(known)))
            known[id(exception)] = exception_id
        return exception_id

    def forget_dead(self, exception: BaseException) -> None:
        """An exception that is not written has an address that a dead one may have had."""
        if self._session.exception_ids:
            self._session.exception_ids.pop(id(exception), None)

    def _passed_traced_code(self, traceback: Optional[TracebackType], frame: FrameType) -> bool:
        """Whether traced code has seen the exception already, further in or in this frame before.

        If not, what is known about its address is about another exception, which is dead.
        """
        functions = self._session.functions
        while traceback is not None and traceback.tb_frame is not frame:
            traceback = traceback.tb_next
        while traceback is not None:
            traceback = traceback.tb_next
            if traceback is not None and id(traceback.tb_frame.f_code) in functions:
                return True
        return False

    def is_cancellation(self, exception: BaseException) -> bool:
        """Whether it ends a call because nobody waits for its result: a cancelled task, a closed generator."""
        cls = type(exception)
        return class_name(cls) in ("CancelledError", "GeneratorExit", "Cancelled", "GreenletExit")

    def handled(self, address: int, code: CodeType, frame: FrameType) -> None:
        """A handler of *frame* has caught the exception; it may still turn out to be a ``finally`` that passes it on.

        address: of the exception, as for all that follows its way.
        """
        exception_id = self._session.exception_ids.get(address)
        if not exception_id:
            return
        module = module_of(frame)
        if (module, code.co_name) in _LAST_RESORTS:
            self.uncaught(address)
            return
        session = self._session
        session.event(
            record_format.EVENT_HANDLED,
            id=exception_id,
            at_ns=perf_counter_ns(),
            function=session.names.qualified_name(code, frame),
            module=module,
            file=session.include.absolute(code.co_filename),
            line=frame.f_lineno,
        )

    def raised_again(self, address: int) -> None:
        """What caught it has let it go on."""
        exception_id = self._session.exception_ids.get(address)
        if exception_id:
            if exception_id == self._last_uncaught:  # a ``finally`` has passed it on
                self._last_uncaught = 0
            self._session.event(
                record_format.EVENT_HANDLED,
                id=exception_id,
                at_ns=perf_counter_ns(),
                function=None,
                module=None,
                file=None,
                line=None,
            )

    def uncaught(self, address: int) -> None:
        """It has left the last frame of its thread, or the interpreter has printed it (``sys.last_value``)."""
        exception_id = self._session.exception_ids.get(address)
        if exception_id and exception_id != self._last_uncaught:
            self._last_uncaught = exception_id
            self._session.event(
                record_format.EVENT_UNCAUGHT,
                id=exception_id,
                at_ns=perf_counter_ns(),
                thread=self._session.thread().number,
            )

    def _write(
        self, exception: BaseException, traceback: Optional[TracebackType], frame: FrameType, thread: ThreadState
    ) -> int:
        """Write an exception at its first sight, or count it. Returns its id, 0 if it was counted."""
        raises = self._raises_at_place(exception, traceback, frame)
        raises.count += 1
        if raises.count > DETAILED_PER_PLACE:
            self._count(raises, exception, raised_at(traceback, frame)[0])
            self._calls.unwound.pop(id(exception), None)
            if len(self._calls.unwound) >= _MAX_UNWINDING:
                self._calls.unwound.pop(next(iter(self._calls.unwound)))
            self._calls.unwound[id(exception)] = {}
            return 0
        calls = self._adaptive.record_chain(thread, frame) if self._adaptive is not None else None
        return self._write_details(exception, list(frames_of(traceback, frame)), thread, thread.top[0], calls)

    def leaves(
        self,
        exception: BaseException,
        traceback: TracebackType,
        frame: FrameType,
        thread: ThreadState,
        *,
        uncaught: bool,
    ) -> None:
        """An exception goes out of the traced code through *frame*. One that was only counted is written after all.

        For what traced code handles, a count may do; what nobody handles is what the run is about, and who catches the
        rest (a test runner, a thread pool) has it as a result. uncaught: it is certain that nobody will handle it.
        """
        if self._session.exception_ids.get(id(exception)) != 0:
            return
        raises = self._raises_at_place(exception, traceback, frame)
        raises.left += 1
        if raises.left > DETAILED_PER_PLACE and not uncaught:
            return
        frames = list(frames_of(traceback, frame))
        calls = self._calls_of(frames, exception, thread)
        if raises.slot >= 0 and self._session.spool.counters is not None:
            self._session.spool.counters[2 * raises.slot] -= 1
        exception_id = self._write_details(exception, frames, thread, calls[-1] if calls else 0, calls)
        self._session.exception_ids[id(exception)] = exception_id

    def caught_by_runner(self, exception: BaseException, thread: ThreadState) -> int:
        """The id of an exception that failed a test; written now if it never was in traced code. 0: too many like it.

        It is most often an assertion of the test itself, which need not be traced.
        """
        traceback = traceback_of(exception)
        if traceback is None:
            return 0
        frames = list(frames_of(traceback, traceback.tb_frame))
        exception_id = self._session.exception_ids.get(id(exception))
        if exception_id is not None and any(id(frame.f_code) in self._session.functions for frame, _ in frames):
            return exception_id
        raises = self._raises_at_place(exception, traceback, traceback.tb_frame)
        raises.count += 1
        if raises.count > DETAILED_PER_PLACE:
            self._count(raises, exception, frames[-1][0])
            return 0
        exception_id = self._write_details(exception, frames, thread, 0, None, _user_frame(frames))
        self._session.exception_ids[id(exception)] = exception_id
        return exception_id

    def _raises_at_place(
        self, exception: BaseException, traceback: Optional[TracebackType], frame: FrameType
    ) -> RaisesAtPlace:
        raising, instruction = raised_at(traceback, frame)
        cls = type(exception)
        place = (id(raising.f_code), instruction, id(cls))
        raises = self._places.get(place)
        if raises is None or raises.name != class_name(cls):
            raises = self._places[place] = RaisesAtPlace(class_name(cls))
        return raises

    def _calls_of(
        self, frames: List[Tuple[FrameType, int]], exception: BaseException, thread: ThreadState
    ) -> List[int]:
        """The ids of the calls that an exception has gone through, the outermost first; most of them have ended.

        Calls that were only counted are recorded now, with what their frames still hold.
        """
        session = self._session
        if self._adaptive is not None:
            self._adaptive.record_chain(thread, frames[0][0])
        calls: List[int] = []
        top = thread.top
        while top[1] is not None:
            calls.insert(0, top[0])
            top = top[1]
        unwound = self._calls.unwound.pop(id(exception), {})
        late = 0
        for frame, _ in frames:
            function = session.functions.get(id(frame.f_code))
            if function is None or thread.top[2] is frame:
                continue
            call = unwound.get(id(frame), 0)
            if not call and self._adaptive is not None:
                self._calls.begin(function, frame, perf_counter_ns())
                call = thread.top[0]
                late += 1
            if call:
                calls.append(call)
        for _ in range(late):
            self._calls.end(thread, perf_counter_ns(), b"", record_format.OUTCOME_RAISED, self._last_id + 1)
        return calls

    def _write_details(
        self,
        exception: BaseException,
        frames: List[Tuple[FrameType, int]],
        thread: ThreadState,
        call: int,
        calls: Optional[List[int]],
        shown: Optional[FrameType] = None,
    ) -> int:
        """shown: the frame whose variables are told, if not the innermost traced one."""
        session = self._session
        self._last_id += 1
        exception_id = self._last_id
        raising, line = frames[-1]
        code = raising.f_code
        traced = [frame for frame, _ in frames if id(frame.f_code) in session.functions]
        # First of all: the variables teach what is secret in the message.
        variables = self._locals(shown or (traced[-1] if traced else frames[0][0]))
        session.event(
            record_format.EVENT_EXCEPTION,
            id=exception_id,
            at_ns=perf_counter_ns(),
            thread=thread.number,
            call=call,
            calls=b"[%b]" % b", ".join(b"%d" % each for each in calls) if calls else None,
            type=type_name(type(exception)),
            message=session.encoder.encode(message_of(exception, session.encoder)),
            function=session.names.qualified_name(code, raising),
            module=module_of(raising),
            file=session.include.absolute(code.co_filename),
            line=line,
            stack=stack_text(frames, session.include),
            locals=variables,
            cause=session.exception_ids.get(id(_cause_of(exception))) or None,
            context=session.exception_ids.get(id(_context_of(exception))) or None,
            control_flow=is_control_flow(exception),
        )
        return exception_id

    def _count(self, raises: RaisesAtPlace, exception: BaseException, raising: FrameType) -> None:
        """One more raise, at the place where *raising* is, of a kind that has been written often enough."""
        session = self._session
        if session.forks_under_way and session.is_forking():  # the counters are the parent's and the child's
            return
        if raises.slot < 0:
            slot = session.new_slot()
            if slot < 0:
                return
            raises.slot = slot
            session.event(
                record_format.EVENT_RAISES,
                slot=slot,
                type=type_name(type(exception)),
                function=session.names.qualified_name(raising.f_code, raising),
                module=module_of(raising),
                file=session.include.absolute(raising.f_code.co_filename),
                line=raising.f_lineno,
            )
        counters = session.spool.counters
        if counters is not None:
            counters[2 * raises.slot] += 1

    def _locals(self, frame: FrameType) -> Optional[bytes]:
        """The frame's variables: the text of a JSON object, as a JSON string."""
        if not self._session.locals_on_exception:
            return None
        session = self._session
        return utf8(quote(encoded_locals(frame, session.encoder, session.clears_locals).decode("utf-8", "replace")))


def _user_frame(frames: List[Tuple[FrameType, int]]) -> FrameType:
    """The innermost frame that is neither in an installed package nor in the standard library."""
    for frame, _ in reversed(frames):
        file = frame.f_code.co_filename
        if not any(part in file for part in _PACKAGE_PATHS) and not file.startswith(_STANDARD_LIBRARY):
            return frame
    return frames[-1][0]
