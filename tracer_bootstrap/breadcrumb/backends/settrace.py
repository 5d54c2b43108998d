"""Observe a process through sys.settrace: the backend for Python 3.8 to 3.11.

The global trace function sees each call of its thread, and returns None for code that is not traced. For traced code it
returns a local trace function, which sees returns and exceptions. It sees single instructions only while an exception
is pending, to learn whether the frame handles it.
"""

from __future__ import annotations

import gc
import sys
from _thread import get_ident
from opcode import opmap
from types import CodeType, FrameType

from ..events import greenlets
from ..events.exception_state import is_control_flow
from ..record_format import NOTICE_LOCALS_KEPT, NOTICE_TRACER_REPLACED, OUTCOME_CANCELLED, OUTCOME_RAISED
from ..runtime.classes import class_module, class_name
from ..runtime.features import (
    CLASS_CELL_HIDES_VARIABLE,
    HAS_YIELD_FROM_OPCODE,
    LIVE_F_LOCALS,
    RECURSION_ERROR_MUST_PROPAGATE,
)
from ..runtime.guard import failure_handler, guard
from ..runtime.interruptions import starts_guarded
from ..runtime.locals_dict import keeps_locals, may_keep_locals
from ..runtime.system import system
from ..session.functions import SUSPENDS, callable_code, is_observed, module_of
from ..session.patterns import is_own
from . import Backend
from .debuggers import renew_line_events
from .in_flight import Arrival, InFlight

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Set

    from ..session.functions import Function
    from ..session.threads import ThreadState
    from . import ExitCode, Parts

RETURNS = {opmap[name] for name in ("RETURN_VALUE", "RETURN_CONST") if name in opmap}  # the latter in 3.12 and 3.13
_YIELD_VALUE = opmap["YIELD_VALUE"]
_YIELD_FROM = opmap.get("YIELD_FROM", 0)

# Modules that call sys.settrace in a new thread, or before a task, with the argument of ``threading.settrace``.
_SETS_HOOK_OF_THREADING = ("threading", "gevent.threadpool")

# Frames: after a RecursionError, tracing resumes once the stack is that far from the limit.
_HEADROOM_FRAMES = 100

# Code objects known as not traced, so that patterns are matched once. A limit, because programs can create code without
# end.
_MAX_SKIPPED = 20_000


class SettraceBackend(Backend):
    """The backend that uses sys.settrace in every thread."""

    name = "settrace"
    writes_locals_back = not LIVE_F_LOCALS
    can_switch_off = True
    clears_locals = False  # f_locals is written back into the variables after each trace function

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._trace_function = self._on_call  # one bound method, compared by identity
        self._fail = failure_handler(parts.session)
        self._watches_settrace = False
        self._noticed_replaced = False
        self._is_paused = False
        self._is_stopped = False
        self._dropped_by_interpreter = False  # the interpreter has dropped the trace function, because it raised
        self._skipped: Dict[int, CodeType] = {}
        self._quiet: Set[int] = set()  # ids of the code of functions that are switched off
        self._keepers: Dict[int, CodeType] = {}
        self._opcodes: Dict[int, bytes] = {}
        self._in_flight = InFlight(self._opcodes_of)
        self._arrivals = self._in_flight.of_frame  # empty most of the time

    def start(self) -> None:
        """Begin to observe this thread and those that start from now on.

        Raises:
            RuntimeError: Another tool uses sys.settrace.
        """
        other = sys.gettrace()
        if other is not None:
            raise RuntimeError(
                "sys.settrace is already in use by %s: nothing is traced (before Python 3.12 only one can be active)"
                % _describe(other)
            )
        threading = sys.modules.get("threading")
        if threading is not None:
            threading.settrace(self._trace_function)
        sys.settrace(self._trace_function)

    def stop(self) -> None:
        """Stop observing this thread and later ones; the others stop at their next event."""
        threading = sys.modules.get("threading")
        if threading is not None and getattr(threading, "_trace_hook", None) is self._trace_function:
            threading.settrace(None)  # type: ignore[arg-type, unused-ignore]
        self._is_stopped = self._noticed_replaced = True
        self._session.end(self._leave_thread)
        self._leave_thread()

    def _leave_thread(self) -> None:
        """Stop observing the current thread, unless another tool observes it."""
        if sys.gettrace() is not self._trace_function:
            return
        sys.settrace(None)
        frame: Optional[FrameType] = sys._getframe()
        while frame is not None:
            if frame.f_trace is not None:
                frame.f_trace = None
                frame.f_trace_opcodes = False
                frame.f_trace_lines = True
            frame = frame.f_back

    def patterns_added(self) -> None:
        """Match all code again that is not traced."""
        self._skipped.clear()

    def can_observe_running(self, code: CodeType, frame: FrameType) -> bool:
        """Return whether the events of a frame would leave its variables alone."""
        return not (would_lose_class(code) or (may_keep_locals(code) and self._keeps_locals(code, frame)))

    def observe_running(self, frame: FrameType) -> None:
        """Set the local trace function of a frame that runs already."""
        frame.f_trace_lines = False
        frame.f_trace = self._on_event

    def switch_off(self, function: Function, awaits_returns: bool) -> None:
        """Leave the calls of a function at once; those that are open go on being observed."""
        if not function.suspends:  # recorded calls are resumed by an event of this kind
            self._quiet.add(id(function.code))

    def switch_on(self, functions: List[Function]) -> None:
        """Observe calls of functions again."""
        for function in functions:
            self._quiet.discard(id(function.code))

    def watch_exit(self, frame: FrameType, exit_code: ExitCode) -> None:
        """Tell *exit_code* of exceptions by a local trace function around the one that the frame has."""
        traced = frame.f_trace
        opcodes_of = self._opcodes_of

        def on_outermost_event(frame: FrameType, event: str, argument: Any) -> Any:
            if event == "exception":
                exit_code.arrives(argument[1])
            elif event == "return" and frame.f_lasti >= 0:
                if opcodes_of(frame.f_code)[frame.f_lasti] not in RETURNS:
                    exit_code.leaves()
            if traced is not None:
                traced(frame, event, argument)
            return on_outermost_event

        frame.f_trace_lines = False
        frame.f_trace = on_outermost_event

    def _watch_settrace(self) -> None:
        """Install an audit hook that notices when the program calls sys.settrace: the tracer would see nothing more.

        Called only when code that names settrace starts, which few programs have: with a hook, everything audited takes
        five times as long (``id``, ``f_code``: each call event uses both). A method as the hook would double that.
        """
        self._watches_settrace = True

        def on_audit(event: str, arguments: Any) -> None:
            if event == "sys.settrace" and not self._noticed_replaced and not self._dropped_by_interpreter:
                try:
                    self._settrace_is_called(sys._getframe(1))
                except Exception as error:
                    self._fail(error)

        try:
            sys.addaudithook(on_audit)
        except BaseException:  # an earlier hook refuses others: the program must go on
            pass

    def _settrace_is_called(self, caller: FrameType) -> None:
        if is_own(caller.f_code.co_filename):
            return
        renew_line_events(caller)
        if module_of(caller) in _SETS_HOOK_OF_THREADING:
            if getattr(sys.modules.get("threading"), "_trace_hook", None) is self._trace_function:
                return
        elif sys.gettrace() is not self._trace_function:  # this thread has another trace function already
            return
        path = self._session.include.absolute(caller.f_code.co_filename)
        self._notice_replaced(
            "was called at %s:%d (%s), replacing the tracer" % (path, caller.f_lineno, caller.f_code.co_name)
        )

    def before_end(self) -> None:
        """Write a notice if the trace function was replaced unseen by the audit hook, as by an extension in C."""
        now = sys.gettrace()
        expected = now is self._trace_function or self._is_paused or self._dropped_by_interpreter
        if not expected and not self._noticed_replaced:
            by = "is in use by %s instead of the tracer" % _describe(now) if now is not None else ""
            self._notice_replaced(by or "has lost the tracer, to code in C or at the recursion limit")

    def _notice_replaced(self, how: str) -> None:
        self._noticed_replaced = True
        self._session.notice(
            NOTICE_TRACER_REPLACED,
            "sys.settrace %s: later calls of that thread are not recorded, unless the tracer was restored. Run without "
            "that tool, or on Python 3.12 or newer, where both work" % how,
        )

    @starts_guarded
    def _on_call(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Handle the start or resume of a frame: the global trace function. Returns the local one, or None."""
        try:
            code = frame.f_code
            key = id(code)
            if key in self._quiet or event != "call":
                return None
            session = self._session
            if not session.not_forked[0]:
                session.notice_fork()
            function = self._functions.get(key)
            if function is None:
                if key in self._skipped:
                    return self._gap_starts(code, frame)
                if would_lose_class(code):
                    return None
                if may_keep_locals(code) and self._keeps_locals(code, frame):
                    return None
                function = self._decide(code, frame)
                if function is None:
                    return (
                        self._awaited_module_starts(code, frame)
                        or self._observed_starts(code, frame)
                        or self._gap_starts(code, frame)
                    )
            if function.is_off and id(frame) not in self._calls.suspended:
                return None
            thread = session.thread()
            if function.suspends and self._calls.resume(thread, frame, system.now_ns()):
                return self._on_event
            if function.suspends:
                first = self._first_instruction(code)
                if frame.f_lasti != first:
                    return None  # it started before the tracer, or is closed before it started
                if first < 0:
                    return self._on_generator_event  # started or closed: the next event shows which
            return self._begin(function, frame)
        except RecursionError as error:
            self._pause(error)
            return None
        except BaseException as error:
            self._handle_failure(frame, event, error)
            return None

    def _begin(self, function: Function, frame: FrameType) -> Any:
        """Record or count the start of a call. Returns its local trace function."""
        adaptive = self._adaptive
        if adaptive is not None and adaptive.skips(function, frame):
            if function.is_off:
                return None
            if self._session.thread().top[2] is frame:  # recorded there
                return self._on_event
            if function.suspends:  # counted up to its first suspension only: its resumes are not observed
                adaptive.begun.pop(id(frame), None)
            frame.f_trace_lines = function.notes_lines
            return self._on_counted
        frame.f_trace_lines = function.lines is not None or function.notes_lines
        if self._arrivals:  # of an earlier frame at this address, whose end was not seen
            self._in_flight.forget(frame)
        self._calls.begin(function, frame)
        return self._on_event

    @starts_guarded
    def _on_generator_event(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Handle a generator's first event, up to 3.10: a line if it starts, an exception if it is closed unstarted."""
        try:
            if event != "line":
                return None
            function = self._functions[id(frame.f_code)]
            local = self._begin(function, frame)
            if frame.f_trace_lines:
                self._line_starts(frame)
            return local
        except BaseException as error:
            self._handle_failure(frame, event, error)
            return None

    def _handle_failure(self, frame: FrameType, event: str, error: BaseException) -> None:
        """Handle an error in a trace function: re-raise it if the program raised it (see ``failure_handler``).

        The interpreter drops a trace function that raises, and then releases ``frame.f_trace``. The finalizer of a
        ``_Reinstaller`` in that place sets both again.
        """
        try:
            self._fail(error)
        except BaseException:
            calls, thread = self._calls, self._session.thread()
            if event in ("call", "return") and calls.is_open(thread, frame):  # the frame ends without another event
                calls.end(thread, system.now_ns(), b"", OUTCOME_RAISED)
            self._dropped_by_interpreter = True
            frame.f_trace = _Reinstaller(frame, self._reinstall)  # type: ignore[assignment, unused-ignore]
            raise

    def _reinstall(self) -> None:
        sys.settrace(self._trace_function)
        self._dropped_by_interpreter = False

    def _pause(self, error: RecursionError) -> None:
        """Stop tracing this thread near the recursion limit, until its stack is at a safe depth again.

        Otherwise the interpreter would drop the trace function and raise the tracer's RecursionError in the program.
        Garbage collections are the moments to check the depth: the traceback of a RecursionError has enough objects to
        cause one.
        """
        sys.settrace(None)
        self._is_paused = True
        ident = get_ident()

        def go_on(phase: str, info: Any) -> None:
            if get_ident() != ident:
                return
            try:
                sys._getframe(max(sys.getrecursionlimit() - _HEADROOM_FRAMES, 1))
            except ValueError:  # the stack is at a safe depth
                gc.callbacks.remove(guarded)
                if not self._is_stopped:
                    sys.settrace(self._trace_function)
                self._is_paused = False

        guarded = guard(go_on, self._session)
        gc.callbacks.append(guarded)
        self._session.near_recursion_limit = True
        self._session.exception_ids = {}  # may be stale: exceptions raised meanwhile go unseen
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
        if not is_observed(code):
            if len(self._skipped) >= _MAX_SKIPPED:
                self._skipped.clear()
            self._skipped[id(code)] = code
        return None

    def _keeps_locals(self, code: CodeType, frame: FrameType) -> bool:
        """Return whether each further event of the frame would change a dict of the program; note what is left out."""
        if id(code) not in self._keepers:
            if not keeps_locals(code):
                return False
            if len(self._keepers) >= _MAX_SKIPPED:
                self._keepers.clear()
            self._keepers[id(code)] = code
            if self._function_log.is_included(code, frame):
                session = self._session
                session.notice(
                    NOTICE_LOCALS_KEPT,
                    "%s.%s (%s:%d) keeps the dict of locals(): its calls are not recorded, as that would change the "
                    "dict before Python 3.12"
                    % (
                        module_of(frame),
                        session.names.qualified_name(code, frame),
                        session.include.absolute(code.co_filename),
                        code.co_firstlineno,
                    ),
                )
        back = frame.f_back
        caller = self._functions.get(id(back.f_code)) if back is not None else None
        if caller is not None and not self._function_log.is_included(code, frame) and not is_own(code.co_filename):
            self._gaps.count(self._gaps.add_python(code, module_of(frame), frame), caller)
        return True

    def _first_instruction(self, code: CodeType) -> int:
        """Return f_lasti at the call event of a frame that starts."""
        if HAS_YIELD_FROM_OPCODE:
            return -1
        opcodes = self._opcodes_of(code)
        position = 0
        if code.co_flags & SUSPENDS:  # from 3.15 on, generator expressions have another RESUME before
            while opcodes[position] != opmap["RETURN_GENERATOR"]:
                position += 2
        while opcodes[position] != opmap["RESUME"]:
            position += 2
        return position

    def _opcodes_of(self, code: CodeType) -> bytes:
        opcodes = self._opcodes.get(id(code))
        if opcodes is None:
            opcodes = self._opcodes[id(code)] = code.co_code  # from 3.11 on, each access makes a new copy
        return opcodes

    def _gap_starts(self, code: CodeType, frame: FrameType) -> Any:
        if self._gaps.awaited:
            self._gaps.ran(frame)
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
        elif not gap.exact:
            return None
        else:
            self._gaps.begin(gap, frame)
            if self._gaps.is_too_dear(gap):
                self._gaps.stop_counting(gap)
        frame.f_trace_lines = False
        return self._on_gap_event

    def _awaited_module_starts(self, code: CodeType, frame: FrameType) -> Any:
        """Watch the import of threading or greenlet, so that what they start is observed from the first moment.

        The tracer does not import them itself, because a program may need to patch them first (gevent).
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

    def _observed_starts(self, code: CodeType, frame: FrameType) -> Any:
        """Report the start of a function, if *code* is observed. Returns its local trace function, or None."""
        if is_observed(code):
            self._observer(code).starts(code, frame)
            frame.f_trace_lines = False
            return self._on_observed_event
        return None

    @starts_guarded
    def _on_observed_event(self, frame: FrameType, event: str, argument: Any) -> Any:
        try:
            if event == "return":
                self._observer(frame.f_code).ends(frame.f_code, frame, argument)
        except BaseException as error:
            self._handle_failure(frame, event, error)
        return self._on_observed_event

    @starts_guarded
    def _on_counted(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Handle an event of a call that is only counted, until it is recorded late: its local trace function."""
        try:
            at_ns = system.now_ns()
            session = self._session
            if session.thread().top[2] is frame:
                return self._on_event(frame, event, argument)  # recorded late: an exception left a call that it made
            if event == "return" and self._adaptive is not None:
                arrival = self._in_flight.last(frame) if self._arrivals else None
                is_recorded = arrival is not None and self._record_leaving_counted(frame, arrival)
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
            elif event == "line":
                self._notes_line(frame)
            return self._on_counted
        except RecursionError:
            self._session.near_recursion_limit = True
            self._session.exception_ids = {}
        except BaseException as error:
            self._handle_failure(frame, event, error)
        return self._on_counted

    @starts_guarded
    def _on_gap_event(self, frame: FrameType, event: str, argument: Any) -> Any:
        try:
            if event == "return":
                self._gaps.end(frame, system.now_ns(), argument)
            return self._on_gap_event
        except BaseException as error:
            self._handle_failure(frame, event, error)
        return self._on_gap_event

    @starts_guarded
    def _on_event(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Handle an event of a recorded call: its local trace function."""
        try:
            at_ns = system.now_ns()
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
            self._handle_failure(frame, event, error)
        return self._on_event

    def _returns(self, frame: FrameType, value: Any, at_ns: int) -> None:
        if frame.f_code.co_name == "<module>":
            self._module_is_loaded(frame)
        elif is_observed(frame.f_code):
            self._observer(frame.f_code).ends(frame.f_code, frame, value)
        thread = self._session.thread()
        if not self._calls.is_open(thread, frame):
            return
        arrival = self._in_flight.last(frame) if self._arrivals else None
        last = frame.f_lasti
        opcodes = self._opcodes_of(frame.f_code)
        if arrival is not None and arrival.leaves_at(last):
            self._unwinds(thread, frame, arrival, at_ns)
        elif last >= 0 and opcodes[last] in RETURNS:
            self._calls.end(thread, at_ns, self._functions[id(frame.f_code)].encode_result(value))
        elif last >= 0 and suspends_at(opcodes, last):
            self._calls.suspend(thread, at_ns, value)
            return
        else:
            self._unwinds(thread, frame, arrival, at_ns)
        if arrival is not None:
            self._in_flight.forget(frame)

    def _exception_arrives(self, frame: FrameType, exception: Any, traceback: Any) -> None:
        """Report an exception that is raised in *frame*, or in a call that it made."""
        function = self._functions.get(id(frame.f_code))
        if function is not None:
            function.raised = True
        arrival = self._in_flight.add(frame, exception, self._exceptions.is_cancellation(exception))
        if is_control_flow(exception) and frame.f_code.co_flags & SUSPENDS:
            self._exceptions.forget_dead(exception)
        elif not self._exceptions.seen(exception, traceback, frame, self._session.thread()) and arrival is not None:
            back = frame.f_back
            if back is None or id(back.f_code) not in self._functions:
                arrival.keep(exception, traceback)

    def _handler_runs(self, frame: FrameType) -> None:
        """Report that a frame goes on after an exception: in a handler, or in a ``finally`` that re-raises it."""
        arrival = self._in_flight.before_instruction(frame)
        if arrival is None:
            return
        if arrival.is_given_up():  # not uncaught: this frame may still handle it
            self._record_leaving(frame, arrival, uncaught=False)
        else:
            self._exceptions.handled(arrival.address, frame.f_code, frame)

    def _record_leaving(self, frame: FrameType, arrival: Arrival, *, uncaught: bool) -> None:
        """Record an exception that leaves *frame* for code that is not traced, if it was only counted so far."""
        if arrival.kept is not None:
            (exception, traceback), arrival.kept = arrival.kept, None
            self._exceptions.leaves(exception, traceback, frame, self._session.thread(), uncaught=uncaught)

    def _record_leaving_counted(self, frame: FrameType, arrival: Arrival) -> bool:
        """Record the exception that leaves a counted call. Returns whether the call itself is recorded now."""
        self._record_leaving(frame, arrival, uncaught=_is_outermost(frame))
        return self._session.thread().top[2] is frame

    def _line_starts(self, frame: FrameType) -> None:
        """Record a line, if the lines of its function are recorded."""
        if self._notes_line(frame):
            self._calls.line_starts(frame, frame.f_lineno)

    def _notes_line(self, frame: FrameType) -> bool:
        """Note a line for the test that runs. Returns whether the lines of its function are recorded, too."""
        function = self._functions.get(id(frame.f_code))
        if function is not None and function.notes_lines and self._executed is not None:
            self._executed.line_starts(function, frame.f_lineno)
            return function.lines is not None
        frame.f_trace_lines = function is not None and function.lines is not None
        return frame.f_trace_lines

    def _unwinds(self, thread: ThreadState, frame: FrameType, arrival: Optional[Arrival], at_ns: int) -> None:
        exception_id = address = 0
        outcome = OUTCOME_RAISED
        if arrival is not None:
            is_outermost = _is_outermost(frame)
            self._record_leaving(frame, arrival, uncaught=is_outermost)
            address = arrival.address
            exception_id = self._session.exception_ids.get(address, 0)
            if arrival.cancels:
                outcome = OUTCOME_CANCELLED
            self._exceptions.leaves_frame(address, frame)
            # A part of a group that ``except*`` lets go on is another object, which the end of the process shows.
            may_be_a_part = arrival.is_group and arrival.in_handler and frame.f_back is None
            if is_outermost and not may_be_a_part and not self._greenlets.ends_greenlet(arrival.cancels):
                self._exceptions.uncaught(address)
        self._calls.unwind(thread, at_ns, outcome, exception_id, address)


def would_lose_class(code: CodeType) -> bool:
    """Return whether code is a class body whose own ``__class__`` would be lost under a trace function."""
    return CLASS_CELL_HIDES_VARIABLE and "__class__" in code.co_cellvars and "__class__" in code.co_names


class _Reinstaller:
    """A stand-in for a frame's trace function that sets it, and the thread's, again when it is released."""

    __slots__ = ("_frame", "_local", "_reinstall")

    def __init__(self, frame: FrameType, reinstall: Callable[[], None]) -> None:
        self._frame = frame
        self._local = frame.f_trace
        self._reinstall = reinstall

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._local

    def __del__(self) -> None:
        self._reinstall()
        self._frame.f_trace = self._local


def _describe(trace_function: Any) -> str:
    found = callable_code(trace_function)
    if found is not None:
        code, module = found
        return "%s of %s (%s:%d)" % (code.co_name, module, code.co_filename, code.co_firstlineno)
    cls = type(trace_function)
    return "%s.%s" % (class_module(cls), class_name(cls))


def _is_outermost(frame: FrameType) -> bool:
    """Return whether the callers of *frame* only start a thread, a process or a program."""
    back = frame.f_back
    while back is not None:
        module = module_of(back)
        if module == "multiprocessing.process" and back.f_code.co_name == "_bootstrap":
            return True  # its callers, in a forked child, are frames of the parent
        if module not in ("threading", "runpy", "multiprocessing.process"):
            return False
        back = back.f_back
    return True


def suspends_at(opcodes: bytes, last: int) -> bool:
    """Return whether a frame that is left at instruction *last* is suspended, not ended."""
    if opcodes[last] == _YIELD_VALUE:
        return True
    # Up to 3.10, f_lasti of a frame suspended in `yield from` or `await` is one instruction back: it will run again.
    return HAS_YIELD_FROM_OPCODE and opcodes[last + 2 : last + 3] == bytes([_YIELD_FROM])
