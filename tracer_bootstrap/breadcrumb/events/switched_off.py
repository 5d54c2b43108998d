"""Hold the functions that are not observed for a while, and observe them again.

While they are off, nothing may happen that the tracer sees: so the server's signal also asks to switch them on.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found, unused-ignore]
import sys
from types import FrameType

from ..platform_features import HAS_REALTIME_SIGNALS, LOOK_SIGNAL
from ..runtime.guard import failure_handler
from ..runtime.system import system
from ..session.open_calls import MAX_STACK_FRAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Optional, Protocol, Set

    from ..session.functions import Function
    from ..session.session import Session
    from .calls import CallLog

    class Switch(Protocol):
        """A backend that can switch off the observation of single functions."""

        def switch_off(self, function: Function, awaits_returns: bool) -> None:
            """Observe the function no more, or only its returns if *awaits_returns* is true."""

        def switch_on(self, functions: List[Function]) -> None:
            """Observe the functions again."""


# Nanoseconds that functions stay switched off at least, and then a tenth (1 / OFF_SHARE) of the process's running time.
OFF_AT_LEAST_NS = 100_000_000
OFF_SHARE = 10

# Returns of a function that is off which end calls whose starts were not observed, until it is looked for open calls.
STRAYS_BETWEEN_LOOKS = 1024


class SwitchedOff:
    """The functions that are switched off.

    Args:
        session: Holds the traced functions.
        calls: Holds the recorded calls that are suspended.
        when_on: Called with functions that are about to be observed again, and with the time.
    """

    def __init__(self, session: Session, calls: CallLog, when_on: Callable[[List[Function], int], None]) -> None:
        self._session = session
        self._calls = calls
        self._when_on = when_on
        self.functions: List[Function] = []
        self.awaiting: Dict[int, Function] = {}  # those whose returns are still observed, by id(code)
        self._wake_at_ns = 0
        self._started_ns = system.now_ns()
        self._listens = False
        self._switch: Optional[Switch] = None
        self._handle_failure = failure_handler(session)
        # Whether functions may be switched on at that time.
        self.may_wake: Callable[[int], bool] = lambda at_ns: True
        # Whether the returns of a function may be awaited further, of which so many were for nothing.
        self.may_await: Callable[[int], bool] = lambda strays: True

    def switch_with(self, switch: Switch) -> None:
        """Switch functions off by *switch*."""
        self._switch = switch

    def clear(self) -> None:
        """Switch all functions on, in a forked child."""
        if self.functions and self._switch is not None:
            self._switch.switch_on(self.functions)
        self.functions = []
        self.awaiting.clear()
        self._started_ns = system.now_ns()

    def add(self, function: Function, frame: FrameType, at_ns: int) -> bool:
        """Switch a function off, during a call of it in *frame*; return False if that is impossible now."""
        if self._switch is None:
            return False
        awaited = self._open_calls(function, frame)
        if awaited is None:
            return False
        function.is_off = True
        if not self._listens:
            self._listen()
        if not self.functions:
            self._wake_at_ns = at_ns + self._pause_ns(at_ns)
        self.functions.append(function)
        self._await(function, awaited)
        return True

    def _await(self, function: Function, awaited: Set[int]) -> None:
        function.awaited = awaited
        function.strays = 0
        if awaited:
            self.awaiting[id(function.code)] = function
        else:
            self.awaiting.pop(id(function.code), None)
        if self._switch is not None:
            self._switch.switch_off(function, bool(awaited))

    def _pause_ns(self, at_ns: int) -> int:
        return max(OFF_AT_LEAST_NS, (at_ns - self._started_ns) // OFF_SHARE)

    def _open_calls(self, function: Function, frame: Optional[FrameType]) -> Optional[Set[int]]:
        """Return the ids of the frames whose return is still to be seen.

        None if the function cannot be switched off now: a recorded call of a generator or coroutine is running, whose
        next suspension must be seen, or later calls would seem to be made by it.
        """
        found = _running_frames(function)
        if frame is not None:
            found.discard(id(frame))
        if not function.suspends:
            return found
        top = self._session.thread().top
        while top[1] is not None:
            if top[4] is function.call_sites:
                return None
            top = top[1]
        if len(sys._current_frames()) > 1 and found:  # perhaps recorded, in another thread
            return None
        suspended = self._calls.suspended
        return {address for address, call in list(suspended.items()) if call[4] is function.call_sites}

    def is_stray(self, function: Function, frame: FrameType) -> bool:
        """Return whether a return of a switched-off function ends a call whose start was not observed.

        After many such returns, look again which calls still run: without one, returns are no longer observed.
        """
        if id(frame) in function.awaited:
            function.awaited.discard(id(frame))
            if not function.awaited:
                self._await(function, function.awaited)
            return False
        self.look_for_open_calls(function, frame)
        return True

    def look_for_open_calls(self, function: Function, frame: FrameType) -> None:
        """Look which calls of a function still run, and stop awaiting their ends if there is none or too much of it."""
        awaited = self._open_calls(function, frame)
        if awaited and not self.may_await(function.strays):
            self._calls.give_up(function, awaited)
            awaited = set()
        if awaited is not None:
            self._await(function, awaited)
        function.strays = 0

    def wake_if_due(self, at_ns: int) -> None:
        """Switch all functions on, if they were off for long enough and the budget allows it."""
        if at_ns < self._wake_at_ns:
            return
        if not self.may_wake(at_ns):
            self._wake_at_ns = at_ns + self._pause_ns(at_ns)
            return
        functions, self.functions = self.functions, []
        self._observe(functions, at_ns)

    def observe_again(self, function: Function) -> None:
        """Switch one function on."""
        self.functions = [other for other in self.functions if other is not function]
        self._observe([function], system.now_ns())

    def _observe(self, functions: List[Function], at_ns: int) -> None:
        for function in functions:
            function.is_off = False
            self.awaiting.pop(id(function.code), None)
        self._when_on(functions, at_ns)
        if functions and self._switch is not None:
            self._switch.switch_on(functions)

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
                self.wake_if_due(max(self._wake_at_ns, system.now_ns()))
            except RecursionError:
                session.near_recursion_limit = True
            except BaseException as error:
                self._handle_failure(error)


def _running_frames(function: Function) -> Set[int]:
    """Return the ids of the frames that run the function's code, in all threads."""
    found = set()
    for thread_frame in sys._current_frames().values():
        frame: Optional[FrameType] = thread_frame
        for _ in range(MAX_STACK_FRAMES):
            if frame is None:
                break
            if frame.f_code is function.code:
                found.add(id(frame))
            frame = frame.f_back
    return found
