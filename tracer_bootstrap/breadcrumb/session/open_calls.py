"""What is kept of a call while it is open."""

from __future__ import annotations

from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple

    from ..events.lines import CallLines
    from ..events.yields import Yields

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
