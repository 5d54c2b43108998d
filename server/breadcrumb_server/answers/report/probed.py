"""Build the answer to a run with probes: what they found, and nothing else of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from breadcrumb.record_format import NOTICE_PROBES
from breadcrumb_server.answers.common.budget import squeeze
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.next_calls import NextCalls
from breadcrumb_server.answers.common.text import one_line, rounded
from breadcrumb_server.answers.probes.asked import asked_probes
from breadcrumb_server.answers.probes.table import probes_text
from breadcrumb_server.answers.report.answer import RunReport, build_report
from breadcrumb_server.answers.report.output import Output
from breadcrumb_server.answers.report.recording import missing_from_trace
from breadcrumb_storage.queries.exceptions import last_uncaught
from breadcrumb_storage.queries.functions import function_times
from breadcrumb_storage.queries.probes import count_probes
from breadcrumb_storage.queries.test_results import count_tests, failed_tests
from breadcrumb_storage.queries.trace_reader import TraceReader
from breadcrumb_storage.queries.traces import list_notices, list_processes

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Characters of the one line besides the table.
MAX_NOTE_CHARS = 200


class ProbedRun(RunReport):
    """The report of a run with probes: the other fields are left out."""

    always_shown = frozenset({"trace_id", "status", "exit_code", "probes"})


def report_after_run(
    con: DuckDBPyConnection,
    project: str,
    *,
    trace_id: str,
    running: Mapping[str, Output],
    redact: Sequence[str],
) -> RunReport:
    """Build what `run` answers: the table of its probes if it has any, else the report.

    Args:
        con: A connection to the project's database.
        project: The project's name.
        trace_id: The id of the run.
        running: The output so far of the programs that this server runs, by trace id.
        redact: The project's patterns of secret names.

    Raises:
        BreadcrumbError: The trace is unknown.
    """
    reader = TraceReader.open(con, trace_id, project)
    trace = reader.trace
    if not asked_probes(trace):
        return build_report(con, project, trace_id=trace_id, running=running, redact=redact)
    is_running = trace.status == "running"
    next_calls = NextCalls(project, trace)
    return squeeze(
        ProbedRun(
            project=project,
            trace_id=trace.trace_id,
            status=trace.status,
            exit_code=trace.exit_code,
            signal=trace.signal,
            duration_ms=None if trace.duration_ms is None else rounded(trace.duration_ms),
            probes=probes_text(reader, Places.of(trace)),
            notes=_in_one_line(reader),
            next=[next_calls.call("wait_for_run", wait_seconds=45)] if is_running else [],
        )
    )


def _in_one_line(reader: TraceReader) -> list[str]:
    """Say why nothing of the program was seen, if that is why no probe was hit, or else what made the command fail."""
    if reader.trace.status == "running":
        return []
    if not any(each.hits for each in count_probes(reader)):
        processes, functions, notices = list_processes(reader), function_times(reader), list_notices(reader)
        missing = [each.message for each in notices if each.code == NOTICE_PROBES]
        missing += missing_from_trace(reader.trace, processes, functions, notices)
        if missing:
            return [one_line(missing[0], MAX_NOTE_CHARS)]
    if failed := failed_tests(reader, 1):
        counts = ", ".join(f"{number:,} {outcome}" for outcome, number in count_tests(reader).items())
        told = (
            f"{counts}; {failed[0].node_id}: {failed[0].exception_type or failed[0].outcome}: {failed[0].message or ''}"
        )
        return [one_line(told, MAX_NOTE_CHARS)]
    uncaught = last_uncaught(reader)
    if uncaught is None:
        return []
    place = f" at {Places.of(reader.trace).path(uncaught.file)}:{uncaught.line}" if uncaught.file else ""
    return [one_line(f"uncaught{place}: {uncaught.type}: {uncaught.message}", MAX_NOTE_CHARS)]
