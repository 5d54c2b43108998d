"""Calls: written when they begin and when they end, and kept in between.

The backends say what happens. The monitoring backend repeats ``begin`` and ``end`` inline for ordinary functions (its
hot path); a test holds both equal.
"""

from __future__ import annotations

import gc
from time import perf_counter_ns
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType

from ..record_format import KIND_LATE_CALL, OUTCOME_CANCELLED
from ..runtime.late_modules import load_late_module
from ..session.functions import Function
from ..session.open_calls import ROOT, CallState
from ..session.threads import ThreadState, write_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional

    from ..session.open_calls import OpenCall
    from ..session.session import Session
    from .greenlets import GreenletChains
    from .lines import LineLog
    from .tasks import TaskLog
    from .test_runners import TestLog

_LATE = KIND_LATE_CALL.encode()


class CallLog:
    """Pairs the begins and ends of calls, by frame, and writes both."""

    def __init__(
        self,
        session: Session,
        tasks: TaskLog,
        greenlets: GreenletChains,
        lines: Optional[LineLog],
        tests: Callable[[], TestLog],
    ) -> None:
        self._session = session
        self._tasks = tasks
        self._greenlets = greenlets
        self._lines = lines
        self._tests = tests
        self._next_id = session.next_call_id
        self._yields: Any = None  # the module, kept: a program may replace what imports go by
        self.suspended: Dict[int, OpenCall] = {}  # generators and coroutines that wait, by the id of their frame
        # The recorded calls that an exception which is only counted has ended: their ids by frame id, by its address.
        self.unwound: Dict[int, Dict[int, int]] = {}

    def clear(self) -> None:
        """Forget all: a forked child begins anew."""
        self.suspended.clear()
        self.unwound.clear()

    def begin(self, function: Function, frame: FrameType, since_ns: int = 0) -> None:
        """A call of *function* starts in *frame*, or is recorded late: it runs since that time."""
        if function.suspends:
            self.drop_suspended(id(frame))
        session = self._session
        thread = session.thread()
        state = None
        if function.keeps_state:
            in_task = function.suspends and function.kind != "generator"
            state = CallState(in_task)
            if function.kind.endswith("generator"):
                if self._yields is None:
                    load_late_module("events.yields")
                    from . import yields

                    self._yields = yields
                count = self._yields.Yields if function.kind == "generator" else self._yields.AsyncYields
                state.yields = count(function.encode_result)
            if self._lines is not None and not since_ns:  # those of a call that runs already would lack the first
                state.lines = self._lines.new_call(function)
            self._enter_task(thread, state)
            if function.runs_tests and not since_ns:
                self._tests().starts(function.code, frame)
        top = thread.top
        call = self._next_id()
        frame_locals = frame.f_locals
        arguments = function.encoded_arguments(frame_locals)
        if session.clears_locals and function.clears_locals:
            frame_locals.clear()
        site = self.site(top)
        if thread.task:
            site = b"%b\t%d\n" % (site[:-1], thread.task)
        record = function.record % (call, since_ns or perf_counter_ns(), *arguments, top[0], site)
        if since_ns:
            record = _LATE + record[1:]
        # A signal handler may raise in between anything but these two, here and where calls end.
        thread.top = (call, top, frame, state, function.call_sites)
        try:
            thread.write(record)
        except ValueError:
            thread.write_over(record)

    def site(self, caller: OpenCall) -> bytes:
        """The end of the record of a call that *caller* makes now: the line that it is at."""
        at = caller[2].f_lasti
        sites = caller[4]
        site = sites.get(at)
        if site is None:
            if caller[1] is None:  # the thread's first call
                self._session.rename_thread()
            line = caller[2].f_lineno  # None in code that the compiler made up
            site = sites[at] = b"\t%d\n" % line if line else b"\t\n"
        return site

    def end(self, thread: ThreadState, at_ns: int, value: bytes, outcome: int = 0, exception: int = 0) -> None:
        """The thread's innermost call ends. value: JSON of what it returned, empty if it raised."""
        call, parent, frame, state, _sites = thread.top
        record = b"R\t%d\t%d\t%b" % (call, at_ns, value)
        suspended_ns = 0
        if state is not None:
            suspended_ns = state.suspended_ns
            thread.task = state.outer_task
            if state.lines is not None:
                state.lines.ends(thread, call, frame, at_ns)
            if state.yields is not None:
                state.yields.end(thread, call, at_ns)
        if outcome or suspended_ns:
            record += b"\t%d\t%d" % (outcome, suspended_ns)
            if exception:
                record += b"\t%d" % exception
        record += b"\n"
        thread.top = parent or ROOT
        try:
            thread.write(record)
        except ValueError:
            thread.write_over(record)

    def unwind(self, thread: ThreadState, at_ns: int, outcome: int, exception: int, address: int) -> None:
        """The thread's innermost call is ended by an exception: its id, 0 for one that is only counted, and address."""
        if not exception:
            unwound = self.unwound.get(address)
            if unwound is not None:
                unwound[id(thread.top[2])] = thread.top[0]
        self.end(thread, at_ns, b"", outcome, exception)

    def suspend(self, thread: ThreadState, at_ns: int, value: Any) -> None:
        """The innermost call, of a generator or coroutine, gives up control for now, and yields this value."""
        call, parent, frame, state, sites = thread.top
        if state is not None and state.yields is not None:
            state.yields.add(thread, call, at_ns, value)
        thread.top = parent or ROOT
        if state is not None:
            state.since_ns = at_ns
            thread.task = state.outer_task
            # Without the frame: an abandoned generator is to die when the program drops it.
            self.suspended[id(frame)] = (call, None, None, state, sites)

    def resume(self, thread: ThreadState, frame: FrameType, at_ns: int) -> bool:
        """A suspended call goes on, perhaps in another thread; False if it is not one of ours."""
        suspended = self.suspended.pop(id(frame), None)
        if suspended is None:
            return False
        call, _parent, _frame, state, sites = suspended
        if state is not None:
            state.suspended_ns += at_ns - state.since_ns
            self._enter_task(thread, state)
        thread.top = (call, thread.top, frame, state, sites)
        return True

    def _enter_task(self, thread: ThreadState, state: CallState) -> None:
        state.outer_task = thread.task
        if state.in_task:
            thread.task = self._tasks.current()

    def is_open(self, thread: ThreadState, frame: FrameType) -> bool:
        """Whether *frame* is the thread's innermost open call, after dropping calls above it whose end was not seen."""
        if thread.top[2] is frame:
            return True
        above = thread.top[1]
        while above is not None:
            if above[2] is frame:
                thread.top = above
                return True
            above = above[1]
        self._greenlets.check()
        return False

    def line_starts(self, frame: FrameType, line: int) -> None:
        """Record that a line starts in *frame*, unless its call is only counted."""
        thread = self._session.thread()
        if self.is_open(thread, frame):
            state = thread.top[3]
            if state is not None and state.lines is not None:
                state.lines.starts(thread, frame, line)

    def end_dropped_generators(self) -> None:
        """End the suspended calls whose generator is gone.

        From 3.13 on a generator that is closed or dropped while it waits outside of any ``try`` ends without an event.
        """
        if not self.suspended:
            return
        alive = set()
        for candidate in gc.get_objects():
            kind = type(candidate)
            if kind is GeneratorType:
                alive.add(id(candidate.gi_frame))
            elif kind is CoroutineType:
                alive.add(id(candidate.cr_frame))
            elif kind is AsyncGeneratorType:
                alive.add(id(candidate.ag_frame))
        for address in list(self.suspended):
            if address not in alive:
                self.drop_suspended(address)

    def drop_suspended(self, address: int) -> None:
        """A suspended call will not go on: another frame has its address, or its generator is gone."""
        dropped = self.suspended.pop(address, None)
        if dropped is not None and dropped[3] is not None:
            call, state, thread = dropped[0], dropped[3], self._session.thread()
            if state.yields is not None:
                state.yields.end(thread, call, state.since_ns)
            ended = (call, state.since_ns, OUTCOME_CANCELLED, state.suspended_ns)
            write_record(thread, b"R\t%d\t%d\t\t%d\t%d\n" % ended)
