"""Decide which calls are recorded, which are only counted, and which functions are not observed for a while.

The first calls of each function are recorded, then calls at doubling distances, and a few more as time goes on. The
others are counted and timed. A counted call that turns out slow, or that an exception passes through, is recorded late,
with the values of that moment. A function that is called too often to be counted is switched off, and on again later:
from then on its counts are marked as lower bounds.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found, unused-ignore]
import sys
from types import FrameType

from ..platform_features import HAS_REALTIME_SIGNALS, LOOK_SIGNAL
from ..runtime.guard import failure_handler
from ..runtime.system import system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Protocol, Set, Tuple

    from ..session.functions import Function
    from ..session.session import Session
    from ..session.threads import ThreadState
    from .calls import CallLog
    from .gaps import GapLog

    class Switch(Protocol):
        """A backend that can switch off the observation of single functions."""

        def switch_off(self, function: Function, awaits_returns: bool) -> None:
            """Observe the function no more, or only its returns if *awaits_returns* is true."""

        def switch_on(self, functions: List[Function]) -> None:
            """Observe the functions again."""


# _FRESH_CALLS further calls of a function are recorded now and then: whenever the process's running time has grown by a
# tenth (1 / _FRESH_SHARE), and by a second at least. So even a long run records only a few of them.
_FRESH_CALLS = 8
_FRESH_AFTER_NS = 1_000_000_000
_FRESH_SHARE = 10

# Nanoseconds from which a counted call may be recorded late; less may be due to the scheduler. After
# each such call the limit is a quarter above its duration, as a function may become slower at every call.
_SLOW_NS = 1_000_000

# Counting a call takes nearly a microsecond. After _COUNTED_AT_LEAST calls a function is switched off once
# _CALLS_BETWEEN_LOOKS calls come within 10 microseconds each: counting then takes a tenth of the time between them.
_COUNTED_AT_LEAST = 100_000
_CALLS_BETWEEN_LOOKS = 1024
_HOT_WITHIN_NS = 10_000 * _CALLS_BETWEEN_LOOKS
# Nanoseconds that functions stay switched off at least.
_OFF_AT_LEAST_NS = 100_000_000

# Frames of a stack that are searched, so that the work is bounded in deep recursion.
_MAX_STACK_FRAMES = 2000


class AdaptiveCapture:
    """The decision for each call of a traced function whether it is recorded.

    Args:
        session: Holds the counters and the traced functions.
        calls: Writes the calls that are recorded late.
        gaps: Learns which callers are switched off.
        sample_rate: The share of calls that may be recorded, up to 1. It does not change what is counted.
    """

    def __init__(self, session: Session, calls: CallLog, gaps: GapLog, sample_rate: float) -> None:
        self._session = session
        self._calls = calls
        self._gaps = gaps
        self._sample_rate = sample_rate
        # When each counted call began, by the id of its frame (which the hot path has at hand) or by ``_frame_key``.
        self.begun: Dict[Any, int] = {}
        self._off: List[Function] = []
        self._wake_at_ns = 0
        self._started_ns = system.now_ns()
        self._listens = False
        self._switch: Optional[Switch] = None
        self._handle_failure = failure_handler(session)

    def switch_with(self, switch: Switch) -> None:
        """Switch functions that are called too often off by *switch*; without it they are counted all the same."""
        self._switch = switch

    def clear(self) -> None:
        """Forget all counted calls and switch all functions on, in a forked child."""
        if self._off and self._switch is not None:
            self._switch.switch_on(self._off)
        self._off = []
        self.begun.clear()
        self._started_ns = system.now_ns()

    def counters(self) -> Optional[memoryview]:
        """Return the counters for a hot path that counts calls itself.

        None if that is impossible, as the sample rate excludes calls too.
        """
        return None if self._sample_rate < 1 else self._session.spool.counters

    def prepare(self, function: Function, first: Optional[Function]) -> None:
        """Give a new function its counter and its first limits.

        Args:
            function: The new function.
            first: The function registered before for the same source, whose counter is shared; None if there is none.
        """
        function.slot = first.slot if first is not None else self._session.new_slot()
        function.counter = 2 * max(function.slot, 0)
        function.limit = self._session.calls_per_function if function.slot >= 0 else sys.maxsize
        function.next_sample = function.limit + 1
        # The hot path counts up to this call on its own; calls that keep state need more than that.
        function.next_look = 0 if function.keeps_state else function.next_sample
        function.look_ns = system.now_ns()
        function.fresh_at_ns = function.look_ns + _FRESH_AFTER_NS
        function.slow_ns = _SLOW_NS

    def skips(self, function: Function, frame: FrameType) -> bool:
        """Count the call of *function* that starts in *frame*, and return whether it is not recorded."""
        counters = self._session.spool.counters
        if counters is None or function.slot < 0:
            return False
        count = counters[function.counter] + 1
        counters[function.counter] = count
        if self._off:
            self._wake_if_due(system.now_ns())
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
                self.begun[key] = system.now_ns()
        return True

    def _is_sample(self, function: Function, frame: FrameType, count: int) -> bool:
        """Return whether a call beyond the first ones is recorded; switch the function off if it is too hot."""
        at_ns = system.now_ns()
        sample = False
        if count >= function.next_sample:
            function.next_sample = 2 * count
            sample = True
        elif at_ns >= function.fresh_at_ns:
            self._record_next_calls(function, count, at_ns)
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

    def _record_next_calls(self, function: Function, count: int, at_ns: int) -> None:
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
        """Stop observing the function, except for the returns of its running calls other than *frame*."""
        function.awaited = _running_frames(function)
        function.awaited.discard(id(frame))
        function.strays = 0
        if self._switch is not None:
            self._switch.switch_off(function, bool(function.awaited))

    def is_stray(self, function: Function, frame: FrameType) -> bool:
        """Return whether a return of a switched-off function ends a call whose start was not observed.

        After many such returns, look again which calls still run: without one, returns are no longer observed.
        """
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
        """Listen to the server's signal to switch functions on: a program may call nothing but what is switched off."""
        if not HAS_REALTIME_SIGNALS:
            self._session.when_look_asked.append(self._on_look_signal)
            self._listens = True
            return
        try:
            if _signal.getsignal(LOOK_SIGNAL) is _signal.SIG_DFL:
                _signal.signal(LOOK_SIGNAL, self._on_look_signal)
                _signal.siginterrupt(LOOK_SIGNAL, False)
            self._listens = True
        except ValueError:  # not in the main thread: tried again
            pass

    def stop(self) -> None:
        """Listen to the server no more."""
        if not self._listens:
            return
        self._listens = False
        if not HAS_REALTIME_SIGNALS:
            self._session.when_look_asked.remove(self._on_look_signal)
            return
        try:
            if _signal.getsignal(LOOK_SIGNAL) == self._on_look_signal:
                _signal.signal(LOOK_SIGNAL, _signal.SIG_DFL)
        except ValueError:  # not in the main thread: the handler stays, and finds nothing to do
            pass

    def _on_look_signal(self, *_: object) -> None:
        """Switch functions on again; runs in the main thread between any two of its instructions."""
        session = self._session
        if session.pid == system.getpid() and not session.is_forking():
            try:
                self._wake_if_due(self._wake_at_ns)
            except RecursionError:
                session.near_recursion_limit = True
            except BaseException as error:
                self._handle_failure(error)

    def _observe_again(self, functions: List[Function], at_ns: int) -> None:
        counters = self._session.spool.counters
        for function in functions:
            function.is_off = False
            count = counters[function.counter] if counters is not None else 0
            self._record_next_calls(function, count + 1, at_ns)
            function.look_count = count
            function.look_ns = at_ns
        if functions and self._switch is not None:
            self._switch.switch_on(functions)

    def end(self, function: Function, frame: FrameType, at_ns: int) -> Optional[bool]:
        """Take the end of a call that is not the innermost open one.

        Returns:
            None if the call was not timed as a counted one. False if it was. True if it was also slow: it is then
            recorded late and the innermost open call, which the caller has to end.
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
        """Record the counted calls around *frame* late, as an exception may pass through them.

        Args:
            thread: The current thread.
            frame: The innermost frame of the stack.

        Returns:
            The ids of all calls around the frame, the outermost first, if a counted call was between recorded ones,
            whose parents do not show it. None otherwise: the parents show the chain.
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
                    self._observe_again([function], system.now_ns())
                self._calls.begin(function, counted_frame, begun_ns or system.now_ns())
                ids.append(thread.top[0])
        return ids if any(position > 0 for position in missing) else None

    def _counted_calls(
        self, frame: Optional[FrameType], positions: Dict[int, int]
    ) -> Dict[int, List[Tuple[Function, FrameType]]]:
        """Return the counted calls from *frame* outwards, by the position of the next open call around them."""
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
        """Return whether a call that is not among the open ones was only counted."""
        if function.suspends:
            # When an exception is thrown into what a coroutine awaits, and ends it, the coroutine goes on without an
            # event: its call is recorded, and still among the suspended ones.
            waiting = self._calls.suspended.get(id(frame))
            return waiting is None or waiting[4] is not function.call_sites
        return function.is_off or id(frame) in self.begun


def _frame_key(function: Function, frame: FrameType) -> Any:
    """Return the key of a counted call in ``begun``; None if it is not timed.

    A generator is not timed: its time is part of its consumer's. The end of a coroutine may pass unseen and its frame's
    address be used again, so its key includes its code.
    """
    if not function.suspends:
        return id(frame)
    return (id(frame), id(function.code)) if function.kind == "coroutine" else None


def _running_frames(function: Function) -> Set[int]:
    """Return the ids of the frames that run the function's code, in all threads."""
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
