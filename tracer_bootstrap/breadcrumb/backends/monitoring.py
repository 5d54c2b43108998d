"""Observe a process through sys.monitoring (PEP 669): the backend for Python 3.12 and newer.

The global PY_START decides once per code object: it is disabled for code that is not included, which costs nothing from
then on, and local events are set for traced code. Exceptions are global events, ignored in frames that are not traced.
"""

from __future__ import annotations

import sys
from opcode import opmap
from sys import _getframe as get_frame  # bound at import: programs may remove it
from types import CodeType, FunctionType, SimpleNamespace

from ..events import greenlets
from ..events.exception_state import is_control_flow, traceback_of
from ..events.switched_off import STRAYS_BETWEEN_LOOKS
from ..record_format import NOTICE_CREATORS_LEFT_OUT, NOTICE_TRACER_REPLACED, OUTCOME_CANCELLED, OUTCOME_RAISED
from ..runtime.features import LIVE_F_LOCALS, monitoring
from ..runtime.guard import event_failure_handler, failure_handler, guard
from ..runtime.system import system
from ..session.functions import (
    OBSERVED_FILES,
    SUSPENDS,
    Function,
    c_function_name,
    callable_code,
    creates_task,
    is_observed,
    module_of,
)
from ..session.open_calls import CallState
from ..session.threads import write_record
from ..values.frame_locals import forget_locals, names_to_forget
from . import Backend
from .debuggers import is_debugger_start, renew_opcode_events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Callable, Dict, Iterable, List, Optional, Set, Tuple

    from ..events.executed_lines import ExecutedLines
    from . import ExitCode, Parts

# In the order of preference. 0 to 2 are reserved (debugger, coverage, profiler); an id in use is never taken.
_TOOL_IDS = (4, 3, 5)
_TOOL_NAME = "breadcrumb"

# How many calls of a call site are examined for gaps before it is disabled. Most sites call one function only, which
# the first call shows.
_LOOKS_PER_CALL_SITE = 32
# And when the budget is tight.
_FEW_LOOKS = 2
# Such calls from one look at the budget to the next, and what each costs: as much as some counted calls.
_LOOKS_BETWEEN_PRICES = 256
_LOOK_IN_COUNTED_CALLS = 3
# The same of tasks, whose creators are noted.
_TASKS_BETWEEN_LOOKS = 64
_TASK_IN_COUNTED_CALLS = 10


# Functions in C that switch on profile functions and other tools. An event CALL of the tracer makes the interpreter
# send C_RETURN to all tools: a tool that is switched on would first get the end of the call that did so, without its
# begin. ``profile`` fails at that. Code that may call one of them is observed without CALL.
_TOOL_SWITCHES = [
    getattr(owner, name)
    for owner, name in (
        (sys, "setprofile"),
        (sys, "_setprofileallthreads"),
        (monitoring, "set_events"),
        (monitoring, "set_local_events"),
    )
    if hasattr(owner, name)
]
_TOOL_SWITCH_NAMES = {switch.__name__ for switch in _TOOL_SWITCHES} | {"setstatprofile"}  # the last is pyinstrument's


_FREE_TOOL_ID = getattr(monitoring, "free_tool_id", None)

# Suspensions of generators and coroutines until adaptive capture is told of them.
STEPS_BETWEEN_LOOKS = 256
# And until it tries again to switch off what could not be: a prime number, as the steps of nested generators repeat.
_STEPS_BETWEEN_TRIES = 7

_NO_FUNCTION = SimpleNamespace(code=None)
_NO_FRAME = SimpleNamespace(f_code=None)

# Whether a backend of this process has been stopped, whose disabled locations the interpreter still knows.
_stopped_before = False


class MonitoringBackend(Backend):
    """The backend that uses sys.monitoring, with its own tool id."""

    name = "monitoring"
    clears_locals = not LIVE_F_LOCALS
    can_switch_off = True
    tells_lines_once = True
    sees_all_code = True

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._tool = -1
        self._sites: Dict[Tuple[int, int], int] = {}
        self._without_call: Set[int] = set()  # ids of traced code that may call one of _TOOL_SWITCHES
        self._hot_names: Dict[str, Any] = {}
        self._looks = 0
        self._looks_per_site = _LOOKS_PER_CALL_SITE
        self._tasks_created = 0
        self._stepped: Any = SimpleNamespace(steps=0)  # has the suspensions since adaptive capture was told of them
        self._watched_exit: Optional[Tuple[int, ExitCode]] = None  # with the id of the frame
        self._events: Any = None  # those of the core in C
        self._instrumented: Dict[int, CodeType] = {}  # code with local events that is neither traced nor a gap

    def start(self) -> None:
        """Begin to observe all threads.

        Raises:
            RuntimeError: Every tool id that the tracer may use is taken.
        """
        for tool in _TOOL_IDS:
            if monitoring.get_tool(tool) is None:
                monitoring.use_tool_id(tool, _TOOL_NAME)
                self._tool = tool
                break
        else:
            users = ", ".join("%d: %s" % (t, monitoring.get_tool(t)) for t in _TOOL_IDS)
            raise RuntimeError("every sys.monitoring tool id that Breadcrumb may use is taken (%s)" % users)
        events, session = monitoring.events, self._session
        self._disable = monitoring.DISABLE
        on_start, on_return, on_raise, on_handled = self._hot_path()
        in_python: Dict[str, Callable[..., Any]] = {
            "start": on_start,
            "return": on_return,
            "raise": on_raise,
            "handled": on_handled,
            "line": guard(self._on_line, session),
            "yield": guard(self._on_yield, session),
            "resume": guard(self._on_resume, session),
            "reraise": guard(self._on_reraise, session),
            "throw": guard(self._on_throw, session),
            "unwind": guard(self._on_unwind, session),
        }
        path = self._compiled_path(in_python)
        callbacks: Dict[int, Callable[..., Any]] = {
            events.PY_START: path["start"],
            events.PY_RETURN: path["return"],
            events.PY_YIELD: path["yield"],
            events.PY_RESUME: path["resume"],
            events.PY_THROW: path["throw"],
            events.PY_UNWIND: path["unwind"],
            events.RAISE: path["raise"],
            events.RERAISE: path["reraise"],
            events.EXCEPTION_HANDLED: path["handled"],
            events.CALL: guard(self._on_call, self._session),
            events.C_RETURN: guard(self._on_c_return, self._session),
            events.LINE: path["line"],
        }
        self._gaps.watch = self._watch
        self._callbacks = callbacks
        for event, callback in callbacks.items():
            monitoring.register_callback(self._tool, event, callback)
        self._global_events = (
            events.PY_START
            | events.PY_THROW
            | events.PY_UNWIND
            | events.RAISE
            | events.RERAISE
            | events.EXCEPTION_HANDLED
        )
        monitoring.set_events(self._tool, self._global_events)
        if _stopped_before:
            # The former include patterns decided what is disabled. This is for every tool, but only repeats events.
            monitoring.restart_events()

    def stop(self) -> None:
        """Stop observing, and free the tool id."""
        global _stopped_before
        if self._tool < 0:
            return
        _stopped_before = True
        monitoring.set_events(self._tool, 0)
        gaps = (gap.code for gap in list(self._gaps.gaps.values()))
        functions = (function.code for function in list(self._functions.values()))
        for code in (*functions, *gaps, *self._instrumented.values()):  # before 3.14 free_tool_id leaves them set
            if code is not None:
                self._set_local_events(code, 0)
        for event in self._callbacks:
            monitoring.register_callback(self._tool, event, None)
        monitoring.free_tool_id(self._tool)
        self._tool = -1

    def before_end(self) -> None:
        """Write a notice if the program has taken the tool id meanwhile, or what is registered for it."""
        self._check_tool()

    def _check_tool(self) -> bool:
        """Return whether the tool id is still the tracer's, with its events and callbacks; write a notice if not."""
        tool = self._tool
        if tool < 0:
            return False
        owner = monitoring.get_tool(tool)
        if owner != _TOOL_NAME:
            done = "freed" if owner is None else "given to %s" % (owner,)
        elif (monitoring.get_events(tool) ^ self._global_events) & ~monitoring.events.PY_START:  # see switch_on
            done = "given other events"
        elif any(monitoring.register_callback(tool, *each) is not each[1] for each in self._callbacks.items()):
            done = "given other callbacks"
        else:
            return True
        self._tool_is_lost("was %s by the program" % done)
        return False

    def _tool_is_lost(self, how: str) -> None:
        self._session.notice_once(
            NOTICE_TRACER_REPLACED,
            "tool id %d of sys.monitoring, which is Breadcrumb's, %s: calls from then on may be missing. Let the "
            "program take an id for which sys.monitoring.get_tool(id) is None, and run again" % (self._tool, how),
        )

    def _hot_path(self) -> List[Callable[..., Any]]:
        """Return the callbacks at the end of this module, with the parts of this recorder as their globals.

        No names are cheaper than globals: the cells of a closure are copied at each call.
        """
        session = self._session
        adaptive = self._adaptive
        names = self._hot_names = dict(
            globals(),
            session=session,
            functions=session.functions,
            threads=session.threads,
            next_call=session.next_call_id,
            encode=session.encoder.encode,
            begin_call=self._calls.begin,
            end_call=self._calls.end,
            call_site=self._calls.site,
            counters=adaptive.counters() if adaptive is not None else None,
            skips=adaptive.skips if adaptive is not None else None,
            begun=adaptive.begun if adaptive is not None else None,
            awaiting=adaptive.awaiting if adaptive is not None else None,
            look_for_open_calls=adaptive.look_for_open_calls if adaptive is not None else None,
            unseen_ends=self._calls.unseen_ends,
            drop_unseen_ends=self._calls.drop_unseen_ends,
            end_counted=adaptive.end if adaptive is not None else None,
            disable=self._disable,
            now_ns=system.now_ns,
            first_start=self._first_start,
            other_return=self._other_return,
            raised=self._on_raise,
            handled=self._on_handled,
            handle_failure=failure_handler(session),
            last_function=_NO_FUNCTION,
            last_thread=session.thread(),
        )
        return [FunctionType(each.__code__, names) for each in (on_start, on_return, on_raise, on_handled)]

    def forget_last(self) -> None:
        """Look up the function and the counters again at the next call."""
        self._hot_names["last_function"] = _NO_FUNCTION
        self._hot_names["counters"] = self._adaptive.counters() if self._adaptive is not None else None
        if self._events is not None:
            self._events.forget(self._counters_in_c())

    def _counters_in_c(self) -> Optional[memoryview]:
        """Return the counters that the core in C may add to: those of raises are among them in mode full, too."""
        return self._session.spool.counters if self._adaptive is None else self._adaptive.counters()

    def note_lines(self, executed: ExecutedLines) -> None:
        """Tell *executed* of the lines of functions with ``notes_lines``; before the start or a test."""
        super().note_lines(executed)
        if self._events is not None:
            self._events.note(executed.ran)

    def _compiled_path(self, in_python: Dict[str, Callable[..., Any]]) -> Dict[str, Callable[..., Any]]:
        """Return the callbacks that are in C too, where that is loaded: it leaves what is not ordinary to these.

        Args:
            in_python: Those that do everything, by what they are of.
        """
        session, adaptive = self._session, self._adaptive
        native = session.core.native
        if native is None:
            return in_python
        parts = {
            "lines_type": native.CallLines,
            "functions": session.functions,
            "threads": session.threads,
            "session": session,
            "failed": event_failure_handler(session),
            "write_record": write_record,
            "state_type": CallState,
            "check_greenlets": self._greenlets.check,
            "raises": opmap["RAISE_VARARGS"],
            "observed": OBSERVED_FILES,
            "names_to_forget": names_to_forget if session.clears_locals else None,
            "call_ids": session.call_ids,
            "encode": session.encoder.encode,
            **{name + "_in_python": callback for name, callback in in_python.items()},
            **self._calls.parts_in_c(),
            **self._exceptions.parts_in_c(),
            **self._gaps.parts_in_c(),
        }
        if adaptive is not None:
            parts.update(off=adaptive.off, begun=adaptive.begun, awaiting=adaptive.awaiting)
        events = self._events = native.Events(session.encoder.compiled, parts)
        self._stepped = events
        counters = self._counters_in_c()
        events.forget(counters)
        if self._executed is not None:
            events.note(self._executed.ran)
        if self._budget is not None and counters is not None:
            self._budget.counts_in_c()
        return {
            "start": events.start if events.reads_variables else in_python["start"],
            "return": events.returned,
            "line": events.line,
            "yield": events.yielded,
            "resume": events.resumed,
            "raise": events.raised,
            "handled": events.handled,
            "reraise": events.reraised,
            "throw": events.thrown,
            "unwind": events.unwound,
        }

    def secret_learned(self) -> None:
        """Make the hot path encode again the arguments of the call that it is recording."""
        self._hot_names["secrets_known"] = object()

    def _first_start(self, code: CodeType) -> Any:
        """Handle PY_START of code that is not a known traced function: of new code, or of a gap."""
        self._session.notice_fork()
        frame = _frame_of(code)
        if frame is None:
            return self._disable
        gap = self._gaps.gaps.get(id(code))
        if gap is None:
            if self._function_log.is_included(code, frame):
                if _may_switch_tools(code, frame.f_globals):
                    self._without_call.add(id(code))
                function = self._function_log.add(code, frame)
                if function is None:
                    return self._disable
                if _is_import_of_greenlet(code, frame):
                    function.keeps_state = True  # off the hot path: its end must be noticed
                if self._adaptive is None or not self._adaptive.skips(function, frame):
                    self._calls.begin(function, frame)
                return None
            if is_observed(code):
                self._observer(code).starts(code, frame)
                self._observe_returns(code)
                return self._disable if creates_task(code) else None  # whose start says nothing
            if is_debugger_start(code):
                self._observe_returns(code)
                return None
            gap = self._gaps.discover(code, frame)
            if gap is None:
                if _is_import_of_greenlet(code, frame):
                    self._observe_returns(code)
                return self._disable
            self._set_local_events(code, monitoring.events.PY_RETURN)
        elif self._gaps.begin(gap, frame) and gap.seen == 1:  # _on_call has added it, without events
            self._set_local_events(code, monitoring.events.PY_RETURN)
        if self._gaps.is_seen_enough(gap):
            self._gaps.stop_counting(gap)
            self._set_local_events(code, 0)
            return self._disable
        return None

    def observe(self, function: Function) -> None:
        """Set the local events of a new function."""
        events = monitoring.events
        wanted = events.PY_RETURN
        if id(function.code) not in self._without_call:
            wanted |= events.CALL
        if function.suspends:
            wanted |= events.PY_YIELD | events.PY_RESUME
        if function.lines is not None or function.notes_lines:
            # Adding the event enables the lines that are disabled, for this function and this tool only.
            self._set_local_events(function.code, wanted)
            wanted |= events.LINE
        self._set_local_events(function.code, wanted)

    def observe_lines(self, functions: Iterable[Function]) -> None:
        """Enable the lines of functions again that were disabled."""
        for function in functions:
            if not function.is_off:
                self.observe(function)
            elif function.notes_lines:
                events = monitoring.get_local_events(self._tool, function.code)
                self._set_local_events(function.code, events & ~monitoring.events.LINE)
                self._set_local_events(function.code, events | monitoring.events.LINE)

    def _observe_returns(self, code: CodeType) -> None:
        """Observe the returns of code that is neither traced nor a gap."""
        self._instrumented[id(code)] = code
        self._set_local_events(code, monitoring.events.PY_RETURN)

    def _set_local_events(self, code: CodeType, events: int) -> None:
        try:
            monitoring.set_local_events(self._tool, code, events)
        except (SystemError, ValueError):  # Cython's stand-ins for code cannot be instrumented
            if monitoring.get_tool(self._tool) is None:
                self._tool_is_lost("was freed by the program")

    def watch_exit(self, frame: FrameType, exit_code: ExitCode) -> None:
        """Tell *exit_code* of the exception that leaves *frame*."""
        self._watched_exit = (id(frame), exit_code)

    def _watch(self, code: CodeType, wanted: bool) -> None:
        """Report the returns of code that is not traced, or stop that."""
        if wanted:
            self._observe_returns(code)
        elif id(code) not in self._gaps.gaps:  # of a gap, they are counted
            self._set_local_events(code, 0)

    def switch_off(self, function: Function, awaits_returns: bool) -> None:
        """Stop observing a function, or all but its returns; the callback's result disables its start."""
        events = monitoring.events.PY_RETURN if awaits_returns else 0
        # Where a line goes on after a jump, as in a loop of `yield from`, the interpreter looks at it each time as long
        # as the event is asked for, although it is disabled.
        if function.notes_lines and not (self._executed is not None and self._executed.has_all_of(function)):
            events |= monitoring.events.LINE
        self._set_local_events(function.code, events)

    def switch_on(self, functions: List[Function]) -> None:
        """Observe functions again whose start was disabled.

        Instrumenting code without an event and then with it enables a disabled location, for these functions and this
        tool only; ``restart_events`` would enable those of every tool.
        """
        if monitoring.get_tool(self._tool) != _TOOL_NAME:
            self._check_tool()
            return
        monitoring.set_events(self._tool, self._global_events & ~monitoring.events.PY_START)
        for function in functions:
            self._set_local_events(function.code, 0)
            self._set_local_events(function.code, monitoring.events.CALL)
        monitoring.set_events(self._tool, self._global_events)
        for function in functions:
            self._set_local_events(function.code, 0)
            self.observe(function)

    def _other_return(self, code: CodeType, frame: Any, value: Any, at_ns: int, thread: Any) -> Any:
        """Handle a return that does not end the thread's innermost call, or one that needs more than the hot path."""
        if _is_import_of_greenlet(code, frame):
            self._greenlets.loaded()
        if is_debugger_start(code):
            renew_opcode_events(frame.f_back)
        if is_observed(code):
            self._observer(code).ends(code, frame, value)
            if creates_task(code):
                self._task_is_created(code)
        function = self._functions.get(id(code))
        if function is not None:
            if function.is_off and self._adaptive is not None:
                if self._adaptive.is_stray(function, frame):
                    return None
                if function.suspends:  # its resumes are not observed
                    self._calls.resume(self._session.thread(), frame, at_ns)
            if self._is_open(thread, frame, function, at_ns):
                self._calls.end(thread, at_ns, function.encode_result(value))
        elif not self._gaps.end(frame, at_ns, value):
            self._uncounted_gap(code, frame)
        return None

    def _task_is_created(self, code: CodeType) -> None:
        """Look at the budget now and then; the creators of further tasks are not noted if it is tight."""
        budget = self._budget
        self._tasks_created += 1
        if budget is None or self._tasks_created % _TASKS_BETWEEN_LOOKS or id(code) in self._functions:
            return
        budget.spend(_TASKS_BETWEEN_LOOKS * _TASK_IN_COUNTED_CALLS * budget.event_ns)
        if budget.is_tight():
            self._set_local_events(code, 0)
            self._session.notice_once(
                NOTICE_CREATORS_LEFT_OUT, "capture.overhead was used up: what created later tasks is not known"
            )

    def _is_open(self, thread: Any, frame: Any, function: Function, at_ns: int) -> bool:
        """Return whether the call that ends is recorded: from its start, or late because it was slow."""
        if thread.top[2] is frame:
            return True
        if self._adaptive is not None:
            was_slow = self._adaptive.end(function, frame, at_ns)
            if was_slow is not None:
                return was_slow
        return self._calls.is_open(thread, frame)

    def _uncounted_gap(self, code: CodeType, frame: Any) -> None:
        """Count a gap at its end: its PY_START is disabled, because untraced code called it first."""
        gap = self._gaps.gaps.get(id(code))
        caller = self._functions.get(id(frame.f_back.f_code)) if frame.f_back is not None else None
        if gap is None:
            return
        if caller is None:
            gap.strays += 1
        else:
            if gap.looks_left:
                self._gaps.find_wrapped(gap, frame, caller)
            self._gaps.count(gap, caller)
        if self._gaps.is_seen_enough(gap):
            self._gaps.stop_counting(gap)
            self._set_local_events(code, 0)

    def _on_line(self, code: CodeType, line: int) -> Any:
        function = self._functions.get(id(code))
        if function is None:
            return self._disable
        if self._executed is not None and function.notes_lines:
            self._executed.line_starts(function, line)
        if function.lines is None:
            return self._disable
        self._calls.line_starts(get_frame(2), line)

    def _on_yield(self, code: CodeType, offset: int, value: Any) -> Any:
        thread = self._session.thread()
        frame = get_frame(2)
        if self._calls.is_open(thread, frame):
            self._calls.suspend(thread, system.now_ns(), value)
        stepped = self._stepped
        stepped.steps += 1
        if stepped.steps >= STEPS_BETWEEN_LOOKS and self._adaptive is not None:
            function = self._functions.get(id(code))
            if function is None or self._adaptive.stepped(function, frame, 2 * stepped.steps):
                stepped.steps = 0
            else:
                stepped.steps -= _STEPS_BETWEEN_TRIES

    def _on_resume(self, code: CodeType, offset: int) -> Any:
        self._calls.resume(self._session.thread(), get_frame(2), system.now_ns())

    def _on_throw(self, code: CodeType, offset: int, exception: BaseException) -> Any:
        function = self._functions.get(id(code))
        if function is not None and not function.is_off:
            self._calls.resume(self._session.thread(), get_frame(2), system.now_ns())

    def _on_unwind(self, code: CodeType, offset: int, exception: BaseException) -> Any:
        frame = _frame_of(code)
        if frame is None:
            return
        if is_observed(code):
            self._observer(code).ends(code, frame, None)
        function = self._functions.get(id(code))
        if function is not None:
            thread = self._session.thread()
            if is_control_flow(exception) and not function.suspends:
                # StopIteration and the like end generators; they are exceptions where they leave other functions.
                self._exceptions.seen(exception, traceback_of(exception), frame, thread)
            if self._session.exception_ids.get(id(exception)) == 0:
                back = frame.f_back
                if back is None or id(back.f_code) not in self._functions:
                    self._exceptions.leaves(exception, traceback_of(exception), frame, thread, uncaught=back is None)
            at_ns = system.now_ns()
            if function.is_off and function.suspends:
                self._calls.resume(thread, frame, at_ns)
            if self._is_open(thread, frame, function, at_ns):
                outcome = OUTCOME_CANCELLED if self._exceptions.is_cancellation(exception) else OUTCOME_RAISED
                exception_id = self._session.exception_ids.get(id(exception), 0)
                self._exceptions.leaves_frame(id(exception), frame)
                self._calls.unwind(thread, at_ns, outcome, exception_id, id(exception))
            if self._session.clears_locals:
                forget_locals(frame)
        elif self._gaps.gaps and not self._gaps.end(frame, system.now_ns()) and not code.co_flags & SUSPENDS:
            self._uncounted_gap(code, frame)
        if self._watched_exit is not None and id(frame) == self._watched_exit[0]:
            self._watched_exit[1].arrives(exception)
            self._watched_exit[1].leaves()
        if frame.f_back is None and not self._greenlets.ends_greenlet(self._exceptions.is_cancellation(exception)):
            self._exceptions.uncaught(id(exception))

    def _on_raise(self, code: CodeType, offset: int, exception: BaseException, frame: FrameType) -> Any:
        traceback = traceback_of(exception)
        if id(code) in self._functions and not is_control_flow(exception):
            self._exceptions.seen(exception, traceback, frame, self._session.thread())
        elif traceback is None or traceback.tb_next is None:
            self._exceptions.forget_dead(exception)

    def _on_reraise(self, code: CodeType, offset: int, exception: BaseException) -> Any:
        frame = _frame_of(code)
        if frame is None:
            return
        if self._exceptions.has_caught_group(frame) and _ends_except_star(code, offset):
            self._exceptions.left_over(exception, traceback_of(exception), frame, self._session.thread())
        self._exceptions.raised_again(id(exception))

    def _on_handled(self, code: CodeType, offset: int, exception: BaseException, frame: FrameType) -> Any:
        if frame.f_code is not code:  # code in C has fired it
            return
        if id(code) in self._functions:
            self._exceptions.group_handled(exception, frame)
        if self._session.exception_ids.get(id(exception)):
            self._exceptions.handled(id(exception), code, frame, _line_at(code, offset))
        if self._session.clears_locals and id(code) in self._functions:
            forget_locals(frame)

    def _on_call(self, code: CodeType, offset: int, target: Any, first_argument: Any) -> Any:
        """Find gaps at the call sites of traced code: their PY_START may be disabled, and functions in C have none."""
        caller = self._functions.get(id(code))
        if caller is None:
            return self._disable
        self._looks += 1
        if self._looks % _LOOKS_BETWEEN_PRICES == 0 and self._budget is not None:
            self._budget.spend(_LOOKS_BETWEEN_PRICES * _LOOK_IN_COUNTED_CALLS * self._budget.event_ns)
            self._looks_per_site = _FEW_LOOKS if self._budget.is_tight() else _LOOKS_PER_CALL_SITE
        site = (id(code), offset)
        looks = self._sites[site] = self._sites.get(site, 0) + 1
        found = callable_code(target)
        if found is not None:
            callee, module = found
            gap = self._gaps.gaps.get(id(callee))
            if gap is not None and gap.looks_left and type(target) is FunctionType:
                self._gaps.will_call(gap, target)
            if id(callee) not in self._functions and gap is None:
                if not self._session.include.is_included(module, callee.co_filename):
                    gap = self._gaps.add_python(callee, module)
                    if gap.looks_left and type(target) is FunctionType:
                        self._gaps.will_call(gap, target)
                    if (
                        not callee.co_flags & SUSPENDS
                    ):  # not for generators and coroutines: they would be counted at their ends only
                        self._set_local_events(callee, monitoring.events.PY_RETURN)
        else:
            name = c_function_name(target)
            if target is _FREE_TOOL_ID and first_argument == self._tool:
                where = code.co_filename.rpartition("/")[2], _line_at(code, offset) or code.co_firstlineno
                self._tool_is_lost("is freed by the program at %s:%d" % where)
            if name is not None:
                gap = self._gaps.add_c(*name)
                self._gaps.count(gap, caller)
                if looks >= self._looks_per_site:
                    self._gaps.stop_counting(gap)
        return self._disable if looks >= self._looks_per_site else None

    def _on_c_return(self, code: CodeType, offset: int, target: Any, first_argument: Any) -> None:
        """Notice a fork: a function written in C that returns to traced code may have forked the process."""
        self._session.notice_fork()


def _frame_of(code: CodeType) -> Any:
    """Return the frame that the event of a global kind is about; called by a callback that is itself called by one.

    None for an event that code in C has fired, as Cython does with ``profile=True``: the frame there is that of the
    caller, or none at all.
    """
    try:
        frame = get_frame(3)
    except ValueError:
        return None
    return frame if frame.f_code is code else None


def _frame_around() -> Any:
    """Return the frame that called the callback which calls this; a stand-in if there is none, below code in C."""
    try:
        return get_frame(2)
    except ValueError:
        return _NO_FRAME


def _line_at(code: CodeType, offset: int) -> Optional[int]:
    """Return the line of the handler that begins at an offset; the frame is still at the line that raised."""
    for _, end, line in code.co_lines():
        if end > offset and line is not None:
            return line
    return None


def _ends_except_star(code: CodeType, offset: int) -> bool:
    """Return whether a RERAISE may be the one after the handlers of ``except*``: others do not follow POP_EXCEPT."""
    instructions = code.co_code
    return instructions[offset - 2] == opmap["POP_EXCEPT"] and instructions[offset + 1] == 0


def _may_switch_tools(code: CodeType, names: Dict[str, Any]) -> bool:
    """Return whether code may call one of ``_TOOL_SWITCHES``: it names one, or a global variable that holds one."""
    if not _TOOL_SWITCH_NAMES.isdisjoint(code.co_names):
        return True
    if any(type(constant) is str and constant in _TOOL_SWITCH_NAMES for constant in code.co_consts):
        return True
    used = [dict.get(names, name) for name in code.co_names]
    return any(value is switch for value in used for switch in _TOOL_SWITCHES)


def _is_import_of_greenlet(code: CodeType, frame: Any) -> bool:
    return code.co_name == "<module>" and module_of(frame) == greenlets.MODULE


# The hot path, which every recorded call runs. For ordinary functions it repeats CallLog.begin and CallLog.end without
# calling Python code, which halves the cost of a call; a test keeps both equal. Values other than small integers go to
# the encoder. _hot_path binds the names below.
#
# The bounds of small integers are literals of 30 bits, which the interpreter compares without a call. Such integers
# need no redaction: payment card numbers have at least 13 digits.

session: Any = None
functions: Any = None
threads: Any = None
next_call: Any = None
begin_call: Any = None
end_call: Any = None
call_site: Any = None
encode: Any = None
counters: Any = None
skips: Any = None
begun: Any = None
awaiting: Any = None
look_for_open_calls: Any = None
unseen_ends: Any = None
drop_unseen_ends: Any = None
end_counted: Any = None
disable: Any = None
now_ns: Any = None
first_start: Any = None
other_return: Any = None
raised: Any = None
handled: Any = None
handle_failure: Any = None

# Guesses: most often the function and the thread are those of the last event. Comparing the frame of the thread's
# innermost call proves the guess, and saves the lookup of the thread's state.
last_function: Any = None
last_thread: Any = None

# Replaced by another object whenever a secret is learned.
secrets_known: Any = None


def on_start(code: CodeType, offset: int) -> Any:
    """Record the start of a call: the callback of PY_START."""
    global last_function, last_thread
    try:
        function = last_function
        if function.code is not code:
            try:
                function = last_function = functions[id(code)]
            except KeyError:
                return first_start(code)
        if skips is not None:
            if counters is not None:  # what ``skips`` does between two looks, without its call
                count = counters[function.counter] + 1
                if function.limit < count < function.next_look:
                    at_ns = now_ns()
                    if at_ns < function.fresh_at_ns:
                        counters[function.counter] = count
                        begun[id(get_frame(1))] = at_ns
                        return None
            if skips(function, get_frame(1)):
                return disable if function.is_off else None
        frame = get_frame(1)
        arity = function.hot
        if arity == 0:
            return begin_call(function, frame)
        thread = last_thread
        top = thread.top
        if top[2] is not frame.f_back:
            try:
                thread = threads.state
            except AttributeError:
                thread = session.new_thread()
            if unseen_ends:
                drop_unseen_ends(thread, frame)
            top = thread.top
            last_thread = thread
        frame_locals = frame.f_locals
        try:
            site = top[4][top[2].f_lasti]
        except KeyError:
            site = call_site(top)
        if thread.task:
            site = b"%b\t%d\n" % (site[:-1], thread.task)
        call = next_call()
        if arity == 2:
            a, b = function.get(frame_locals)
            if type(a) is int and type(b) is int and -0x3FFFFFFF < a < 0x3FFFFFFF and -0x3FFFFFFF < b < 0x3FFFFFFF:
                record = function.int_record % (call, now_ns(), a, b, top[0], site)
            else:
                known = secrets_known
                record = function.record % (call, now_ns(), encode(a), encode(b), top[0], site)
                if known is not secrets_known:  # a value taught a secret, which the other may hold
                    record = function.record % (call, now_ns(), encode(a), encode(b), top[0], site)
        elif arity == 1:
            a = function.get(frame_locals)
            record = function.record % (call, now_ns(), encode(a), top[0], site)
        else:
            values = function.get(frame_locals)
            known = secrets_known
            record = function.record % (call, now_ns(), *[encode(value) for value in values], top[0], site)
            if known is not secrets_known:
                record = function.record % (call, now_ns(), *[encode(value) for value in values], top[0], site)
        if function.clears_locals:
            frame_locals.clear()
        # These two belong together, here and in on_return: no signal handler runs between them.
        thread.top = (call, top, frame, None, function.call_sites)
        try:
            thread.write(record)
        except ValueError:
            thread.write_over(record)
    except RecursionError:
        session.near_recursion_limit = True
    except BaseException as error:
        handle_failure(error)
    return None


def on_return(code: CodeType, offset: int, value: Any) -> Any:
    """Record the end of a call: the callback of PY_RETURN."""
    at_ns = now_ns()
    try:
        thread = last_thread
        call, parent, frame, state, _ = thread.top
        if frame is not get_frame(1) or state is not None:
            if awaiting:
                function = awaiting.get(id(code))
                if function is not None and id(get_frame(1)) not in function.awaited:
                    function.strays += 1
                    if function.strays >= STRAYS_BETWEEN_LOOKS:
                        look_for_open_calls(function, get_frame(1))
                    return None
            if begun:
                begun_ns = begun.get(id(get_frame(1)))
                if begun_ns is not None:
                    function = last_function
                    if function.code is not code:
                        function = functions.get(id(code))
                    if function is not None:  # the call was only counted
                        if counters is not None and at_ns - begun_ns < function.slow_ns:
                            del begun[id(get_frame(1))]
                            counters[function.counter + 1] += at_ns - begun_ns
                        elif end_counted(function, get_frame(1), at_ns):
                            end_call(session.thread(), at_ns, encode(value))
                        return None
            # Another thread had the last event, or this is not the end of an ordinary recorded call.
            try:
                thread = threads.state
            except AttributeError:
                thread = session.new_thread()
            call, parent, frame, state, _ = thread.top
            if frame is not get_frame(1) or state is not None:
                return other_return(code, get_frame(1), value, at_ns, thread)
        if type(value) is int and -0x3FFFFFFF < value < 0x3FFFFFFF:
            record = b"R\t%d\t%d\t%d\n" % (call, at_ns, value)
        else:
            record = b"R\t%d\t%d\t%b\n" % (call, at_ns, encode(value))
        thread.top = parent
        try:
            thread.write(record)
        except ValueError:
            thread.write_over(record)
    except RecursionError:
        session.near_recursion_limit = True
    except BaseException as error:
        handle_failure(error)
    return None


# Libraries raise and handle exceptions of their own all the time, which no traced code sees.


def on_raise(code: CodeType, offset: int, exception: BaseException) -> Any:
    """Record an exception that traced code raises or that reaches it: the callback of RAISE."""
    try:
        if id(code) in functions or id(exception) in session.exception_ids:
            raised(code, offset, exception, _frame_around())
    except RecursionError:
        session.near_recursion_limit = True
        session.exception_ids = {}  # may be stale: exceptions raised meanwhile go unseen
    except BaseException as error:
        handle_failure(error)
    return None


def on_handled(code: CodeType, offset: int, exception: BaseException) -> Any:
    """Record that an exception is handled: the callback of EXCEPTION_HANDLED."""
    try:
        if id(code) in functions or id(exception) in session.exception_ids:
            handled(code, offset, exception, _frame_around())
    except RecursionError:
        session.near_recursion_limit = True
        session.exception_ids = {}  # may be stale: exceptions raised meanwhile go unseen
    except BaseException as error:
        handle_failure(error)
    return None
