"""Follow-up calls as text that can be made as it stands."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from breadcrumb.value_format import REDACTED
from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_server.answers.common.trace_config import line_patterns
from breadcrumb_server.timeouts import MAX_TIMEOUT_SECONDS
from breadcrumb_storage.queries.traces import TraceRow

# A longer call costs more to read than it saves.
MAX_CALL_CHARS = 400

# A run without a timeout of its own is given one: a call that is to be made as it stands needs it.
DEFAULT_TIMEOUT_SECONDS = 60
# So many times the time that was not enough.
LONGER_TIMEOUT = 4

# The argument that stands before trace_id, as in the tool's own parameters.
_BEFORE_TRACE_ID = {
    "get_calls": "function",
    "analyze_performance": "function",
    "compare_traces": "base_trace_id",
}


def call(tool: str, **arguments: object) -> str:
    """``tool(project="shop", limit=5)``, as Python writes it; arguments that are None are left out."""
    given = (f"{name}={_literal(value)}" for name, value in arguments.items() if value is not None)
    return f"{tool}({', '.join(given)})"


@dataclass(frozen=True, slots=True)
class NextCalls:
    """Propose calls about one trace: its project and its id are filled in."""

    project: str
    trace: TraceRow

    def call(self, tool: str, **arguments: object) -> str:
        """Propose a call of a tool that takes ``project`` and ``trace_id``; arguments that are None are left out."""
        first = {name: value for name, value in arguments.items() if name == _BEFORE_TRACE_ID.get(tool)}
        rest = {name: value for name, value in arguments.items() if name not in first}
        return call(tool, project=self.project, **first, trace_id=self.trace.trace_id, **rest)

    def get_calls(self, function: str, where: Mapping[str, object] | None = None) -> str:
        """Propose the calls of a function, all of them or those that ``where`` selects."""
        return self.call("get_calls", function=function, where=where)

    def rerun(self, lines: Sequence[str] = (), *, full: bool = False, longer: bool = False) -> str | None:
        """Propose to run the trace's command again; None where it was redacted and cannot be repeated.

        Args:
            lines: functions whose executed lines are to be recorded as well, beside those of the trace.
            full: record every call this time.
            longer: give it more time, as it did not come to its end.
        """
        trace = self.trace
        capture: dict[str, object] = {"mode": "full"} if full else {}
        if recorded := list(dict.fromkeys([*line_patterns(trace), *lines])):
            capture["lines"] = recorded
        if REDACTED in trace.command or not trace.command:
            return None
        timeout = trace.timeout_seconds or DEFAULT_TIMEOUT_SECONDS
        if longer:
            timeout = min(timeout * LONGER_TIMEOUT, MAX_TIMEOUT_SECONDS)
        return call(
            "run",
            project=self.project,
            command=trace.command,
            timeout_seconds=int(timeout) if timeout == int(timeout) else timeout,
            cwd=trace.cwd if trace.cwd and trace.cwd != trace.config.get("workspace") else None,
            capture=capture or None,
        )


def _literal(value: object) -> str:
    """Texts in double quotes, as in JSON, which tools are called with in the end."""
    if is_object(value):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
    if is_array(value):
        return f"[{', '.join(map(_literal, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def first_few(calls: list[str | None], count: int = 3) -> list[str]:
    """The first of these that are there, each once, without those that are too long to be of use."""
    usable = dict.fromkeys(text for text in calls if text and len(text) <= MAX_CALL_CHARS)
    return list(usable)[:count]
