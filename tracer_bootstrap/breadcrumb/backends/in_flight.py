"""Determine which exception leaves a frame, for ``sys.settrace``, which does not report it.

A trace function learns that an exception has reached a frame, and that the frame is left. In between, the frame may
have handled the exception, or others while the first was pending: ``finally: try: remove() except OSError: pass``
handles the second of two, and the first leaves the frame. So the frame is traced instruction by instruction, and
compared with ``sys.exc_info()``: until a handler starts, and in a handler while it has another exception to re-raise.
"""

from __future__ import annotations

import sys
from opcode import opmap

from ..events.exception_state import is_group, traceback_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Callable, Dict, List, Optional, Tuple

# Limit of instructions watched per exception. Few handlers have more. After it, the last exception to reach the frame
# is assumed to be the one that leaves it.
_MAX_WATCHED = 200

_END_ASYNC_FOR = opmap["END_ASYNC_FOR"]
_RAISE = opmap["RAISE_VARARGS"]
_RERAISE = opmap.get("RERAISE", opmap.get("END_FINALLY", -1))

# Clean-up code of a handler that an exception leaves, from 3.11 on.
_CLEAN_UP = bytes(opmap[name] for name in ("COPY", "POP_EXCEPT", "RERAISE")) if "COPY" in opmap else None

# Instructions that consume the StopIteration at the end of ``for``, ``yield from`` and ``await``.
_ENDS_OF_ITERATION = {opmap[name] for name in ("FOR_ITER", "YIELD_FROM", "SEND") if name in opmap}


class Arrival:
    """An exception that has reached a frame."""

    __slots__ = (
        "address",
        "at",
        "cancels",
        "ends_iteration",
        "in_handler",
        "is_group",
        "kept",
        "leaves",
        "to_keep",
        "watched",
    )

    def __init__(self, exception: BaseException, cancels: bool, at: int) -> None:
        self.address = id(exception)
        self.ends_iteration = type(exception) is StopAsyncIteration
        self.cancels = cancels
        self.is_group = is_group(exception)
        self.at = at  # f_lasti at that moment
        self.in_handler = False  # or in a ``finally`` that will re-raise it
        self.leaves = False  # the next instruction re-raises it
        self.watched = 0  # instructions
        self.to_keep = False
        self.kept: Optional[Tuple[BaseException, TracebackType]] = None

    def keep(self, exception: BaseException, traceback: TracebackType) -> None:
        """Keep the exception and its traceback until the frame's next event, in which it may leave the frame.

        Kept only while the interpreter itself holds the exception, so that it dies when it would without the tracer.
        """
        self.to_keep = True
        self.kept = exception, traceback

    def leaves_at(self, at: int) -> bool:
        """Return whether this exception leaves a frame that is left at instruction *at*."""
        return self.leaves or (not self.in_handler and self.at == at)

    def is_given_up(self) -> bool:
        """Return whether its handler has used up the limit of watched instructions."""
        return self.watched > _MAX_WATCHED


class InFlight:
    """The exceptions that have reached each frame and are neither handled nor gone."""

    def __init__(self, opcodes_of: Callable[..., bytes]) -> None:
        self._opcodes_of = opcodes_of
        self.of_frame: Dict[int, List[Arrival]] = {}  # by frame id, in the order of arrival

    def add(self, frame: FrameType, exception: BaseException, cancels: bool) -> Optional[Arrival]:
        """Add an exception raised in *frame*, or in a call that it made; returns None if it only ends a loop there."""
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
        """Follow the exceptions of *frame*, whose next instruction is about to run.

        Returns the arrival whose handler begins with this instruction, or that is given up; else None.
        """
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
            if last.leaves:  # it was re-raised, and an outer handler of the frame catches it
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
            frame.f_trace_opcodes = False  # it leaves the frame, or another is still to arrive
        return begins

    def last(self, frame: FrameType) -> Optional[Arrival]:
        """Return the pending exception that reached *frame* last, or None."""
        arrivals = self.of_frame.get(id(frame))
        return arrivals[-1] if arrivals else None

    def forget(self, frame: FrameType) -> None:
        """Drop the exceptions of a frame that has ended."""
        self.of_frame.pop(id(frame), None)


def _passes_on_unseen(opcodes: bytes, at: int) -> bool:
    """Return whether this instruction re-raises an exception that ``sys.exc_info()`` may not show."""
    if opcodes[at] == _END_ASYNC_FOR:
        return True
    return any(opcodes[start : start + 6 : 2] == _CLEAN_UP for start in (at, at - 2, at - 4))
