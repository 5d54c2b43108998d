"""Follow greenlets, by which programs switch stacks themselves (greenlet, gevent, SQLAlchemy's asyncio).

Each greenlet has its own chain of open calls. greenlet reports each switch, so calls cost nothing extra.
"""

from __future__ import annotations

import sys
from _weakref import ref

from ..record_format import NOTICE_GREENLETS
from ..runtime.guard import guard
from ..runtime.system import system
from ..session.open_calls import ROOT, CallState
from .tasks import greenlet_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Dict, Iterator, Optional, Tuple

    from ..session.open_calls import OpenCall
    from ..session.session import Session
    from .tasks import TaskLog

# The module that a program imports before it can make greenlets.
MODULE = "greenlet"
_NATIVE_MODULE = "greenlet._greenlet"


class _Greenlet:
    """The state of a greenlet at the last switch from it or to it."""

    __slots__ = ("chain", "number", "ref", "since_ns", "started_by", "task", "works_for")

    def __init__(self, greenlet: Any, started_by: int, task: int, number: int) -> None:
        self.ref = ref(greenlet)  # weak, and checked: an address is used again
        self.started_by = started_by  # the id of the call that first switched to it
        self.chain = ROOT
        self.task = task
        self.number = number  # its own; 0 if it works for a task, or for the thread
        self.since_ns = 0  # of the switch away from it; 0 while another greenlet works for one of its calls
        self.works_for: Optional[_Greenlet] = None


class GreenletChains:
    """The chains of open calls of all greenlets. Each switch makes the chain of its target the thread's.

    Args:
        session: Holds the threads.
        tasks: Numbers the greenlets.
    """

    def __init__(self, session: Session, tasks: TaskLog) -> None:
        self._session = session
        self._tasks = tasks
        self._tracer = guard(self._switched, session)
        self._native: Any = None  # greenlet's C module, once the program has imported it
        self._known: Dict[int, _Greenlet] = {}  # by the greenlet's address
        self._noticed = False

    def clear(self) -> None:
        """Forget all greenlets, in a forked child: the calls that wait in them are the parent's to end."""
        self._known.clear()
        self._noticed = False

    def loaded(self) -> None:
        """Watch this thread, as the program has imported greenlet; other threads follow at their first event."""
        self._native = sys.modules.get(_NATIVE_MODULE)
        self.watch_thread()

    def watch_thread(self) -> None:
        """Set the trace function of greenlet for this thread, unless the program has set its own."""
        if self._native is not None and self._native.gettrace() is None:
            self._native.settrace(self._tracer)
        self.check()

    def stop(self) -> None:
        """Watch this thread no more; in other threads the trace function goes on without effect."""
        if self._native is not None and self._native.gettrace() is self._tracer:
            self._native.settrace(None)

    def check(self) -> None:
        """Write a notice if switches may pass unseen."""
        if self._noticed or MODULE not in sys.modules:
            return
        if self._native is None:
            if self._is_being_imported():
                return
        elif self._native.gettrace() is self._tracer:
            return
        self._noticed = True
        self._session.notice(
            NOTICE_GREENLETS,
            "greenlets switch unseen by the tracer (greenlet.settrace was used by the program itself, or this "
            "version of greenlet is not known): calls in which they do may have wrong parents, durations and ends",
        )

    def _is_being_imported(self) -> bool:
        return bool(getattr(getattr(sys.modules[MODULE], "__spec__", None), "_initializing", False))

    def ends_greenlet(self, cancelled: bool) -> bool:
        """Return whether the exception that leaves an outermost frame is the usual end of a greenlet.

        Args:
            cancelled: Whether the exception is a cancellation.
        """
        return cancelled and self._native is not None

    def waiting(self) -> Iterator[Tuple[str, FrameType]]:
        """Yield (name, innermost frame) of each greenlet that waits: its frames are on no thread's stack."""
        if self._native is None:
            return
        frame_of = self._native.greenlet.gr_frame.__get__
        for known in list(self._known.values()):
            greenlet = known.ref()
            frame = None if greenlet is None else frame_of(greenlet)
            if frame is not None:
                yield greenlet_name(greenlet, known.task) if known.task else "main greenlet", frame

    def _switched(self, event: str, greenlets: Tuple[Any, Any]) -> None:
        """Switch the thread's chain; greenlet calls it with (origin, target) once the target goes on or starts."""
        at_ns = system.now_ns()
        thread = self._session.thread()
        before, after = self._find(greenlets[0]), self._find(greenlets[1])
        if before is None:
            before = self._add(greenlets[0], 0, thread.task, 0)
        before.chain, before.task, before.since_ns = thread.top, thread.task, at_ns
        if after is None:
            starter = thread.top[0] if thread.top[1] is not None else 0
            # A greenlet that a call starts and waits for does the work of that call's task. One that a hub starts, such
            # as gevent's, is a task of its own.
            within = thread.task if starter or thread.task != before.number else 0
            number = 0 if within else self._tasks.number_greenlet(greenlets[1])
            after = self._add(greenlets[1], starter, within or number, number)
            # Until it is switched away from, it runs within the call that started it.
            after.chain = (starter, *ROOT[1:])
        if _is_open(before.chain, after.started_by):
            after.works_for, before.since_ns = before, 0
        else:
            _stop_working(before, after, at_ns)
        if self._native.greenlet.dead.__get__(greenlets[0]):
            del self._known[id(greenlets[0])]
        thread.top, thread.task = _resumed(after, at_ns), after.task
        after.chain = ROOT  # while it runs, its chain is the thread's: frames kept here would keep objects alive

    def _find(self, greenlet: Any) -> Optional[_Greenlet]:
        known = self._known.get(id(greenlet))
        return known if known is not None and known.ref() is greenlet else None

    def _add(self, greenlet: Any, started_by: int, task: int, number: int) -> _Greenlet:
        new = self._known[id(greenlet)] = _Greenlet(greenlet, started_by, task, number)
        return new


def _is_open(chain: OpenCall, call: int) -> bool:
    while chain[1] is not None:
        if chain[0] == call:
            return True
        chain = chain[1]
    return False


def _stop_working(worker: _Greenlet, successor: _Greenlet, at_ns: int) -> None:
    """End the work of a greenlet that is switched away from: those it worked for wait, up to the successor."""
    boss = worker.works_for
    while boss is not None:
        worker.works_for = None
        if boss is successor:
            return
        boss.since_ns = at_ns
        worker, boss = boss, boss.works_for


def _resumed(greenlet: _Greenlet, at_ns: int) -> OpenCall:
    """Return the chain of a greenlet that goes on, with its wait counted as suspended time of each call.

    There was no wait if another greenlet worked for it.
    """
    chain = greenlet.chain
    if not greenlet.since_ns:
        return chain
    calls = []
    while chain[1] is not None:
        calls.append(chain)
        chain = chain[1]
    resumed = ROOT
    for call, _, frame, state, sites in reversed(calls):
        if state is None:
            state = CallState(in_task=False)
            state.outer_task = greenlet.task
        state.suspended_ns += at_ns - greenlet.since_ns
        resumed = (call, resumed, frame, state, sites)
    return resumed
