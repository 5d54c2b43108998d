"""Which exception a frame is being left by, for a backend that is not told.

``sys.settrace`` tells that an exception has come to a frame, and that the frame is left. In between the frame may have
handled it, or others on the way of it: ``finally: try: remove() except OSError: pass`` is left by the first of
two. Up to the handler, and in it while one exception is on the way of another, the frame is therefore watched
instruction by instruction, and compared with ``sys.exc_info()``.
"""

from __future__ import annotations

import sys
from opcode import opmap

from ..events.exceptions import traceback_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Callable, Dict, List, Optional, Tuple

# Instructions of a handler that are watched at most. Few have more; there the exception that came last is taken for the
# one that leaves the frame.
_MAX_WATCHED = 200

_END_ASYNC_FOR = opmap["END_ASYNC_FOR"]
_RAISE = opmap["RAISE_VARARGS"]
_RERAISE = opmap.get("RERAISE", opmap.get("END_FINALLY", -1))

# How a handler is cleaned up after that is left by an exception, from 3.11 on.
_CLEAN_UP = bytes(opmap[name] for name in ("COPY", "POP_EXCEPT", "RERAISE")) if "COPY" in opmap else None

# What ends the loops of ``for``, ``yield from`` and ``await`` goes no further than these instructions.
_ENDS_OF_ITERATION = {opmap[name] for name in ("FOR_ITER", "YIELD_FROM", "SEND") if name in opmap}


class Arrival:
    """An exception that has come to a frame."""

    __slots__ = ("address", "at", "cancels", "ends_iteration", "in_handler", "kept", "leaves", "to_keep", "watched")

    def __init__(self, exception: BaseException, cancels: bool, at: int) -> None:
        self.address = id(exception)
        self.ends_iteration = type(exception) is StopAsyncIteration
        self.cancels = cancels
        self.at = at  # f_lasti when it came
        self.in_handler = False  # or in a ``finally`` that will pass it on
        self.leaves = False  # the instruction that passes it on is next
        self.watched = 0
        self.to_keep = False
        self.kept: Optional[Tuple[BaseException, TracebackType]] = None

    def keep(self, exception: BaseException, traceback: TracebackType) -> None:
        """Have the exception at hand, with its traceback, whenever it may leave the frame.

        From one event of the frame to the next, and only while the interpreter has it in hand as well: what dies
        with it dies when it would without the tracer.
        """
        self.to_keep = True
        self.kept = exception, traceback

    def leaves_at(self, at: int) -> bool:
        """Whether a frame that is left at this instruction is left by it."""
        return self.leaves or (not self.in_handler and self.at == at)

    def is_given_up(self) -> bool:
        """Whether its handler has been watched for long enough."""
        return self.watched > _MAX_WATCHED


class InFlight:
    """The exceptions that have come to each frame and are not done with."""

    def __init__(self, opcodes_of: Callable[..., bytes]) -> None:
        self._opcodes_of = opcodes_of
        self.of_frame: Dict[int, List[Arrival]] = {}  # by frame id, the last to come at the end

    def add(self, frame: FrameType, exception: BaseException, cancels: bool) -> Optional[Arrival]:
        """An exception is raised in *frame* or comes to it from a call. None if it ends a loop there."""
        if type(exception) is StopIteration and self._opcodes_of(frame.f_code)[frame.f_lasti] in _ENDS_OF_ITERATION:
            return None
        arrivals = self.of_frame.setdefault(id(frame), [])
        handled = sys.exc_info()[1]
        while arrivals:
            last = arrivals[-1]
            is_done_with = handled is not exception and last.address != id(handled)
            if last.in_handler and last.address != id(exception) and not is_done_with:
                break
            arrivals.pop()
        arrival = Arrival(exception, cancels, frame.f_lasti)
        arrivals.append(arrival)
        frame.f_trace_opcodes = True
        return arrival

    def before_instruction(self, frame: FrameType) -> Optional[Arrival]:
        """An instruction of *frame* is next. Returns the arrival whose handler begins with it, or that is given up."""
        arrivals = self.of_frame.get(id(frame))
        if not arrivals:
            frame.f_trace_opcodes = False
            return None
        last = arrivals[-1]
        at = frame.f_lasti
        opcodes = self._opcodes_of(frame.f_code)
        if last.ends_iteration and opcodes[at] == _END_ASYNC_FOR:
            arrivals.pop()
            return None
        current = sys.exc_info()[1]
        last.watched += 1
        if last.is_given_up():
            frame.f_trace_opcodes = False
            if current is not None and last.to_keep and id(current) == last.address:
                last.keep(current, traceback_of(current))
            return last
        passes_unseen = _passes_on_unseen(opcodes, at)
        if not passes_unseen:
            last.kept = None
            if last.leaves:  # an outer handler of the frame has it now
                last.in_handler = False
        begins = None
        if not last.in_handler:
            if id(current) == last.address:
                last.in_handler = True
                begins = last
        elif not passes_unseen:
            while arrivals and arrivals[-1].in_handler and arrivals[-1].address != id(current):
                arrivals.pop()
        if arrivals:
            last = arrivals[-1]
            last.leaves = opcodes[at] == _RERAISE or opcodes[at] == _END_ASYNC_FOR
            if current is not None and last.to_keep and id(current) == last.address:
                if last.leaves or passes_unseen or (opcodes[at] == _RAISE and opcodes[at + 1] == 0):
                    last.keep(current, traceback_of(current))
        if not arrivals or (len(arrivals) == 1 and last.in_handler and not last.leaves and not last.to_keep):
            frame.f_trace_opcodes = False  # what leaves the frame after this is that one, or has yet to come
        return begins

    def last(self, frame: FrameType) -> Optional[Arrival]:
        """The exception that came to *frame* last and is not done with."""
        arrivals = self.of_frame.get(id(frame))
        return arrivals[-1] if arrivals else None

    def forget(self, frame: FrameType) -> None:
        """*frame* has ended."""
        self.of_frame.pop(id(frame), None)


def _passes_on_unseen(opcodes: bytes, at: int) -> bool:
    """Whether this instruction passes on an exception that ``sys.exc_info()`` need not tell."""
    if opcodes[at] == _END_ASYNC_FOR:
        return True
    return any(opcodes[start : start + 6 : 2] == _CLEAN_UP for start in (at, at - 2, at - 4))
