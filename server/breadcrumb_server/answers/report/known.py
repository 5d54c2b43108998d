"""Build the report of a run whose database cannot be read or written, from what its server knows."""

from __future__ import annotations

from dataclasses import dataclass

from breadcrumb_server.answers.common.budget import squeeze
from breadcrumb_server.answers.common.next_calls import call
from breadcrumb_server.answers.common.text import clean, cut, one_line, rounded
from breadcrumb_server.answers.report.answer import RunReport
from breadcrumb_server.answers.report.output import Output, output_end
from breadcrumb_storage.errors import BreadcrumbError

# Of each output stream.
MAX_TAIL_CHARS = 600
MAX_TAIL_LINES = 8
MAX_REASON_CHARS = 600


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run as its server knows it; texts are redacted."""

    project: str
    trace_id: str
    status: str
    exit_code: int | None
    signal: str | None
    duration_ms: float  # up to now, if it has not ended
    command: str
    label: str
    output: Output


def known_report(run: KnownRun, error: BreadcrumbError) -> RunReport:
    """Report how a command ended, and why there is nothing of what was recorded.

    Args:
        run: What is known of the run.
        error: Why the database did not give the report.
    """
    about = {"project": run.project, "trace_id": run.trace_id}
    ask_again = (
        call("wait_for_run", **about, wait_seconds=45) if run.status == "running" else call("get_trace", **about)
    )
    return squeeze(
        RunReport(
            project=run.project,
            trace_id=run.trace_id,
            status=run.status,
            exit_code=run.exit_code,
            signal=run.signal,
            duration_ms=rounded(run.duration_ms),
            command=cut(clean(run.command), 300),
            label=one_line(run.label, 100),
            traced=None,
            stdout_tail=output_end(run.output.stdout, run.output.stdout_bytes, MAX_TAIL_CHARS, MAX_TAIL_LINES),
            stderr_tail=output_end(run.output.stderr, run.output.stderr_bytes, MAX_TAIL_CHARS, MAX_TAIL_LINES),
            notes=[f"what was recorded is not in this report: {one_line(str(error), MAX_REASON_CHARS)}"],
            next=[ask_again],
        )
    )
