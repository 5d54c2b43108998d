"""Evaluate probes through sys.settrace, around the trace functions of the tracer."""

from __future__ import annotations

from types import FrameType

from ..runtime.interruptions import starts_guarded
from ..runtime.locals_dict import keeps_locals
from ..session.functions import SUSPENDS
from .settrace import RETURNS, SettraceBackend, suspends_at, would_lose_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from ..probes.log import ProbeLog
    from ..probes.probe import CodeProbes
    from . import Parts


class ProbingSettraceBackend(SettraceBackend):
    """The backend that uses sys.settrace, with probes."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        assert parts.probes is not None
        self._probes: ProbeLog = parts.probes

    @starts_guarded
    def _on_call(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Handle the start or resume of a frame. Returns a local trace function around that of the tracer, or its."""
        local = SettraceBackend._on_call(self, frame, event, argument)
        try:
            if event != "call":
                return local
            code = frame.f_code
            found = self._probes.finder.starts(code, frame)
            if found is None:
                return local
            if would_lose_class(code) or keeps_locals(code):
                self._probes.leave_out(
                    found,
                    "%s keeps the dict of locals(), which probes would change before Python 3.12" % code.co_name,
                )
                return local
            is_resumed = bool(code.co_flags & SUSPENDS) and frame.f_lasti != self._first_instruction(code)
            frame.f_trace_lines = True
            return _ProbedFrame(self, self._probes, found, local, is_resumed).on_event
        except RecursionError as error:
            self._pause(error)
        except BaseException as error:
            self._handle_failure(frame, event, error)
        return local

    def probe_failed(self, frame: FrameType, event: str, error: BaseException) -> None:
        """Handle an error at a probe: re-raise it if it is the program's."""
        if isinstance(error, RecursionError):
            self._pause(error)
        else:
            self._handle_failure(frame, event, error)

    def returns_at(self, frame: FrameType) -> Optional[bool]:
        """Return whether a frame that is left returns; None if it may be suspended, False for an exception."""
        last = frame.f_lasti
        opcodes = self._opcodes_of(frame.f_code)
        if last >= 0 and opcodes[last] in RETURNS:
            return True
        return None if last >= 0 and suspends_at(opcodes, last) else False


class _ProbedFrame:
    """The local trace function of a frame with probes, around that of the tracer."""

    __slots__ = ("_awaits_entry", "_backend", "_found", "_inner", "_probes", "_raised")

    def __init__(
        self, backend: ProbingSettraceBackend, probes: ProbeLog, found: CodeProbes, inner: Any, is_resumed: bool
    ) -> None:
        self._backend = backend
        self._probes = probes
        self._found = found
        self._inner = inner
        self._awaits_entry = bool(found.entry) and not is_resumed
        # The exception that reached the frame last, until the frame's next event: it may be the frame's end.
        self._raised: Optional[BaseException] = None

    @starts_guarded
    def on_event(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Pass an event on, and evaluate what belongs to it.

        A line is passed on before, since a generator's first one begins its call; a return after, since it ends it.
        """
        if event == "line":
            self._pass_on(frame, event, argument)
        try:
            raised, self._raised = self._raised, None
            if event == "line":
                if self._awaits_entry:
                    self._awaits_entry = False
                    self._probes.entry(self._found, frame)
                if self._found.lines:
                    self._probes.line(self._found, frame, frame.f_lineno)
            elif event == "exception":
                if self._found.returns:
                    self._raised = argument[1]
            elif event == "opcode":
                self._raised = raised
            elif event == "return" and self._found.returns:
                self._ends(frame, argument, raised)
            raised = None
        except BaseException as error:
            self._backend.probe_failed(frame, event, error)
        if event != "line":
            self._pass_on(frame, event, argument)
        return self.on_event

    def _pass_on(self, frame: FrameType, event: str, argument: Any) -> None:
        if self._inner is not None:
            self._inner = self._inner(frame, event, argument)
        frame.f_trace_lines = True

    def _ends(self, frame: FrameType, value: Any, raised: Optional[BaseException]) -> None:
        returns = self._backend.returns_at(frame)
        if returns:
            self._probes.returned(self._found, frame, value)
        elif returns is False or raised is not None:
            self._probes.raised(self._found, frame, raised)
