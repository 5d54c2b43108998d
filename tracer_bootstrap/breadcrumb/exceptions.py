"""Exceptions: each one that is raised in traced code or passes through it, once, with what was there at that moment."""

from __future__ import annotations

from time import perf_counter_ns
from types import CodeType, FrameType, TracebackType

from . import record_format
from .capture.frame_locals import encoded_locals
from .capture.json_text import quote, utf8
from .classes import class_module, class_name, derives
from .functions import module_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Tuple

    from .recorder import Recorder, ThreadState

# How many raises of one type at one place are written with all details; the rest is counted.
DETAILED_PER_PLACE = 200

_MAX_STACK_FRAMES = 40
_MAX_KNOWN = 2000

# Where the standard library catches what nobody caught, and prints it.
_LAST_RESORTS = {
    ("threading", "_bootstrap_inner"),
    ("threading", "_bootstrap"),
    ("multiprocessing.process", "_bootstrap"),
}

# Read without asking the exception's class, which may have a property of the same name.
traceback_of: Any = BaseException.__dict__["__traceback__"].__get__
_cause_of: Any = BaseException.__dict__["__cause__"].__get__
_context_of: Any = BaseException.__dict__["__context__"].__get__
_args_of: Any = BaseException.__dict__["args"].__get__


def is_control_flow(exception: BaseException) -> bool:
    """Whether it is one of the signals of the interpreter and the iteration protocols (a subclass is not)."""
    cls = type(exception)
    return cls is StopIteration or cls is StopAsyncIteration or cls is GeneratorExit


class ExceptionLog:
    """Gives each exception object an id at its first sight and follows what becomes of it.

    Exceptions are known by their address, without keeping them alive. That another one has taken a dead one's place is
    seen from its traceback: it has no entry yet in traced code further in.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.known: Dict[int, int] = {}  # exception id by address; 0: too many like it, not written
        self._places: Dict[Tuple[int, int, int], List[int]] = {}  # raises and, from some number on, their counter slot
        self._last_id = 0
        self._last_uncaught = 0

    def clear(self) -> None:
        """Forget all: a forked child begins anew."""
        self.known.clear()
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
        exception_id = self.known.get(id(exception)) if self._passed_traced_code(traceback, frame) else None
        if exception_id is None:
            exception_id = self._write(exception, traceback, frame, thread)
            if len(self.known) >= _MAX_KNOWN:
                self.known.pop(next(iter(self.known)))
            self.known[id(exception)] = exception_id
        return exception_id

    def forget_dead(self, exception: BaseException) -> None:
        """An exception that is not written has an address that a dead one may have had."""
        if self.known:
            self.known.pop(id(exception), None)

    def _passed_traced_code(self, traceback: Optional[TracebackType], frame: FrameType) -> bool:
        """Whether traced code has seen the exception already, further in or in this frame before.

        If not, what is known about its address is about another exception, which is dead.
        """
        functions = self._recorder.functions
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
        return class_name(cls) in ("CancelledError", "GeneratorExit", "Cancelled")

    def handled(self, address: int, code: CodeType, frame: FrameType) -> None:
        """A handler of *frame* has caught the exception; it may still turn out to be a ``finally`` that passes it on.

        address: of the exception, as for all that follows its way.
        """
        exception_id = self.known.get(address)
        if not exception_id:
            return
        module = module_of(frame)
        if (module, code.co_name) in _LAST_RESORTS:
            self.uncaught(address)
            return
        recorder = self._recorder
        recorder.event(
            record_format.EVENT_HANDLED,
            id=exception_id,
            at_ns=perf_counter_ns(),
            function=recorder.names.qualified_name(code, frame),
            module=module,
            file=recorder.include.absolute(code.co_filename),
            line=frame.f_lineno,
        )

    def raised_again(self, address: int) -> None:
        """What caught it has let it go on."""
        exception_id = self.known.get(address)
        if exception_id:
            if exception_id == self._last_uncaught:  # a ``finally`` has passed it on
                self._last_uncaught = 0
            self._recorder.event(
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
        exception_id = self.known.get(address)
        if exception_id and exception_id != self._last_uncaught:
            self._last_uncaught = exception_id
            self._recorder.event(
                record_format.EVENT_UNCAUGHT,
                id=exception_id,
                at_ns=perf_counter_ns(),
                thread=self._recorder.thread().number,
            )

    def _write(
        self, exception: BaseException, traceback: Optional[TracebackType], frame: FrameType, thread: ThreadState
    ) -> int:
        recorder = self._recorder
        raising, instruction = _raised_at(traceback, frame)
        place = (id(raising.f_code), instruction, id(type(exception)))
        raises = self._places.get(place)
        if raises is None:
            raises = self._places[place] = [0, -1]
        raises[0] += 1
        if raises[0] > DETAILED_PER_PLACE:
            self._count(raises, exception, raising)
            return 0
        frames = list(_traceback_frames(traceback, frame))
        calls = recorder.adaptive.record_chain(thread, frame) if recorder.adaptive is not None else None
        self._last_id += 1
        exception_id = self._last_id
        raising, line = frames[-1]
        code = raising.f_code
        recorder.event(
            record_format.EVENT_EXCEPTION,
            id=exception_id,
            at_ns=perf_counter_ns(),
            thread=thread.number,
            call=thread.top[0],
            calls=b"[%b]" % b", ".join(b"%d" % call for call in calls) if calls else None,
            type=_type_name(type(exception)),
            message=recorder.encoder.encode(self._message(exception)),
            function=recorder.names.qualified_name(code, raising),
            module=module_of(raising),
            file=recorder.include.absolute(code.co_filename),
            line=line,
            stack=self._stack(frames),
            locals=self._locals(raising if id(code) in recorder.functions else frame),
            cause=self.known.get(id(_cause_of(exception))) or None,
            context=self.known.get(id(_context_of(exception))) or None,
            control_flow=is_control_flow(exception),
        )
        return exception_id

    def _count(self, raises: List[int], exception: BaseException, raising: FrameType) -> None:
        """One more raise, at the place where *raising* is, of a kind that has been written often enough."""
        recorder = self._recorder
        if recorder.forks_under_way and recorder.is_forking():  # the counters are the parent's and the child's
            return
        if raises[1] < 0:
            slot = recorder.new_slot()
            if slot < 0:
                return
            raises[1] = slot
            recorder.event(
                record_format.EVENT_RAISES,
                slot=slot,
                type=_type_name(type(exception)),
                function=recorder.names.qualified_name(raising.f_code, raising),
                module=module_of(raising),
                file=recorder.include.absolute(raising.f_code.co_filename),
                line=raising.f_lineno,
            )
        counters = recorder.spool.counters
        if counters is not None:
            counters[2 * raises[1]] += 1

    def _message(self, exception: BaseException) -> str:
        """What ``str(exception)`` would say, from ``args`` alone: the class may have a ``__str__`` of its own."""
        args = _args_of(exception)
        if type(args) is not tuple or not args:
            return ""
        texts = []
        for arg in args:
            if type(arg) is str:
                texts.append(arg)
            else:
                texts.append(self._recorder.encoder.encode(arg).decode("utf-8", "replace"))
        if len(args) == 1:
            return texts[0] if type(exception) is not KeyError or type(args[0]) is not str else "'%s'" % texts[0]
        if derives(type(exception), OSError) and len(args) >= 2 and type(args[0]) is int:
            return "[Errno %s] %s" % (texts[0], ": ".join(texts[1:2]))
        return "(%s)" % ", ".join(texts)

    def _stack(self, frames: List[Tuple[FrameType, int]]) -> str:
        """The frames from the outermost to where it was raised, one a line; the middle of a deep one left out."""
        include = self._recorder.include
        lines: List[str] = []
        back: Optional[FrameType] = frames[0][0].f_back
        while back is not None:
            lines.append(_frame_line(include.absolute(back.f_code.co_filename), back.f_lineno, back.f_code.co_name))
            back = back.f_back
        lines.reverse()
        for raising, line in frames:
            lines.append(_frame_line(include.absolute(raising.f_code.co_filename), line, raising.f_code.co_name))
        if len(lines) > _MAX_STACK_FRAMES:
            half = _MAX_STACK_FRAMES // 2
            lines[half:-half] = ["... %d frames left out" % (len(lines) - 2 * half)]
        return "\n".join(lines)

    def _locals(self, frame: FrameType) -> Optional[bytes]:
        """The frame's variables: the text of a JSON object, as a JSON string."""
        if not self._recorder.locals_on_exception:
            return None
        recorder = self._recorder
        return utf8(quote(encoded_locals(frame, recorder.encoder, recorder.clears_locals).decode("utf-8", "replace")))


def _type_name(cls: type) -> str:
    module = class_module(cls)
    return class_name(cls) if module in ("builtins", "") else "%s.%s" % (module, class_name(cls))


def _raised_at(traceback: Optional[TracebackType], frame: FrameType) -> Tuple[FrameType, int]:
    """The frame in which it was raised, and the instruction there: in *frame*, or further in."""
    while traceback is not None and traceback.tb_frame is not frame:
        traceback = traceback.tb_next
    if traceback is None:
        return frame, frame.f_lasti
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame, traceback.tb_lasti


def _traceback_frames(traceback: Optional[TracebackType], frame: FrameType) -> Iterator[Tuple[FrameType, int]]:
    """(frame, line) from *frame* to where the exception was raised."""
    while traceback is not None and traceback.tb_frame is not frame:
        traceback = traceback.tb_next
    if traceback is None:
        yield frame, frame.f_lineno
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _frame_line(file: str, line: Optional[int], name: str) -> str:
    return "%s:%s in %s" % (file, line, name)
