"""What is kept of a call while it is open."""

from __future__ import annotations

from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Dict, Optional, Protocol, Tuple

    from .threads import ThreadState

    class CallLines(Protocol):
        """Writes the lines of one call."""

        def starts(self, thread: ThreadState, frame: FrameType, line: int) -> None:
            """Write that a line starts."""

        def ends(self, thread: ThreadState, call: int, frame: FrameType, at_ns: int) -> None:
            """Write the last lines, when the call ends."""

    class Yields(Protocol):
        """Counts and writes the values that one call of a generator yields."""

        def add(self, thread: ThreadState, call: int, at_ns: int, value: Any) -> None:
            """Count a value, and write it if it is among the first."""

        def end(self, thread: ThreadState, call: int, at_ns: int) -> None:
            """Write how many there were, when the call ends."""

    # A call that has begun: its id, the OpenCall around it, its frame (None while suspended), its CallState if its
    # function has more to keep, and its function's call sites: the end of a record of a call made there, by the
    # instruction (f_lasti). A plain tuple: cheaper to make than anything else.
    OpenCall = Tuple[int, Any, Any, Optional["CallState"], Dict[int, bytes]]

# The bottom of every thread's chain of open calls; its frame is never met, and stands at no line.
ROOT: OpenCall = (0, None, SimpleNamespace(f_lasti=-1, f_lineno=None), None, {-1: b"\t\n"})


class CallState:
    """What is known of an open call beyond its frame: of generators and coroutines, of calls in greenlets that were
    switched away from, and where lines are recorded."""

    __slots__ = ("in_task", "lines", "outer_task", "since_ns", "suspended_ns", "yields")

    def __init__(self, in_task: bool) -> None:
        self.in_task = in_task  # may a task run it? (plain generators belong to whoever asks them)
        self.lines: Optional[CallLines] = None
        self.yields: Optional[Yields] = None  # of a generator
        self.outer_task = 0  # the thread's task before it went on
        self.suspended_ns = 0
        self.since_ns = 0
