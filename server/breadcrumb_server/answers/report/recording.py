"""Describe the recording of a run: its size, what is missing from it and why, and warnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from breadcrumb.record_format import (
    NOTICE_NOT_OBSERVING,
    NOTICE_RECORDS_LOST,
    NOTICE_SPOOL_DAMAGED,
    NOTICE_SPOOL_GONE,
    NOTICE_UNKNOWN,
    NOTICE_UNTRACED_PYTHON,
    NOTICES_OF_TRACER,
)
from breadcrumb_server.answers.common.model import Section, Table
from breadcrumb_server.answers.common.text import bounded, bounded_text, clean, counted, cut, one_line
from breadcrumb_storage.queries.exceptions import count_exceptions
from breadcrumb_storage.queries.functions import FunctionTime
from breadcrumb_storage.queries.trace_reader import TraceReader
from breadcrumb_storage.queries.traces import Notice, ProcessRow, TraceRow


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of this part of the report."""

    warnings: int = 6
    """Warnings."""
    warning_chars: int = 300
    """Characters of a warning, and of a reason for missing data."""
    untraced_chars: int = 420
    """Characters of what is said about a kind of untraced Pythons, with a call that must be whole."""
    killed_processes: int = 3
    """Processes that are named because they ended without Python's exit."""


LIMITS = Limits()

# Notices that `missing_from_trace` has; the others are warnings.
TOLD_AS_MISSING = (NOTICE_NOT_OBSERVING, NOTICE_UNTRACED_PYTHON)

_BY_PROCESSES = (*NOTICES_OF_TRACER, NOTICE_UNKNOWN)

# How the sentence ends that says which calls were recorded in part, to keep the program fast.
FULL_RECORDS_ALL = "capture mode full records all"


class Traced(Section):
    """The amount recorded; ``calls`` counts the recorded calls, ``core`` names what encoded the values."""

    always_shown = frozenset({"processes", "functions", "calls", "exceptions"})

    processes: int
    functions: int
    calls: int
    exceptions: int
    calls_started: int | str | None = None
    core: str | None = None


def count_traced(reader: TraceReader, processes: Sequence[ProcessRow], functions: Sequence[FunctionTime]) -> Traced:
    """Count what was recorded, with ``calls_started`` only if some calls were not recorded."""
    recorded = sum(each.recorded for each in functions)
    started = sum(each.started for each in functions)
    exact = all(each.exact for each in functions)
    return Traced(
        processes=len(processes),
        functions=len(functions),
        calls=recorded,
        exceptions=count_exceptions(reader),
        calls_started=bounded(started, exact=exact) if started > recorded else None,
        core=", ".join(sorted({each.core for each in processes if each.core})) or None,
    )


def process_table(
    processes: Sequence[ProcessRow], calls: Mapping[int, int], rows: int, *, running: bool
) -> Table | None:
    """List the processes with their parents, at most ``rows``; None if there is only one process."""
    if len(processes) < 2:
        return None
    return Table(
        columns=["process", "parent", "what", "calls", "end"],
        rows=[
            [
                each.process_id,
                each.parent_process_id,
                one_line(_process_name(each), 100),
                calls.get(each.process_id, 0),
                "exec" if each.replaced else "exit" if each.ended else "" if running else "none",
            ]
            for each in processes[:rows]
        ],
        more=len(processes) - len(processes[:rows]),
    )


def _process_name(process: ProcessRow) -> str:
    """Return the name that multiprocessing gave a process, or how it was started, or its command."""
    if process.name or process.started_by in ("fork", "subinterpreter"):
        return process.name or process.started_by or ""
    command = process.command or ""
    return f"exec: {command}" if process.started_by == "exec" else command


def missing_from_trace(
    trace: TraceRow, processes: Sequence[ProcessRow], functions: Sequence[FunctionTime], notices: Sequence[Notice]
) -> list[str]:
    """Explain what is missing from the recording."""
    damaged = any(notice.code in (NOTICE_SPOOL_DAMAGED, NOTICE_RECORDS_LOST) for notice in notices)
    not_observed = [_text_of(notice) for notice in notices if notice.code == NOTICE_NOT_OBSERVING]
    running = trace.status == "running"
    reasons: list[str] = []
    untraced = [notice.message for notice in notices if notice.code == NOTICE_UNTRACED_PYTHON]
    if not processes and any(notice.code == NOTICE_SPOOL_GONE for notice in notices):
        reasons.append("NOTHING OF WHAT WAS TRACED could be read: see the warnings")
    elif not processes:
        reasons.append(
            "nothing was traced yet" if running else "NOTHING WAS TRACED: no Python process started the tracer"
        )
        if trace.not_traced_reason and not untraced:
            reasons.append(trace.not_traced_reason)
    elif trace.not_traced_reason:
        reasons.append(trace.not_traced_reason)
    elif not functions and not running and damaged:
        reasons.append("which functions were called could not be read: see the warnings")
    elif not functions and not running and not not_observed:
        reasons.append(
            f"{counted(len(processes), 'process')} ran the tracer, but no code that ran matches the include patterns "
            f"{trace.config.get('include') or []}"
        )
    reasons += not_observed
    told = [cut(clean(text), LIMITS.warning_chars) for text in reasons]
    told += [_cut_before_end(text, LIMITS.warning_chars) for text in _thinned(functions, damaged=damaged)]
    told[1 if not processes else 0 : 0] = [cut(clean(text), LIMITS.untraced_chars) for text in untraced]
    return told


def _cut_before_end(text: str, chars: int) -> str:
    """Cut a text before the sentence by which it is recognised."""
    if not text.endswith(FULL_RECORDS_ALL):
        return cut(clean(text), chars)
    begin = clean(text).removesuffix(FULL_RECORDS_ALL)
    return cut(begin, chars - len(FULL_RECORDS_ALL) - 1).rstrip() + " " + FULL_RECORDS_ALL


def _thinned(functions: Sequence[FunctionTime], *, damaged: bool) -> list[str]:
    """Say in one sentence which calls of busy functions were not recorded, or in less detail.

    Args:
        functions: The traced functions.
        damaged: A part of what was recorded could not be read, which no setting cures.
    """
    parts: list[str] = []
    sampled = [each for each in functions if each.started > each.recorded]
    if sampled:
        left_out = sum(each.started - each.recorded for each in sampled)
        exact = all(each.exact for each in sampled)
        most = max(sampled, key=lambda each: each.started - each.recorded)
        recorded = f"{most.recorded:,} of {bounded_text(most.started, exact=most.exact)} recorded"
        parts.append(
            f"{bounded_text(left_out, exact=exact)} calls of {counted(len(sampled), 'function')} were counted but not "
            f"recorded (most: {most.module}:{most.name}, {recorded})"
        )
    thinned = [each for each in functions if each.thinned]
    if thinned:
        others = " and others" if len(thinned) > 1 else ""
        parts.append(
            f"{counted(len(thinned), 'function')} in less detail to keep within capture.overhead "
            f"({thinned[0].full_name}{others})"
        )
    if any(not each.exact for each in functions):
        parts.append("counting was switched off at times: counts with >= and times are lower bounds")
    advice = "Some of them may have been in files that could not be read" if damaged else FULL_RECORDS_ALL
    return [f"{'; '.join(parts)}. {advice}"] if parts else []


def _text_of(notice: Notice) -> str:
    """Return the text of a notice, with its origin if a process of the program wrote it, which can write anything."""
    if notice.code not in _BY_PROCESSES:
        return notice.message
    origin = f"{notice.processes} processes" if notice.processes > 1 else "a process"
    return f"in {origin} of the program: {notice.message}"


def _is_spool_gone(notices: Iterable[Notice]) -> bool:
    return any(each.code == NOTICE_SPOOL_GONE for each in notices)


def warnings(
    trace: TraceRow,
    processes: Sequence[ProcessRow],
    notices: Sequence[Notice],
    unfinished: int,
    *,
    ends_lost: bool = False,
    without_lines: Iterable[str] = (),
) -> list[str]:
    """Collect what a reader of the report must know to judge it.

    Args:
        trace: The trace of the report.
        processes: Its processes.
        notices: Its notices.
        unfinished: Number of calls without an end.
        ends_lost: The tracer missed ends of calls: unfinished calls may have ended.
        without_lines: Sentences that explain why patterns of ``capture.lines`` match nothing.
    """
    found = [
        *without_lines,
        *(_text_of(notice) for notice in notices if notice.code not in TOLD_AS_MISSING),
    ]
    if trace.status != "running":
        killed = [process for process in processes if not process.ended]
        # A run that was ended from outside has one such process: its status says so. A spool that is gone had the ends.
        if killed and not _is_spool_gone(notices) and (trace.status in ("completed", "failed") or len(killed) > 1):
            names = "; ".join(
                cut(f"{each.pid} {_process_name(each)}", 80) for each in killed[: LIMITS.killed_processes]
            )
            left = len(killed) - LIMITS.killed_processes
            more = f" and {left} more" if left > 0 else ""
            found.append(
                f"{counted(len(killed), 'process')} ended without Python's exit (a signal, os._exit, or an exec of "
                f"another program): {names}{more}"
            )
        if unfinished:
            why = "ended unseen (shown as unfinished)" if ends_lost else "had not ended when the recording did"
            found.append(f"{counted(unfinished, 'call')} {why}")
    if len(found) > LIMITS.warnings:
        found[LIMITS.warnings - 1 :] = [f"… {len(found) - LIMITS.warnings + 1} more: SELECT message FROM notices"]
    return [cut(clean(text), LIMITS.warning_chars) for text in found]
