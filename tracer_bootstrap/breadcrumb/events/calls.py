"""Write calls when they begin and when they end, and keep them in between.

The backends report the events. The monitoring backend repeats ``begin`` and ``end`` inline for ordinary functions (its
hot path); a test compares what both write.
"""

from __future__ import annotations

import gc
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType

from ..record_format import KIND_LATE_CALL, NOTICE_ENDS_UNSEEN, OUTCOME_CANCELLED
from ..runtime.late_modules import load_late_module
from ..runtime.live_locals import live_locals
from ..runtime.locals_dict import may_keep_locals, single_variables
from ..runtime.system import system
from ..session.functions import Function
from ..session.open_calls import MAX_STACK_FRAMES, ROOT, CallState
from ..session.threads import ThreadState, write_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Set

    from ..session.functions import Observer
    from ..session.open_calls import OpenCall
    from ..session.session import Session
    from .greenlets import GreenletChains
    from .tasks import TaskLog

_LATE = KIND_LATE_CALL.encode()


class CallLog:
    """The open and suspended calls of all threads, whose begins and ends are written.

    Args:
        session: Holds the threads, which hold their open calls.
        tasks: Knows the running task.
        greenlets: Checks that switches of greenlets are observed.
        observer: Returns the log that reads a function which is observed whether it is traced or not.
    """

    def __init__(
        self,
        session: Session,
        tasks: TaskLog,
        greenlets: GreenletChains,
        observer: Callable[[CodeType], Observer],
    ) -> None:
        self._session = session
        self._tasks = tasks
        self._greenlets = greenlets
        self._observer = observer
        self._next_id = session.next_call_id
        # Ids of frames of open calls whose ends will not be seen.
        self.unseen_ends: Set[int] = set()
        self._yields: Any = None  # the module, kept: a program may replace what imports use
        self.suspended: Dict[int, OpenCall] = {}  # calls of generators and coroutines, by the id of their frame
        # By the address of an exception that was counted or is a group: the calls that it has ended, by frame id.
        self.unwound: Dict[int, Dict[int, int]] = {}
        # Called with the function and the cost of an end whose begin adaptive capture has timed.
        self.timed_end: Callable[[Function, int], None] = lambda function, cost_ns: None

    def parts_in_c(self) -> Dict[str, Any]:
        """Return what the core in C needs of this log; the tables stay the same ones."""
        return {
            "call_site": self.site,
            "current_task": self._tasks.current,
            "suspended": self.suspended,
            "unseen_ends": self.unseen_ends,
            "unwound": self.unwound,
        }

    def clear(self) -> None:
        """Forget all calls, in a forked child."""
        self.suspended.clear()
        self.unwound.clear()
        self.unseen_ends.clear()

    def begin(self, function: Function, frame: FrameType, since_ns: int = 0) -> None:
        """Write that a call begins, and make it the thread's innermost open call.

        Args:
            function: The function that is called.
            frame: The frame of the call.
            since_ns: The time at which a call that is recorded late began; 0 for one that begins now.
        """
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
            if function.lines is not None and not since_ns:  # a late call would lack its first lines
                state.lines = function.lines.new_call(function)
            self._enter_task(thread, state)
            if function.is_observed and not since_ns:
                self._observer(function.code).starts(function.code, frame)
        if self.unseen_ends:
            self.drop_unseen_ends(thread, frame)
        top = thread.top
        call = self._next_id()
        if since_ns and may_keep_locals(function.code):  # running already: it may have called locals()
            frame_locals: Any = dict(single_variables(frame))
        else:
            frame_locals = live_locals(frame) if since_ns else frame.f_locals
        arguments = function.encoded_arguments(frame_locals)
        if session.clears_locals and function.clears_locals:
            frame_locals.clear()
        site = self.site(top)
        if thread.task:
            site = b"%b\t%d\n" % (site[:-1], thread.task)
        record = function.record % (call, since_ns or system.now_ns(), *arguments, top[0], site)
        if since_ns:
            record = _LATE + record[1:]
        # Kept adjacent, as in ``end``: between other statements a signal handler of the program may raise.
        thread.top = (call, top, frame, state, function.call_sites)
        try:
            thread.write(record)
        except ValueError:
            thread.write_over(record)

    def site(self, caller: OpenCall) -> bytes:
        """Return the end of the record of a call that *caller* makes now: the line that the caller is at."""
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
        """Write that the thread's innermost call ends.

        Args:
            thread: The current thread.
            at_ns: The time of the end.
            value: The result as JSON text; empty if the call raised.
            outcome: One of ``record_format.OUTCOME_*``.
            exception: The id of the exception that ended the call; 0 if there is none, or it was only counted.
        """
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
        if state is not None and state.timed is not None:
            self.timed_end(state.timed, system.now_ns() - at_ns)

    def unwind(self, thread: ThreadState, at_ns: int, outcome: int, exception: int, address: int) -> None:
        """Write that an exception ends the thread's innermost call.

        Args:
            thread: The current thread.
            at_ns: The time of the end.
            outcome: One of ``record_format.OUTCOME_*``.
            exception: The id of the exception; 0 if it was only counted.
            address: Its id().
        """
        if self.unwound:
            unwound = self.unwound.get(address)
            if unwound is not None:
                unwound[id(thread.top[2])] = thread.top[0]
        self.end(thread, at_ns, b"", outcome, exception)

    def suspend(self, thread: ThreadState, at_ns: int, value: Any) -> None:
        """Suspend the innermost call, of a generator or coroutine that yields *value*."""
        call, parent, frame, state, sites = thread.top
        if state is not None and state.yields is not None:
            state.yields.add(thread, call, at_ns, value)
        thread.top = parent or ROOT
        if state is not None:
            state.since_ns = at_ns
            thread.task = state.outer_task
            # Without the frame, so that an abandoned generator dies when the program drops it.
            self.suspended[id(frame)] = (call, None, None, state, sites)

    def resume(self, thread: ThreadState, frame: FrameType, at_ns: int) -> bool:
        """Resume a suspended call, perhaps in another thread; return False if it is not recorded."""
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
        """Return whether *frame* is the innermost open call, after dropping calls within it whose end was not seen."""
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

    def give_up(self, function: Function, frames: Set[int]) -> None:
        """Await the ends of a function's open calls no more: they are stored as unfinished.

        Args:
            function: The function.
            frames: The ids of the frames of such calls, recorded or not.
        """
        for address in frames:
            suspended = self.suspended.get(address)
            if suspended is not None and suspended[4] is function.call_sites:
                del self.suspended[address]
            else:
                self.unseen_ends.add(address)
        self._session.notice_once(
            NOTICE_ENDS_UNSEEN,
            "the ends of some calls were not awaited, as capture.overhead was used up: they are shown as unfinished "
            "(the first: of %s.%s)" % (function.module, function.name),
        )

    def drop_unseen_ends(self, thread: ThreadState, frame: FrameType) -> None:
        """Take calls off the thread's open ones that have ended unseen, before a call in *frame* is added to them."""
        top = thread.top
        while top[1] is not None and id(top[2]) in self.unseen_ends:
            back: Optional[FrameType] = frame
            for _ in range(MAX_STACK_FRAMES):
                if back is None or back is top[2]:
                    break
                back = back.f_back
            if back is top[2]:
                break
            self.unseen_ends.discard(id(top[2]))
            top = thread.top = top[1]

    def line_starts(self, frame: FrameType, line: int) -> None:
        """Record that a line starts in *frame*, unless its call is only counted."""
        thread = self._session.thread()
        if self.is_open(thread, frame):
            state = thread.top[3]
            if state is not None and state.lines is not None:
                state.lines.starts(thread, frame, line)

    def end_dropped_generators(self) -> None:
        """End the suspended calls whose generator no longer exists.

        From 3.13 on, a generator that is closed or dropped while it waits outside of any ``try`` ends without an event.
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
        """End a suspended call that cannot go on: its generator is gone, or another frame has its address.

        Args:
            address: The id() of the call's frame. Nothing happens if no call is suspended there.
        """
        dropped = self.suspended.pop(address, None)
        if dropped is not None and dropped[3] is not None:
            call, state, thread = dropped[0], dropped[3], self._session.thread()
            if state.yields is not None:
                state.yields.end(thread, call, state.since_ns)
            ended = (call, state.since_ns, OUTCOME_CANCELLED, state.suspended_ns)
            write_record(thread, b"R\t%d\t%d\t\t%d\t%d\n" % ended)
