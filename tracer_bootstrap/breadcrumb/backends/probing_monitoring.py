"""Evaluate probes through sys.monitoring, with a tool id of their own.

So they are independent of what the tracer switches off, and of what it does not trace. The interpreter calls the tools
of an event from the highest id to the lowest: with a higher id than the tracer's, the call that returns is still open.
"""

from __future__ import annotations

from sys import _getframe as get_frame  # bound at import: programs may remove it
from types import CodeType

from ..record_format import NOTICE_PROBES
from ..runtime.features import monitoring
from ..runtime.guard import guard
from .monitoring import MonitoringBackend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Set

    from ..probes.log import ProbeLog
    from ..probes.probe import CodeProbes
    from . import Parts

# In the order of preference, the first above that of the tracer; ids in use are never taken.
_TOOL_IDS = (5, 4, 3)
_TOOL_NAME = "breadcrumb probes"


class ProbingMonitoringBackend(MonitoringBackend):
    """The backend that uses sys.monitoring, with probes."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        assert parts.probes is not None
        self._probes: ProbeLog = parts.probes
        self._probe_tool = -1
        self._probed: Dict[int, CodeProbes] = {}  # by id(code)
        self._entering: Set[int] = set()  # ids of frames whose first line is about to run

    def start(self) -> None:
        """Begin to observe all threads."""
        super().start()
        for tool in _TOOL_IDS:
            if monitoring.get_tool(tool) is None:
                monitoring.use_tool_id(tool, _TOOL_NAME)
                self._probe_tool = tool
                break
        else:
            self._session.notice(
                NOTICE_PROBES, "probes were not evaluated: every sys.monitoring tool id that they may use is taken"
            )
            return
        events = monitoring.events
        for event, callback in (
            (events.PY_START, self._on_probed_start),
            (events.LINE, self._on_probed_line),
            (events.PY_RETURN, self._on_probed_return),
            (events.PY_UNWIND, self._on_probed_unwind),
        ):
            monitoring.register_callback(tool, event, guard(callback, self._session))
        wanted = events.PY_START
        if self._probes.has_returns:  # an exception that leaves code is an event of all code
            wanted |= events.PY_UNWIND
        monitoring.set_events(tool, wanted)

    def stop(self) -> None:
        """Stop observing, and free the tool ids."""
        super().stop()
        if self._probe_tool >= 0:
            monitoring.set_events(self._probe_tool, 0)
            for found in self._probed.values():
                monitoring.set_local_events(self._probe_tool, found.code, 0)
            events = monitoring.events
            for event in (events.PY_START, events.LINE, events.PY_RETURN, events.PY_UNWIND):
                monitoring.register_callback(self._probe_tool, event, None)
            monitoring.free_tool_id(self._probe_tool)
            self._probe_tool = -1

    def _on_probed_start(self, code: CodeType, offset: int) -> Any:
        frame = get_frame(2)
        if frame.f_code is not code:  # an event that code in C has fired
            return self._disable
        found = self._probes.finder.starts(code, frame)
        if found is None:
            return self._disable
        if id(code) not in self._probed:
            self._probed[id(code)] = found
            events = monitoring.events
            wanted = events.LINE if found.lines or found.entry else 0
            if found.returns:
                wanted |= events.PY_RETURN
            monitoring.set_local_events(self._probe_tool, code, wanted)
        if not found.entry:
            return self._disable
        self._entering.add(id(frame))
        return None

    def _on_probed_line(self, code: CodeType, line: int) -> Any:
        found = self._probed.get(id(code))
        if found is None:
            return self._disable
        if found.entry:
            frame = get_frame(2)
            if id(frame) in self._entering:
                self._entering.discard(id(frame))
                found.first_lines.add(line)
                self._probes.entry(found, frame)
        if line in found.lines:
            self._probes.line(found, get_frame(2), line)
        elif line not in found.first_lines:
            return self._disable
        return None

    def _on_probed_return(self, code: CodeType, offset: int, value: Any) -> None:
        found = self._probed.get(id(code))
        if found is not None:
            self._probes.returned(found, get_frame(2), value)

    def _on_probed_unwind(self, code: CodeType, offset: int, exception: BaseException) -> None:
        found = self._probed.get(id(code))
        if found is not None:
            frame = get_frame(2)
            if frame.f_code is code:
                self._probes.raised(found, frame, exception)
