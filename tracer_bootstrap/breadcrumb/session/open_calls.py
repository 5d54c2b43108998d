"""Define the state of a call that has started and not ended."""

from __future__ import annotations

from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Dict, Optional, Protocol, Tuple

    from .functions import Function
    from .threads import ThreadState

    class CallLines(Protocol):
        """The recorder of one call's lines."""

        def starts(self, thread: ThreadState, frame: FrameType, line: int) -> None:
            """Write the start of a line."""

        def ends(self, thread: ThreadState, call: int, frame: FrameType, at_ns: int) -> None:
            """Write the last lines; called when the call ends."""

    class Yields(Protocol):
        """The recorder of the values that one generator call yields."""

        def add(self, thread: ThreadState, call: int, at_ns: int, value: Any) -> None:
            """Count a value, and write it if it is one of the first."""

        def end(self, thread: ThreadState, call: int, at_ns: int) -> None:
            """Write the number of values; called when the call ends."""

    # (call id, caller's OpenCall, frame or None while suspended, CallState or None, Function.call_sites).
    # A plain tuple, because nothing is cheaper to make, and each recorded call makes one.
    OpenCall = Tuple[int, Any, Any, Optional["CallState"], Dict[int, bytes]]

# The bottom of every thread's chain of open calls; its frame is a stand-in without a line, which no real frame equals.
ROOT: OpenCall = (0, None, SimpleNamespace(f_lasti=-1, f_lineno=None), None, {-1: b"\t\n"})

# Frames of a stack that are searched, so that the work is bounded in deep recursion.
MAX_STACK_FRAMES = 2000


class CallState:
    """The state of an open call that its frame does not hold.

    Kept for generators and coroutines, calls in greenlets that were switched away from, and calls whose lines are
    recorded.
    """

    __slots__ = ("in_task", "lines", "outer_task", "since_ns", "suspended_ns", "timed", "yields")

    def __init__(self, in_task: bool) -> None:
        self.in_task = in_task  # whether a task may run it (a plain generator runs in its consumer's task)
        self.lines: Optional[CallLines] = None
        self.yields: Optional[Yields] = None  # generators only
        self.outer_task = 0  # the thread's task before the call resumed
        self.suspended_ns = 0
        self.since_ns = 0
        self.timed: Optional[Function] = None  # measure what writing its end costs, for this function
