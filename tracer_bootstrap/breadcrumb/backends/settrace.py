"""The backend for Python 3.8 to 3.11: sys.settrace.

The global trace function sees each call of the thread and answers None for what is not traced. For what is, a local
trace function sees its returns and exceptions; single instructions only while an exception is under way, to see
whether it is handled.
"""

from __future__ import annotations

import gc
import sys
from _thread import get_ident
from opcode import opmap
from time import perf_counter_ns
from types import CodeType, FrameType

from ..events import greenlets
from ..events.exceptions import is_control_flow
from ..record_format import NOTICE_TRACER_REPLACED, OUTCOME_CANCELLED, OUTCOME_RAISED
from ..runtime.classes import class_module, class_name
from ..runtime.features import CLASS_CELL_HIDES_VARIABLE, HAS_YIELD_FROM_OPCODE, RECURSION_ERROR_MUST_PROPAGATE
from ..runtime.guard import failed
from ..runtime.interruptions import is_of_the_program, starts_guarded
from ..session.functions import SUSPENDS, callable_code, is_runner, module_of
from ..session.patterns import is_own
from . import Backend
from .in_flight import Arrival, InFlight

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional

    from ..session.functions import Function
    from ..session.threads import ThreadState
    from . import Parts

_RETURN_VALUE = opmap["RETURN_VALUE"]
_YIELD_VALUE = opmap["YIELD_VALUE"]
_YIELD_FROM = opmap.get("YIELD_FROM", 0)

# Modules that set in a thread, as it starts or takes up a task, what ``threading.settrace`` was given.
_SETS_HOOK_OF_THREADING = ("threading", "gevent.threadpool")

# How near to the recursion limit a frame must not be for tracing to go on.
_HEADROOM_FRAMES = 100

# Code that is not traced is remembered, so that the patterns are asked once; the memory is bounded, because
# programs can make code without end.
_MAX_SKIPPED = 20_000


class SettraceBackend(Backend):
    """Observe through sys.settrace in every thread."""

    name = "settrace"
    clears_locals = False  # what a trace function leaves in f_locals is written back into the variables

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._trace_function = self._on_call  # one object, by which it is known again
        self._watches_settrace = False
        self._said_replaced = False
        self._is_paused = False
        self._drops_by_itself = False  # the interpreter, a trace function that has raised
        self._skipped: Dict[int, CodeType] = {}
        self._opcodes: Dict[int, bytes] = {}
        self._in_flight = InFlight(self._opcodes_of)
        self._arrivals = self._in_flight.of_frame  # empty most of the time

    def start(self) -> None:
        """Begin to observe this thread and those that start from now on. Raises RuntimeError if another tracer does."""
        other = sys.gettrace()
        if other is not None:
            raise RuntimeError(
                "sys.settrace is in use already, by %s: nothing is traced (before Python 3.12 only one can be at work)"
                % _described(other)
            )
        threading = sys.modules.get("threading")
        if threading is not None:
            threading.settrace(self._trace_function)
        sys.settrace(self._trace_function)

    def stop(self) -> None:
        """Observe nothing any more."""
        threading = sys.modules.get("threading")
        if threading is not None:
            threading.settrace(None)  # type: ignore[arg-type, unused-ignore]
        sys.settrace(None)

    def _watch_settrace(self) -> None:
        """Find out who takes sys.settrace away: nothing else tells, and from then on nothing is seen.

        Not before some code names it, as few programs have: with an audit hook all that is audited (``id``, the code of
        a frame: each call event needs both) takes five times as long. The hook is no method, which would double that.
        """
        self._watches_settrace = True

        def on_audit(event: str, arguments: Any) -> None:
            if event == "sys.settrace" and not self._said_replaced and not self._drops_by_itself:
                try:
                    self._settrace_is_called(sys._getframe(1))
                except Exception as error:
                    if is_of_the_program(error):
                        raise

        try:
            sys.addaudithook(on_audit)
        except BaseException:  # a hook that was there before wants no other, and the program is to run all the same
            pass

    def _settrace_is_called(self, caller: FrameType) -> None:
        if is_own(caller.f_code.co_filename):
            return
        if module_of(caller) in _SETS_HOOK_OF_THREADING:
            if getattr(sys.modules.get("threading"), "_trace_hook", None) is self._trace_function:
                return
        elif sys.gettrace() is not self._trace_function:  # it is somebody else's thread already
            return
        path = self._session.include.absolute(caller.f_code.co_filename)
        self._tell_replaced(
            "was called at %s:%d (%s), in the tracer's place" % (path, caller.f_lineno, caller.f_code.co_name)
        )

    def before_end(self) -> None:
        """Write a notice if sys.settrace was taken in a way that was not seen: by an extension in C, say."""
        now = sys.gettrace()
        expected = now is self._trace_function or self._is_paused or self._drops_by_itself
        if not expected and not self._said_replaced:
            by = "is in use by %s, in the tracer's place" % _described(now) if now is not None else ""
            self._tell_replaced(by or "has lost the tracer, to code in C or at the recursion limit")

    def _tell_replaced(self, how: str) -> None:
        self._said_replaced = True
        self._session.notice(
            NOTICE_TRACER_REPLACED,
            "sys.settrace %s: that thread's calls from then on are not recorded, unless it was given back. Run without "
            "that tool, or on Python 3.12 or newer, where both can work" % how,
        )

    @starts_guarded
    def _on_call(self, frame: FrameType, event: str, argument: Any) -> Any:
        """The global trace function: a frame starts or, if it is a generator's, goes on."""
        try:
            if event != "call":
                return None
            code = frame.f_code
            key = id(code)
            session = self._session
            if not session.not_forked[0]:
                session.notice_fork()
            function = self._functions.get(key)
            if function is None:
                if key in self._skipped:
                    return self._gap_starts(code, frame)
                if _would_lose_class(code):
                    return None
                function = self._decide(code, frame)
                if function is None:
                    return (
                        self._awaited_module_starts(code, frame)
                        or self._runner_starts(code, frame)
                        or self._gap_starts(code, frame)
                    )
            thread = session.thread()
            if function.suspends and self._calls.resume(thread, frame, perf_counter_ns()):
                return self._on_event
            if function.suspends:
                first = self._first_instruction(code)
                if frame.f_lasti != first:
                    return None  # it started before the tracer, or is closed without ever having started
                if first < 0:
                    return self._on_generator_event  # which of the two shows in the next event
            return self._begin(function, frame)
        except RecursionError as error:
            self._pause(error)
            return None
        except BaseException as error:
            self._failed(frame, event, error)
            return None

    def _begin(self, function: Function, frame: FrameType) -> Any:
        """A call starts; the local trace function for it."""
        adaptive = self._adaptive
        if adaptive is not None and adaptive.skips(function, frame):
            if function.suspends:  # nothing is seen of it after it was suspended for the first time
                adaptive.begun.pop(id(frame), None)
            frame.f_trace_lines = False
            return self._on_counted
        frame.f_trace_lines = function.lines
        if self._arrivals:  # the end of one that was here before may have passed unseen
            self._in_flight.forget(frame)
        self._calls.begin(function, frame)
        return self._on_event

    @starts_guarded
    def _on_generator_event(self, frame: FrameType, event: str, argument: Any) -> Any:
        """The first event in a generator's frame, until 3.10: a line if it starts, an exception if it is closed."""
        try:
            if event != "line":
                return None
            function = self._functions[id(frame.f_code)]
            local = self._begin(function, frame)
            if function.lines:
                self._line_starts(frame)
            return local
        except BaseException as error:
            self._failed(frame, event, error)
            return None

    def _failed(self, frame: FrameType, event: str, error: BaseException) -> None:
        """A trace function has failed; raises *error* again if it belongs to the program (see ``failed``).

        A trace function that raises is dropped by the interpreter, which then lets go of the frame's own: that is the
        moment to set both again.
        """
        try:
            failed(self._session, error)
        except BaseException:
            calls, thread = self._calls, self._session.thread()
            if event in ("call", "return") and calls.is_open(thread, frame):  # the frame ends, without a word
                calls.end(thread, perf_counter_ns(), b"", OUTCOME_RAISED)
            self._drops_by_itself = True
            frame.f_trace = _SetAgain(frame, self._set_again)  # type: ignore[assignment, unused-ignore]
            raise

    def _set_again(self) -> None:
        sys.settrace(self._trace_function)
        self._drops_by_itself = False

    def _pause(self, error: RecursionError) -> None:
        """The recursion limit is near: let the program come to it by itself.

        A trace function that cannot be called any more is dropped by the interpreter, and the error raised in the
        program. Tracing goes on from the first garbage collection of this thread at a safe depth: the
        traceback of a RecursionError alone is enough objects for one.
        """
        sys.settrace(None)
        self._is_paused = True
        ident = get_ident()

        def go_on(phase: str, info: Any) -> None:
            if get_ident() != ident:
                return
            try:
                sys._getframe(max(sys.getrecursionlimit() - _HEADROOM_FRAMES, 1))
            except ValueError:  # not that deep any more
                gc.callbacks.remove(go_on)
                sys.settrace(self._trace_function)
                self._is_paused = False

        gc.callbacks.append(go_on)
        self._session.near_recursion_limit = True
        self._session.exception_ids = {}  # of those that are raised meanwhile nothing is heard
        if RECURSION_ERROR_MUST_PROPAGATE:
            raise error.with_traceback(None)

    def _decide(self, code: CodeType, frame: FrameType) -> Optional[Function]:
        if not self._watches_settrace and "settrace" in code.co_names:
            if module_of(frame) not in _SETS_HOOK_OF_THREADING:
                self._watch_settrace()
        if self._function_log.is_included(code, frame):
            function = self._function_log.add(code, frame)
            if function is not None:
                return function
        if not is_runner(code):
            if len(self._skipped) >= _MAX_SKIPPED:
                self._skipped.clear()
            self._skipped[id(code)] = code
        return None

    def _first_instruction(self, code: CodeType) -> int:
        """f_lasti in the call event of a frame that starts."""
        if HAS_YIELD_FROM_OPCODE:
            return -1
        opcodes = self._opcodes_of(code)
        position = 0
        while opcodes[position] != opmap["RESUME"]:
            position += 2
        return position

    def _opcodes_of(self, code: CodeType) -> bytes:
        opcodes = self._opcodes.get(id(code))
        if opcodes is None:
            opcodes = self._opcodes[id(code)] = code.co_code  # made anew at each access from 3.11 on
        return opcodes

    def _gap_starts(self, code: CodeType, frame: FrameType) -> Any:
        back = frame.f_back
        if back is None:
            return None
        caller = self._functions.get(id(back.f_code))
        if caller is None:
            return None
        gap = self._gaps.gaps.get(id(code))
        if gap is None:
            gap = self._gaps.discover(code, frame)
            if gap is None:
                return None
        else:
            self._gaps.begin(gap, frame)
        frame.f_trace_lines = False
        return self._on_gap_event

    def _awaited_module_starts(self, code: CodeType, frame: FrameType) -> Any:
        """Import of threading or greenlet: what they start is to be observed as soon as they can.

        They are not imported by the tracer, because programs may want to patch them first (gevent).
        """
        if code.co_name == "<module>" and module_of(frame) in ("threading", greenlets.MODULE):
            frame.f_trace_lines = False
            return self._on_awaited_module
        return None

    def _on_awaited_module(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "return":
            self._module_is_loaded(frame)
        return self._on_awaited_module

    def _module_is_loaded(self, frame: FrameType) -> None:
        name = module_of(frame)
        if name == "threading":
            settrace = frame.f_globals.get("settrace")
            if settrace is not None:
                settrace(self._trace_function)
        elif name == greenlets.MODULE:
            self._greenlets.loaded()

    def _runner_starts(self, code: CodeType, frame: FrameType) -> Any:
        """A function of a test runner that says which test runs, if it is one."""
        if is_runner(code):
            self._tests().starts(code, frame)
            frame.f_trace_lines = False
            return self._on_runner_event
        return None

    @starts_guarded
    def _on_runner_event(self, frame: FrameType, event: str, argument: Any) -> Any:
        try:
            if event == "return":
                self._tests().ends(frame.f_code, frame, argument)
        except BaseException as error:
            self._failed(frame, event, error)
        return self._on_runner_event

    @starts_guarded
    def _on_counted(self, frame: FrameType, event: str, argument: Any) -> Any:
        """The local trace function of a call that is only counted, until it is recorded late."""
        try:
            at_ns = perf_counter_ns()
            session = self._session
            if session.thread().top[2] is frame:
                return self._on_event(frame, event, argument)  # further in, an exception has made a record of it
            if event == "return" and self._adaptive is not None:
                arrival = self._in_flight.last(frame) if self._arrivals else None
                is_recorded = arrival is not None and self._leaves_counted(frame, arrival)
                if is_recorded or self._adaptive.end(self._functions[id(frame.f_code)], frame, at_ns):
                    self._returns(frame, argument, at_ns)
                elif arrival is not None:
                    self._in_flight.forget(frame)
            elif event == "exception":
                self._exception_arrives(frame, argument[1], argument[2])
                if session.thread().top[2] is frame:
                    return self._on_event
                arrival = self._in_flight.last(frame)
                frame.f_trace_opcodes = arrival is not None and arrival.to_keep
            elif event == "opcode":
                self._handler_runs(frame)
            return self._on_counted
        except RecursionError:
            self._session.near_recursion_limit = True
            self._session.exception_ids = {}
        except BaseException as error:
            self._failed(frame, event, error)
        return self._on_counted

    @starts_guarded
    def _on_gap_event(self, frame: FrameType, event: str, argument: Any) -> Any:
        try:
            if event == "return":
                self._gaps.end(frame, perf_counter_ns())
            return self._on_gap_event
        except BaseException as error:
            self._failed(frame, event, error)
        return self._on_gap_event

    @starts_guarded
    def _on_event(self, frame: FrameType, event: str, argument: Any) -> Any:
        """The local trace function of a recorded call."""
        try:
            at_ns = perf_counter_ns()
            if not self._session.not_forked[0]:
                self._session.notice_fork()
            if event == "return":
                self._returns(frame, argument, at_ns)
            elif event == "exception":
                self._exception_arrives(frame, argument[1], argument[2])
            elif event == "opcode":
                self._handler_runs(frame)
            elif event == "line":
                self._line_starts(frame)
            return self._on_event
        except RecursionError as error:
            self._pause(error)
        except BaseException as error:
            self._failed(frame, event, error)
        return self._on_event

    def _returns(self, frame: FrameType, value: Any, at_ns: int) -> None:
        if frame.f_code.co_name == "<module>":
            self._module_is_loaded(frame)
        elif is_runner(frame.f_code):
            self._tests().ends(frame.f_code, frame, value)
        thread = self._session.thread()
        if not self._calls.is_open(thread, frame):
            return
        arrival = self._in_flight.last(frame) if self._arrivals else None
        last = frame.f_lasti
        opcodes = self._opcodes_of(frame.f_code)
        if arrival is not None and arrival.leaves_at(last):
            self._unwinds(thread, frame, arrival, at_ns)
        elif last >= 0 and opcodes[last] == _RETURN_VALUE:
            self._calls.end(thread, at_ns, self._functions[id(frame.f_code)].encode_result(value))
        elif last >= 0 and _suspends_at(opcodes, last):
            self._calls.suspend(thread, at_ns, value)
            return
        else:
            self._unwinds(thread, frame, arrival, at_ns)
        if arrival is not None:
            self._in_flight.forget(frame)

    def _exception_arrives(self, frame: FrameType, exception: Any, traceback: Any) -> None:
        """An exception is raised in *frame* or comes to it from a call."""
        arrival = self._in_flight.arrives(frame, exception, self._exceptions.is_cancellation(exception))
        if is_control_flow(exception) and frame.f_code.co_flags & SUSPENDS:
            self._exceptions.forget_dead(exception)
        elif not self._exceptions.seen(exception, traceback, frame, self._session.thread()) and arrival is not None:
            back = frame.f_back
            if back is None or id(back.f_code) not in self._functions:
                arrival.keep(exception, traceback)

    def _handler_runs(self, frame: FrameType) -> None:
        """The frame goes on after an exception: in its handler, or in a ``finally`` that passes it on."""
        arrival = self._in_flight.goes_on(frame)
        if arrival is None:
            return
        if arrival.is_given_up():  # it may still be handled here
            self._leaves_traced_code(frame, arrival, uncaught=False)
        else:
            self._exceptions.handled(arrival.address, frame.f_code, frame)

    def _leaves_traced_code(self, frame: FrameType, arrival: Arrival, *, uncaught: bool) -> None:
        """What leaves *frame* is written if it was only counted and no traced code is around."""
        if arrival.kept is not None:
            (exception, traceback), arrival.kept = arrival.kept, None
            self._exceptions.leaves(exception, traceback, frame, self._session.thread(), uncaught=uncaught)

    def _leaves_counted(self, frame: FrameType, arrival: Arrival) -> bool:
        """The same for a call that is only counted; whether it is recorded now."""
        self._leaves_traced_code(frame, arrival, uncaught=_is_outermost(frame))
        return self._session.thread().top[2] is frame

    def _line_starts(self, frame: FrameType) -> None:
        """A line starts, in a function whose lines are recorded."""
        function = self._functions.get(id(frame.f_code))
        if function is None or not function.lines:
            frame.f_trace_lines = False
        else:
            self._calls.line_starts(frame, frame.f_lineno)

    def _unwinds(self, thread: ThreadState, frame: FrameType, arrival: Optional[Arrival], at_ns: int) -> None:
        exception_id = address = 0
        outcome = OUTCOME_RAISED
        if arrival is not None:
            is_outermost = _is_outermost(frame)
            self._leaves_traced_code(frame, arrival, uncaught=is_outermost)
            address = arrival.address
            exception_id = self._session.exception_ids.get(address, 0)
            if arrival.cancels:
                outcome = OUTCOME_CANCELLED
            self._exceptions.raised_again(address)
            if is_outermost and not self._greenlets.ends_greenlet(arrival.cancels):
                self._exceptions.uncaught(address)
        self._calls.unwind(thread, at_ns, outcome, exception_id, address)


def _would_lose_class(code: CodeType) -> bool:
    """Whether it is a class body that defines ``__class__`` (stand-ins do) and would lose it under a trace function."""
    return CLASS_CELL_HIDES_VARIABLE and "__class__" in code.co_cellvars and "__class__" in code.co_names


class _SetAgain:
    """Stands in a frame for its trace function, and sets it and the thread's again when it is let go of."""

    __slots__ = ("_frame", "_local", "_set_again")

    def __init__(self, frame: FrameType, set_again: Callable[[], None]) -> None:
        self._frame = frame
        self._local = frame.f_trace
        self._set_again = set_again

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._local

    def __del__(self) -> None:
        self._set_again()
        self._frame.f_trace = self._local


def _described(trace_function: Any) -> str:
    found = callable_code(trace_function)
    if found is not None:
        code, module = found
        return "%s of %s (%s:%d)" % (code.co_name, module, code.co_filename, code.co_firstlineno)
    cls = type(trace_function)
    return "%s.%s" % (class_module(cls), class_name(cls))


def _is_outermost(frame: FrameType) -> bool:
    """Whether nothing but what starts a thread, a process or a program stands around *frame*."""
    back = frame.f_back
    while back is not None:
        module = module_of(back)
        if module == "multiprocessing.process" and back.f_code.co_name == "_bootstrap":
            return True  # around it stand, in a forked child, frames of its parent
        if module not in ("threading", "runpy", "multiprocessing.process"):
            return False
        back = back.f_back
    return True


def _suspends_at(opcodes: bytes, last: int) -> bool:
    """Whether a frame that is left at instruction *last* without a return gives up control only for now."""
    if opcodes[last] == _YIELD_VALUE:
        return True
    # Until 3.10 a frame that waits in `yield from` or `await` is set back by one instruction, to run it again.
    return HAS_YIELD_FROM_OPCODE and opcodes[last + 2 : last + 3] == bytes([_YIELD_FROM])
