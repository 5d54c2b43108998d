"""Greenlets: programs that switch stacks themselves (greenlet, gevent, SQLAlchemy's asyncio).

Each greenlet has a chain of open calls of its own. greenlet tells of each switch, so nothing is asked at the calls.
"""

from __future__ import annotations

import sys
from time import perf_counter_ns

from .backends._guard import guard
from .open_calls import ROOT, CallState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Tuple

    from .open_calls import OpenCall
    from .recorder import Recorder

# Whose import, once it is done, lets the program make greenlets.
MODULE = "greenlet"
_NATIVE_MODULE = "greenlet._greenlet"


class GreenletChains:
    """Puts the chain of a greenlet's open calls in its thread's place when it is switched to."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._tracer = guard(self._switched, recorder)
        self._native: Any = None  # greenlet's C module, once it is there
        # By the address of a greenlet that was switched away from: its chain, its task, and since when.
        self._waiting: Dict[int, Tuple[OpenCall, int, int]] = {}
        self._said = False

    def clear(self) -> None:
        """Forget all: what waits in a forked child is its parent's to close."""
        self._waiting.clear()
        self._said = False

    def loaded(self) -> None:
        """The program has imported greenlet: from here on this thread is watched, and others from their first call."""
        self._native = sys.modules.get(_NATIVE_MODULE)
        self.watch_thread()

    def watch_thread(self) -> None:
        """Have this thread's switches told, unless the program has that told to itself."""
        if self._native is not None and self._native.gettrace() is None:
            self._native.settrace(self._tracer)
        self.check()

    def check(self) -> None:
        """Say if switches may pass unseen."""
        if self._said or MODULE not in sys.modules:
            return
        if self._native is None:
            if self._is_being_imported():
                return
        elif self._native.gettrace() is self._tracer:
            return
        self._said = True
        self._recorder.notice(
            "greenlets",
            "greenlets switch without the tracer being told (greenlet.settrace was used by the program itself, or this "
            "version of greenlet is not known): calls in which they do may have wrong parents, durations and ends",
        )

    def _is_being_imported(self) -> bool:
        return bool(getattr(getattr(sys.modules[MODULE], "__spec__", None), "_initializing", False))

    def ends_one(self, cancelled: bool) -> bool:
        """Whether an exception that leaves the outermost frame as a cancellation is the usual end of a greenlet."""
        return cancelled and self._native is not None

    def _switched(self, event: str, greenlets: Tuple[Any, Any]) -> None:
        """The trace function of greenlet: *target* goes on (or starts) in the place of *origin*."""
        at_ns = perf_counter_ns()
        origin, target = greenlets
        recorder = self._recorder
        thread = recorder.thread()
        caller, task = thread.top, thread.task
        if not self._native.greenlet.dead.__get__(origin):
            self._waiting[id(origin)] = (caller, task, at_ns)
        waiting = self._waiting.pop(id(target), None)
        if waiting is None:
            # What it calls until it is switched away from runs inside of the call that started it.
            thread.top = (caller[0], *ROOT[1:]) if caller[1] is not None else ROOT
            thread.task = task or recorder.tasks.of_greenlet(target)
        else:
            chain, thread.task, since_ns = waiting
            thread.top = _resumed(chain, thread.task, at_ns - since_ns)


def _resumed(chain: OpenCall, task: int, away_ns: int) -> OpenCall:
    """The chain of a greenlet that goes on: none of its calls was active meanwhile."""
    calls = []
    while chain[1] is not None:
        calls.append(chain)
        chain = chain[1]
    resumed = ROOT
    for call, _, frame, state, sites in reversed(calls):
        if state is None:
            state = CallState(in_task=False)
            state.outer_task = task
        state.suspended_ns += away_ns
        resumed = (call, resumed, frame, state, sites)
    return resumed
