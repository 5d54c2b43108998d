"""Decide which calls are recorded, which are only counted, and which functions are not observed for a while.

The first calls of each function are recorded, then calls at doubling distances, and a few more as time goes on. The
others are counted and timed. A counted call that turns out slow, or that an exception passes through, is recorded late,
with the values of that moment. A function that is called too often to be counted is switched off, and on again later:
from then on its counts are marked as lower bounds.

With a budget, how many first calls are recorded depends on what they cost (docs/budget.md).
"""

from __future__ import annotations

import sys
from types import FrameType

from ..runtime.system import system
from ..session.open_calls import MAX_STACK_FRAMES, CallState
from .budget import TIGHT, TIGHT_FOR_OTHERS
from .switched_off import SwitchedOff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    from ..session.functions import Function
    from ..session.session import Session
    from ..session.threads import ThreadState
    from .budget import Budget
    from .calls import CallLog
    from .gaps import GapLog
    from .switched_off import Switch


# _FRESH_CALLS further calls of a function are recorded now and then: whenever the process's running time has grown by a
# tenth (1 / _FRESH_SHARE), and by a second at least. So even a long run records only a few of them.
_FRESH_CALLS = 8
_FRESH_AFTER_NS = 1_000_000_000
_FRESH_SHARE = 10

# Nanoseconds from which a counted call may be recorded late; less may be due to the scheduler. After
# each such call the limit is a quarter above its duration, as a function may become slower at every call.
_SLOW_NS = 1_000_000

# Without a budget: counting a call takes nearly a microsecond. After _COUNTED_AT_LEAST calls a function is switched
# off once _CALLS_BETWEEN_LOOKS calls come within 10 microseconds each, of which counting then takes a tenth.
_COUNTED_AT_LEAST = 100_000
_CALLS_BETWEEN_LOOKS = 1024
_HOT_WITHIN_NS = 10_000 * _CALLS_BETWEEN_LOOKS

# With a budget: counted calls from one look at a function to the next, a tenth of a millisecond of counting.
_COUNTED_BETWEEN_LOOKS = 128

# A call that costs so many nanoseconds has values worth cutting shorter.
_DEAR_NS = 16_000

# First calls of a function that are recorded whatever they cost, of own code and of other code: what it is given and
# returns is news.
_ALWAYS_RECORDED = 4
_ALWAYS_RECORDED_OF_OTHERS = 1


class AdaptiveCapture:
    """The decision for each call of a traced function whether it is recorded.

    Args:
        session: Holds the counters and the traced functions.
        calls: Writes the calls that are recorded late.
        gaps: Learns which callers are switched off.
        sample_rate: The share of calls that may be recorded, up to 1. It does not change what is counted.
        budget: What the tracer may cost; None if that is not limited.
    """

    def __init__(
        self, session: Session, calls: CallLog, gaps: GapLog, sample_rate: float, budget: Optional[Budget]
    ) -> None:
        self._session = session
        self._calls = calls
        self._gaps = gaps
        self._sample_rate = sample_rate
        self._budget = budget
        # When each counted call began, by the id of its frame (which the hot path has at hand) or by ``_frame_key``.
        native = session.core.native
        self.begun: Dict[Any, int] = {} if native is None else native.Begins()
        self.off = SwitchedOff(session, calls, self._about_to_observe)  # public, as are the next two, for the core in C
        if budget is not None:
            self.off.may_wake = budget.may_wake
            self.off.may_await = budget.may_await
        calls.timed_end = self._timed_end
        self.awaiting = self.off.awaiting
        self.look_for_open_calls = self.off.look_for_open_calls
        self._between_looks = _CALLS_BETWEEN_LOOKS if budget is None else _COUNTED_BETWEEN_LOOKS
        self._started_ns = system.now_ns()

    def switch_with(self, switch: Switch) -> None:
        """Switch functions that are called too often off by *switch*; without it they are counted all the same."""
        self.off.switch_with(switch)

    def stop(self) -> None:
        """Listen to the server no more."""
        self.off.stop()

    def clear(self) -> None:
        """Forget all counted calls and switch all functions on, in a forked child."""
        self.off.clear()
        self.begun.clear()
        self._started_ns = system.now_ns()
        if self._budget is not None:
            self._budget.clear()

    def spend(self, cost_ns: int) -> None:
        """Note what the tracer has cost apart from recording and counting calls."""
        if self._budget is not None:
            self._budget.spend(cost_ns)

    def is_tight(self) -> bool:
        """Return whether little of the budget is left."""
        return self._budget is not None and self._budget.is_tight()

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
        function.next_choice = function.next_sample
        function.next_look = function.next_choice if function.counts_plainly else 0
        function.look_ns = system.now_ns()
        function.fresh_at_ns = function.look_ns + _FRESH_AFTER_NS
        function.slow_ns = _SLOW_NS
        budget = self._budget
        if budget is not None:
            function.next_timed = 1
            if first is not None:  # what was learned of its earlier code
                function.cost_ns, function.limit, function.whole = first.cost_ns, first.limit, first.whole
            elif budget.level(function.look_ns) >= (TIGHT if function.is_own else TIGHT_FOR_OTHERS):
                function.whole = 0
                function.shorten_values(self._session.short_encoder)

    def skips(self, function: Function, frame: FrameType) -> bool:
        """Count the call of *function* that starts in *frame*, and return whether the caller is not to record it.

        It is then only counted, or already recorded.
        """
        counters = self._session.spool.counters
        if counters is None or function.slot < 0:
            return False
        count = counters[function.counter] + 1
        counters[function.counter] = count
        if self.off.functions:
            self.off.wake_if_due(system.now_ns())
            if function.is_off:
                return True
        if self._sample_rate >= 1 or int(count * self._sample_rate) != int((count - 1) * self._sample_rate):
            if count <= function.limit and (count < function.next_timed or self._may_go_on(function, count)):
                if count < function.next_timed:
                    return False
                return self._record_timed(function, frame, count)
            if count > function.limit and self._is_sample(function, frame, count):
                return self._budget is not None and self._record_timed(function, frame, count)
        if function.suspends:
            self._calls.drop_suspended(id(frame))
        if not function.is_off:
            key = _frame_key(function, frame)
            if key is not None:
                self.begun[key] = system.now_ns()
        return True

    def _may_go_on(self, function: Function, count: int) -> bool:
        """Decide at call 1, 2, 4, 8 ... of a function whether calls up to the next such number are recorded."""
        budget = self._budget
        if budget is None or function.lines is not None:  # whose work is limited by their number
            return True
        if count <= (_ALWAYS_RECORDED if function.is_own else _ALWAYS_RECORDED_OF_OTHERS):
            return True
        self._account(function, count - 1)
        calls = int(count * self._sample_rate)
        if budget.may_record(calls, function.cost_ns, budget.gauge(), is_own=function.is_own):
            return True
        if function.whole < 0:
            function.whole = count - 1
        may_go_on = not function.is_short and function.cost_ns >= _DEAR_NS
        if may_go_on:
            self._shorten(function)
        else:
            function.limit = count - 1
            function.next_timed = sys.maxsize
            function.next_sample = count
            function.next_choice = function.next_look = 0
        self._session.write_function(function)
        return may_go_on

    def _shorten(self, function: Function) -> None:
        """Cut the values of a function's later calls shorter, and measure anew what they cost."""
        function.shorten_values(self._session.short_encoder)
        function.begin_ns = function.end_ns = 0

    def _account(self, function: Function, count: int) -> None:
        """Note what recording the calls up to number *count* has cost."""
        if self._budget is not None:
            self._budget.spend(int((count - function.timed) * self._sample_rate) * function.cost_ns)
        function.timed = count

    def _record_timed(self, function: Function, frame: FrameType, count: int) -> bool:
        """Record a call that begins, and measure what this costs. Returns True."""
        budget = self._budget
        assert budget is not None
        if function.next_timed <= count:
            function.next_timed = 2 * count
            function.timed = count
        begun_ns = system.now_ns()
        self._calls.begin(function, frame)
        thread = self._session.thread()
        call, parent, call_frame, state, sites = thread.top
        if state is None:
            state = CallState(False)
            state.outer_task = thread.task
            thread.top = (call, parent, call_frame, state, sites)
        state.timed = function
        cost_ns = system.now_ns() - begun_ns
        budget.spend(cost_ns)
        function.begin_ns = _learned(function.begin_ns, cost_ns)
        function.cost_ns = function.begin_ns + function.end_ns
        return True

    def _timed_end(self, function: Function, cost_ns: int) -> None:
        """Learn what the end of a call has cost whose begin was timed."""
        if self._budget is not None:
            self._budget.spend(cost_ns)
            function.end_ns = _learned(function.end_ns, cost_ns)
            function.cost_ns = function.begin_ns + function.end_ns

    def _is_sample(self, function: Function, frame: FrameType, count: int) -> bool:
        """Return whether a call beyond the first ones is recorded; switch the function off if it is too hot."""
        at_ns = system.now_ns()
        sample = False
        if function.next_timed < sys.maxsize:  # the last of the first calls
            self._account(function, count - 1)
            function.next_timed = sys.maxsize
        if count >= function.next_sample:
            function.next_sample = 2 * count
            sample = True
        elif at_ns >= function.fresh_at_ns:
            sample = self._record_next_calls(function, count, at_ns)
        if count >= function.look_count + self._between_looks:
            is_hot = self._is_hot(function, count, at_ns)
            function.look_count = count
            function.look_ns = at_ns
            if is_hot and not function.is_observed and function.lines is None:
                if self._budget is None:
                    if not sample and not function.keeps_state:
                        self._switch_off(function, frame, at_ns)
                elif self._switch_off(function, frame, at_ns):
                    return False
        function.next_choice = min(function.next_sample, function.look_count + self._between_looks)
        if function.counts_plainly:
            function.next_look = function.next_choice
        return sample

    def _is_hot(self, function: Function, count: int, at_ns: int) -> bool:
        budget = self._budget
        if budget is None:
            return count > _COUNTED_AT_LEAST and at_ns - function.look_ns < _HOT_WITHIN_NS
        recent_ns = (count - function.look_count) * budget.counted_ns
        return self._counting_is_too_dear(budget, function, recent_ns, at_ns)

    def _counting_is_too_dear(self, budget: Budget, function: Function, recent_ns: int, at_ns: int) -> bool:
        budget.gauge()
        budget.spend(recent_ns)
        function.counting_ns += recent_ns
        return not budget.may_count(function.counting_ns, recent_ns, at_ns - function.look_ns, at_ns)

    def _record_next_calls(self, function: Function, count: int, at_ns: int) -> bool:
        """Record some calls again, if the budget allows it."""
        function.fresh_at_ns = at_ns + max(_FRESH_AFTER_NS, (at_ns - self._started_ns) // _FRESH_SHARE)
        budget = self._budget
        if budget is not None:
            cost_ns = _FRESH_CALLS * function.cost_ns
            if not budget.may_record(1, cost_ns, at_ns, is_own=function.is_own):
                return False
            budget.spend(cost_ns)
        function.limit = count + _FRESH_CALLS - 1
        return True

    def _switch_off(self, function: Function, frame: FrameType, at_ns: int) -> bool:
        """Switch a function off; return False if it goes on."""
        if function.raised:  # exceptions of the next calls would go unseen
            function.raised = False
            return False
        if not self.off.add(function, frame, at_ns):
            return False
        if function.exact:
            function.exact = False
            self._session.write_function(function)
            self._gaps.caller_switched_off(function.function_id)
        return True

    def stepped(self, function: Function, frame: FrameType, steps: int) -> bool:
        """Count the suspensions and resumes of generators and coroutines, of which *function* had the last.

        Args:
            function: The function.
            frame: The frame that is suspended or resumed.
            steps: Their number since this was called last.

        Returns:
            False if the function is to be switched off, which is not possible now.
        """
        budget = self._budget
        if budget is None or function.is_off or function.slot < 0:
            return True
        at_ns = system.now_ns()
        is_hot = self._counting_is_too_dear(budget, function, steps * budget.event_ns // 2, at_ns)
        function.look_ns = at_ns
        return not is_hot or self._switch_off(function, frame, at_ns)

    def is_stray(self, function: Function, frame: FrameType) -> bool:
        """Return whether a return of a switched-off function ends a call whose start was not observed."""
        return self.off.is_stray(function, frame)

    def _about_to_observe(self, functions: List[Function], at_ns: int) -> None:
        """Record the next calls of functions that are switched on."""
        counters = self._session.spool.counters
        for function in functions:
            count = counters[function.counter] if counters is not None else 0
            self._record_next_calls(function, count + 1, at_ns)
            function.look_count = count
            function.look_ns = at_ns

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
        if frame is not None:
            self._calls.drop_unseen_ends(thread, frame)
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
                    self.off.observe_again(function)
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
        for _ in range(MAX_STACK_FRAMES):
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


def _learned(known_ns: int, sample_ns: int) -> int:
    """Return what is thought of a cost after another sample.

    A lower one counts at once, a higher one in part: the first is dear, as nothing is in the caches, and any may be
    interrupted.
    """
    return min(sample_ns, (known_ns + sample_ns) // 2) if known_ns else sample_ns
