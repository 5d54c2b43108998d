"""Adaptive capture: which calls are recorded, which are counted only, and what is not observed for a while.

Of each function the first calls are recorded, then those at doubling distances, and a few afresh as time goes on. The
others are counted and timed. One of these that turns out slow, or that an exception passes, is recorded late, with the
values of that moment. A function that is called so often that counting it is a burden is switched off, and on again
later: its counts are lower bounds from then on, and marked so.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found, unused-ignore]
import sys
from os import getpid
from time import perf_counter_ns
from types import FrameType

from ..record_format import LOOK_SIGNAL_BELOW_MAX
from ..runtime.guard import failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Protocol, Set, Tuple

    from ..session.functions import Function
    from ..session.session import Session
    from ..session.threads import ThreadState
    from .calls import CallLog
    from .gaps import GapLog

    class Switch(Protocol):
        """Switches the observation of single functions off and on: a backend that can."""

        def switch_off(self, function: Function, awaits_returns: bool) -> None:
            """Observe the function no more, apart from its returns where these are awaited."""

        def switch_on(self, functions: List[Function]) -> None:
            """Observe the functions again."""


# As time goes on, so many calls of a function are recorded afresh; each time after another tenth of the
# time that the process has run, so that a run of any length has a bounded number of them.
_FRESH_CALLS = 8
_FRESH_AFTER_NS = 1_000_000_000
_FRESH_SHARE = 10

# A counted call is recorded late if it took longer than any before; by a quarter, so that a function that becomes
# slower and slower does not have all its calls recorded. What is below a millisecond may as well be the scheduler's.
_SLOW_NS = 1_000_000

# Counting costs near a microsecond. A function is switched off when, beyond these calls, that many came
# within less than the time that makes counting a tenth of what the function and its callers need.
_COUNTED_AT_LEAST = 100_000
_CALLS_BETWEEN_LOOKS = 1024
_HOT_WITHIN_NS = 10_000 * _CALLS_BETWEEN_LOOKS
_OFF_AT_LEAST_NS = 100_000_000

_MAX_STACK_FRAMES = 2000


class AdaptiveCapture:
    """Decides for each call of a traced function whether it is recorded.

    sample_rate: the share of the calls to be recorded that is (counts stay exact).
    """

    def __init__(self, session: Session, calls: CallLog, gaps: GapLog, sample_rate: float) -> None:
        self._session = session
        self._calls = calls
        self._gaps = gaps
        self._sample_rate = sample_rate
        # When each counted call began, by the id of its frame (the hot path knows that).
        self.begun: Dict[Any, int] = {}
        self._off: List[Function] = []
        self._wake_at_ns = 0
        self._started_ns = perf_counter_ns()
        self._listens = False
        self._switch: Optional[Switch] = None

    def switch_with(self, switch: Switch) -> None:
        """Have functions that are called too often switched off by *switch*; without one they are counted on."""
        self._switch = switch

    def clear(self) -> None:
        """Forget all: a forked child begins anew."""
        if self._off and self._switch is not None:
            self._switch.switch_on(self._off)
        self._off = []
        self.begun.clear()
        self._started_ns = perf_counter_ns()

    def counters(self) -> Optional[memoryview]:
        """The counters, where nothing but their number and the time decide which calls are recorded."""
        return None if self._sample_rate < 1 else self._session.spool.counters

    def prepare(self, function: Function, first: Optional[Function]) -> None:
        """Give a new function its first limits, and its counter: the one of the code that was *first* known as it."""
        function.slot = first.slot if first is not None else self._session.new_slot()
        function.counter = 2 * max(function.slot, 0)
        function.limit = self._session.calls_per_function if function.slot >= 0 else sys.maxsize
        function.next_sample = function.limit + 1
        # What suspends or has its lines recorded needs more than the hot path does for calls that are only counted.
        function.next_look = 0 if function.keeps_state else function.next_sample
        function.look_ns = perf_counter_ns()
        function.fresh_at_ns = function.look_ns + _FRESH_AFTER_NS
        function.slow_ns = _SLOW_NS

    def skips(self, function: Function, frame: FrameType) -> bool:
        """Count the call of *function* that starts in *frame*; whether it is not recorded."""
        counters = self._session.spool.counters
        if counters is None or function.slot < 0:
            return False
        count = counters[function.counter] + 1
        counters[function.counter] = count
        if self._off:
            self._wake_if_due(perf_counter_ns())
        if self._sample_rate >= 1 or int(count * self._sample_rate) != int((count - 1) * self._sample_rate):
            if count <= function.limit:
                return False
            if self._is_sample(function, frame, count):
                return False
        if function.suspends:
            self._calls.drop_suspended(id(frame))
        if not function.is_off:
            key = _frame_key(function, frame)
            if key is not None:
                self.begun[key] = perf_counter_ns()
        return True

    def _is_sample(self, function: Function, frame: FrameType, count: int) -> bool:
        """Whether a call beyond the first ones is recorded; and a look at how hot the function is."""
        at_ns = perf_counter_ns()
        sample = False
        if count >= function.next_sample:
            function.next_sample = 2 * count
            sample = True
        elif at_ns >= function.fresh_at_ns:
            self._record_again(function, count, at_ns)
            sample = True
        if count >= function.look_count + _CALLS_BETWEEN_LOOKS:
            is_hot = count > _COUNTED_AT_LEAST and at_ns - function.look_ns < _HOT_WITHIN_NS
            function.look_count = count
            function.look_ns = at_ns
            if is_hot and not sample and not function.keeps_state and self._switch is not None:
                self._switch_off(function, frame, at_ns)
        if not function.keeps_state:
            function.next_look = min(function.next_sample, function.look_count + _CALLS_BETWEEN_LOOKS)
        return sample

    def _record_again(self, function: Function, count: int, at_ns: int) -> None:
        function.limit = count + _FRESH_CALLS - 1
        function.fresh_at_ns = at_ns + max(_FRESH_AFTER_NS, (at_ns - self._started_ns) // _FRESH_SHARE)

    def _switch_off(self, function: Function, frame: FrameType, at_ns: int) -> None:
        function.is_off = True
        if function.exact:
            function.exact = False
            self._session.write_function(function)
            self._gaps.caller_switched_off(function.function_id)
        if not self._listens:
            self._listen()
        if not self._off:
            self._wake_at_ns = at_ns + max(_OFF_AT_LEAST_NS, (at_ns - self._started_ns) // _FRESH_SHARE)
        self._off.append(function)
        self._await_returns(function, frame)

    def _await_returns(self, function: Function, frame: FrameType) -> None:
        """Stop observing the function, but for the returns of its calls that are under way, other than *frame*."""
        function.awaited = _running_frames(function)
        function.awaited.discard(id(frame))
        function.strays = 0
        if self._switch is not None:
            self._switch.switch_off(function, bool(function.awaited))

    def is_stray(self, function: Function, frame: FrameType) -> bool:
        """Whether a return of a function that is switched off is of a call that was not seen."""
        if id(frame) in function.awaited:
            return False
        function.strays += 1
        if function.strays >= _CALLS_BETWEEN_LOOKS:
            self._await_returns(function, frame)
        return True

    def _wake_if_due(self, at_ns: int) -> None:
        if at_ns >= self._wake_at_ns:
            self._observe_again(self._off, at_ns)
            self._off = []

    def _listen(self) -> None:
        """Let the server ask for another look, now and then: a program may do nothing but call what is switched off."""
        try:
            number = _signal.SIGRTMAX - LOOK_SIGNAL_BELOW_MAX
            if _signal.getsignal(number) is _signal.SIG_DFL:
                _signal.signal(number, self._on_look_signal)
                _signal.siginterrupt(number, False)
            self._listens = True
        except (AttributeError, ValueError):  # a system without real-time signals; not in the main thread, as yet
            pass

    def _on_look_signal(self, number: int, frame: Optional[FrameType]) -> None:
        """Runs in the main thread between two instructions of it."""
        session = self._session
        if session.pid == getpid() and not session.is_forking():
            try:
                self._wake_if_due(self._wake_at_ns)
            except RecursionError:
                session.near_recursion_limit = True
            except BaseException as error:
                failed(session, error)

    def _observe_again(self, functions: List[Function], at_ns: int) -> None:
        counters = self._session.spool.counters
        for function in functions:
            function.is_off = False
            count = counters[function.counter] if counters is not None else 0
            self._record_again(function, count + 1, at_ns)
            function.look_count = count
            function.look_ns = at_ns
        if functions and self._switch is not None:
            self._switch.switch_on(functions)

    def end(self, function: Function, frame: FrameType, at_ns: int) -> Optional[bool]:
        """A call ends that is not the innermost open one.

        Returns None if it was not one of those that are only counted, False if it was, and True if it was a slow one:
        it is the innermost open call now, recorded late, and to be ended.
        """
        begun_ns = self.begun.pop(_frame_key(function, frame), 0)
        if not begun_ns:
            return None
        spent_ns = at_ns - begun_ns
        if spent_ns < function.slow_ns:
            counters = self._session.spool.counters
            if counters is not None:
                counters[function.counter + 1] += spent_ns
            return False
        function.slow_ns = spent_ns + spent_ns // 4
        self._calls.begin(function, frame, begun_ns)
        return True

    def record_chain(self, thread: ThreadState, frame: Optional[FrameType]) -> Optional[List[int]]:
        """Record late the calls around *frame*, up to the outermost, that were only counted: an exception passes them.

        Returns the ids of all calls of the chain, the outermost first, where their parents alone do not tell; None
        where they do.
        """
        open_calls: List[Any] = []
        top = thread.top
        while top[1] is not None:
            open_calls.append(top)
            top = top[1]
        positions = {id(call[2]): position for position, call in enumerate(open_calls)}
        missing = self._counted_calls(frame, positions)
        if not missing:
            return None
        ids: List[int] = []
        thread.top = top
        for position in range(len(open_calls), -1, -1):
            if position < len(open_calls):
                call, _, call_frame, state, sites = open_calls[position]
                thread.top = (call, thread.top, call_frame, state, sites)
                ids.append(call)
            for function, counted_frame in reversed(missing.get(position, ())):
                begun_ns = self.begun.pop(_frame_key(function, counted_frame), 0)
                if function.is_off:
                    self._off = [other for other in self._off if other is not function]
                    self._observe_again([function], perf_counter_ns())
                self._calls.begin(function, counted_frame, begun_ns or perf_counter_ns())
                ids.append(thread.top[0])
        return ids if any(position > 0 for position in missing) else None

    def _counted_calls(
        self, frame: Optional[FrameType], positions: Dict[int, int]
    ) -> Dict[int, List[Tuple[Function, FrameType]]]:
        """The counted calls from *frame* outwards; by the position of the open call around them."""
        functions = self._session.functions
        missing: Dict[int, List[Tuple[Function, FrameType]]] = {}
        position = 0
        for _ in range(_MAX_STACK_FRAMES):
            if frame is None:
                break
            at = positions.get(id(frame))
            if at is not None:
                position = at + 1
            else:
                function = functions.get(id(frame.f_code))
                if function is not None and self._was_counted(function, frame):
                    missing.setdefault(position, []).append((function, frame))
            frame = frame.f_back
        return missing

    def _was_counted(self, function: Function, frame: FrameType) -> bool:
        """Whether a call that is not among the open ones was only counted."""
        if function.suspends:
            # One that awaits what an exception was thrown into goes on without an event, once that has come to an end.
            waiting = self._calls.suspended.get(id(frame))
            return waiting is None or waiting[4] is not function.call_sites
        return function.is_off or id(frame) in self.begun


def _frame_key(function: Function, frame: FrameType) -> Any:
    """Under what a counted call stands in ``begun``; None if it is not timed.

    The end of a generator may pass unseen, and another call have its frame's address then. What a generator takes is
    what its consumer takes, so it is not timed; a coroutine is known by its code as well.
    """
    if not function.suspends:
        return id(frame)
    return (id(frame), id(function.code)) if function.kind == "coroutine" else None


def _running_frames(function: Function) -> Set[int]:
    """The ids of the frames that run the function's code, in all threads."""
    found = set()
    for thread_frame in sys._current_frames().values():
        frame: Optional[FrameType] = thread_frame
        for _ in range(_MAX_STACK_FRAMES):
            if frame is None:
                break
            if frame.f_code is function.code:
                found.add(id(frame))
            frame = frame.f_back
    return found
