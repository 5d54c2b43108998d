"""Observe only which lines of own code tests execute: for a first pass, which is to take little more than the tests.

Calls, values, exceptions and gaps are not observed. The backends are those of sys.monitoring and of sys.settrace, for
the Pythons that ``backends.choose`` names.
"""

from __future__ import annotations

import sys
from sys import _getframe as get_frame
from types import CodeType, FrameType

from ..runtime.features import LIVE_F_LOCALS, monitoring
from ..runtime.guard import guard
from ..runtime.locals_dict import may_keep_locals
from ..session.functions import creates_task, is_observed, kind_of, starts_child
from . import Backend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, Optional, Tuple

    from ..session.functions import Function
    from . import ExitCode

_TOOL_IDS = (4, 3, 5)
_TOOL_NAME = "breadcrumb"

# Code that is known not to be own. A limit, because programs can create code without end.
_MAX_SKIPPED = 20_000


def _is_of_runner(code: CodeType) -> bool:
    return is_observed(code) and not starts_child(code) and not creates_task(code)


class _OnlyLines(Backend):
    def watch_exit(self, frame: FrameType, exit_code: ExitCode) -> None:
        """Do nothing: a program that traces itself has no first pass."""

    def _function(self, code: CodeType, frame: FrameType) -> Optional[Function]:
        """Return the function of own code that starts for the first time; None for other code."""
        if not self._function_log.is_included(code, frame) or kind_of(code) in ("module", "class"):
            return None
        return self._functions.get(id(code)) or self._function_log.add(code, frame)


class OnlyLinesMonitoring(_OnlyLines):
    """Observe lines through sys.monitoring: each once in a test."""

    name = "monitoring"
    clears_locals = not LIVE_F_LOCALS
    tells_lines_once = True

    def start(self) -> None:
        """Begin to observe all threads.

        Raises:
            RuntimeError: Every tool id that the tracer may use is taken.
        """
        free = [tool for tool in _TOOL_IDS if monitoring.get_tool(tool) is None]
        if not free:
            raise RuntimeError("every sys.monitoring tool id that Breadcrumb may use is taken")
        self._tool = free[0]
        self._disable = monitoring.DISABLE
        events = monitoring.events
        monitoring.use_tool_id(self._tool, _TOOL_NAME)
        monitoring.register_callback(self._tool, events.PY_START, guard(self._on_start, self._session))
        monitoring.register_callback(self._tool, events.PY_RETURN, guard(self._on_return, self._session))
        monitoring.register_callback(self._tool, events.LINE, guard(self._on_line, self._session))
        monitoring.set_events(self._tool, events.PY_START)

    def stop(self) -> None:
        """Stop observing."""
        monitoring.set_events(self._tool, 0)
        monitoring.free_tool_id(self._tool)

    def observe(self, function: Function) -> None:
        """Have each line of a function told at its next execution."""
        if function.notes_lines:
            self._set_events(function.code, 0)  # adding the event enables the lines that are disabled
            self._set_events(function.code, monitoring.events.LINE)

    def observe_lines(self, functions: Iterable[Function]) -> None:
        """Have each line of functions told at its next execution."""
        for function in functions:
            self.observe(function)

    def _set_events(self, code: CodeType, events: int) -> None:
        try:
            monitoring.set_local_events(self._tool, code, events)
        except (SystemError, ValueError):  # Cython's stand-ins for code cannot be instrumented
            pass

    def _on_start(self, code: CodeType, offset: int) -> Any:
        frame = get_frame(2)
        if frame.f_code is not code:  # of code in C
            return self._disable
        if _is_of_runner(code):
            self._observer(code).starts(code, frame)
            self._set_events(code, monitoring.events.PY_RETURN)
            return None
        self._function(code, frame)
        return self._disable

    def _on_return(self, code: CodeType, offset: int, value: Any) -> None:
        self._observer(code).ends(code, get_frame(2), value)

    def _on_line(self, code: CodeType, line: int) -> Any:
        function = self._functions.get(id(code))
        if function is not None and self._executed is not None and function.notes_lines:
            self._executed.line_starts(function, line)
        return self._disable


class OnlyLinesSettrace(_OnlyLines):
    """Observe lines through sys.settrace."""

    name = "settrace"
    writes_locals_back = not LIVE_F_LOCALS
    clears_locals = False

    def start(self) -> None:
        """Begin to observe this thread and those that start from now on.

        Raises:
            RuntimeError: Another tool uses sys.settrace.
        """
        if sys.gettrace() is not None:
            raise RuntimeError("sys.settrace is already in use")
        self._decided: Dict[int, Tuple[CodeType, Optional[Function]]] = {}
        self._on_call = guard(self._starts, self._session)
        self._on_event = guard(self._line_or_end, self._session)
        threading = sys.modules.get("threading")
        if threading is not None:
            threading.settrace(self._on_call)
        sys.settrace(self._on_call)

    def stop(self) -> None:
        """Stop observing this thread and later ones."""
        threading = sys.modules.get("threading")
        if threading is not None:
            threading.settrace(None)  # type: ignore[arg-type, unused-ignore]
        sys.settrace(None)

    def _starts(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        known = self._decided.get(id(code))
        if known is None:
            if _is_of_runner(code):
                self._observer(code).starts(code, frame)
                frame.f_trace_lines = False
                return self._on_event
            # Each event of such a frame writes into a dict of the program, or loses the class of a class body.
            function = None if may_keep_locals(code) else self._function(code, frame)
            if len(self._decided) >= _MAX_SKIPPED:
                self._decided.clear()
            known = self._decided[id(code)] = (code, function)
        function = known[1]
        return self._on_event if function is not None and function.notes_lines else None

    def _line_or_end(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            function = self._functions.get(id(frame.f_code))
            if function is not None and function.notes_lines and self._executed is not None:
                self._executed.line_starts(function, frame.f_lineno)
            else:
                frame.f_trace_lines = False
        elif event == "return" and _is_of_runner(frame.f_code):
            self._observer(frame.f_code).ends(frame.f_code, frame, argument)
        return self._on_event
