"""Propose to run a trace's command again, with more recorded or more time."""

from __future__ import annotations

from collections.abc import Sequence

from breadcrumb.value_format import REDACTED
from breadcrumb_server.answers.common.next_calls import call
from breadcrumb_server.answers.common.trace_config import line_patterns
from breadcrumb_server.timeouts import MAX_TIMEOUT_SECONDS
from breadcrumb_storage.queries.traces import TraceRow

# A run without a timeout of its own is given one: a call that is to be made as it stands needs it.
DEFAULT_TIMEOUT_SECONDS = 60
# So many times the time that was not enough.
LONGER_TIMEOUT = 4


def rerun_call(
    project: str, trace: TraceRow, lines: Sequence[str] = (), *, full: bool = False, longer: bool = False
) -> str | None:
    """The call that runs the same command again; None where the command was redacted and cannot be repeated.

    Args:
        lines: functions whose executed lines are to be recorded as well, beside those of the trace.
        full: record every call this time.
        longer: give it more time, as it did not come to its end.
    """
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
        project=project,
        command=trace.command,
        timeout_seconds=int(timeout) if timeout == int(timeout) else timeout,
        cwd=trace.cwd if trace.cwd and trace.cwd != trace.config.get("workspace") else None,
        capture=capture or None,
    )
