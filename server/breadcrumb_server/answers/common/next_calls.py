"""Write proposed calls as text that can be copied unchanged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from breadcrumb.value_format import REDACTED
from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_server.answers.common.trace_config import line_patterns
from breadcrumb_server.timeouts import MAX_TIMEOUT_SECONDS
from breadcrumb_storage.queries.traces import TraceRow

# Characters. A longer call costs more to read than it saves.
MAX_CALL_CHARS = 400

# Seconds, for a run that was started without a timeout: a proposed call has to be complete.
DEFAULT_TIMEOUT_SECONDS = 60
# Factor by which a timeout that was too short is raised.
LONGER_TIMEOUT = 4

# The arguments that precede trace_id, as in the signature of the tool.
_BEFORE_TRACE_ID = {
    "get_calls": ("function",),
    "analyze_performance": ("function",),
    "compare_traces": ("base_trace_id",),
    "show": ("what", "where", "call_id"),
}


def call(tool: str, **arguments: object) -> str:
    """Write a call in Python's notation, ``tool(project="shop", limit=5)``, without arguments that are None."""
    given = (f"{name}={_literal(value)}" for name, value in arguments.items() if value is not None)
    return f"{tool}({', '.join(given)})"


@dataclass(frozen=True, slots=True)
class NextCalls:
    """Proposals of calls about one trace, with its project and id filled in."""

    project: str
    trace: TraceRow

    def call(self, tool: str, **arguments: object) -> str:
        """Propose a call of a tool that takes ``project`` and ``trace_id``, without arguments that are None."""
        before = _BEFORE_TRACE_ID.get(tool, ())
        first = {name: value for name, value in arguments.items() if name in before}
        rest = {name: value for name, value in arguments.items() if name not in first}
        return call(tool, project=self.project, **first, trace_id=self.trace.trace_id, **rest)

    def get_calls(self, function: str, where: Mapping[str, object] | None = None) -> str:
        """Propose the calls of a function, all of them or those that ``where`` selects."""
        return self.call("get_calls", function=function, where=where)

    def show(self, function: str, call_id: int) -> str:
        """Propose the source of a function with what each line did in a call."""
        return self.call("show", what=[function], call_id=call_id)

    def rerun(self, lines: Sequence[str] = (), *, full: bool = False, longer: bool = False) -> str | None:
        """Propose to run the trace's command again, with its variables and its input.

        None if one of them is unknown, was redacted, or is too long.

        Args:
            lines: Functions whose executed lines to record, in addition to those of the trace.
            full: Record every call.
            longer: Raise the timeout, as the run did not end within it.
        """
        trace = self.trace
        capture: dict[str, object] = {"mode": "full"} if full else {}
        if recorded := list(dict.fromkeys([*line_patterns(trace), *lines])):
            capture["lines"] = recorded
        env, has_input, stdin = trace.config.get("env"), "stdin" in trace.config, trace.config.get("stdin")
        if REDACTED in f"{trace.command} {env} {stdin}" or not trace.command or (has_input and stdin is None):
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
            env=env or None,
            stdin=stdin,
            capture=capture or None,
        )


def _literal(value: object) -> str:
    """Write a value with texts in double quotes, as in the JSON that tools are called with."""
    if is_object(value):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
    if is_array(value):
        return f"[{', '.join(map(_literal, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def at_most_one(calls: list[str | None]) -> list[str]:
    """Return the first call that can be proposed: more are not read, and cost characters in every answer."""
    return first_few(calls, 1)


def first_few(calls: list[str | None], count: int = 3) -> list[str]:
    """Return the first calls, each once, without those that are None or longer than MAX_CALL_CHARS."""
    usable = dict.fromkeys(text for text in calls if text and len(text) <= MAX_CALL_CHARS)
    return list(usable)[:count]
