"""What the report must say about the recording itself: how much there is, and loudly what there is not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from breadcrumb_server.answers.common.model import Section, Table
from breadcrumb_server.answers.common.text import clean, counted, cut, one_line
from breadcrumb_storage.queries.exceptions import count_exceptions
from breadcrumb_storage.queries.functions import FunctionTime
from breadcrumb_storage.queries.trace_reader import TraceReader
from breadcrumb_storage.queries.traces import Notice, ProcessRow, TraceRow

MAX_WARNINGS = 6
MAX_WARNING_CHARS = 300
# Processes that are named when they did not end as processes should.
_MAX_PROCESSES = 3


class Traced(Section):
    """The amount recorded; ``calls`` counts the recorded calls."""

    always_shown = frozenset({"processes", "functions", "calls", "exceptions"})

    processes: int
    functions: int
    calls: int
    exceptions: int
    calls_started: int | None = None


def how_much(reader: TraceReader, processes: Sequence[ProcessRow], functions: Sequence[FunctionTime]) -> Traced:
    """The size of a recording; ``calls_started`` only where more calls began than were recorded."""
    recorded = sum(each.recorded for each in functions)
    started = sum(each.started for each in functions)
    return Traced(
        processes=len(processes),
        functions=len(functions),
        calls=recorded,
        exceptions=count_exceptions(reader),
        calls_started=started if started > recorded else None,
    )


def process_table(
    processes: Sequence[ProcessRow], calls: Mapping[int, int], rows: int, *, running: bool
) -> Table | None:
    """Who started whom; None where there is only one process."""
    if len(processes) < 2:
        return None
    return Table(
        columns=["process", "parent", "what", "calls", "end"],
        rows=[
            [
                each.process_id,
                each.parent_process_id,
                one_line(_what(each), 100),
                calls.get(each.process_id, 0),
                "exec" if each.replaced else "exit" if each.ended else "" if running else "none",
            ]
            for each in processes[:rows]
        ],
        more=len(processes) - len(processes[:rows]),
    )


def _what(process: ProcessRow) -> str:
    """A process by the name that multiprocessing gave it, or by its command."""
    if process.name or process.started_by in ("fork", "subinterpreter"):
        return process.name or process.started_by or ""
    command = process.command or ""
    return f"exec: {command}" if process.started_by == "exec" else command


def not_traced(trace: TraceRow, processes: Sequence[ProcessRow], functions: Sequence[FunctionTime]) -> list[str]:
    """What is missing from the recording, and why."""
    running = trace.status == "running"
    told: list[str] = []
    if not processes:
        told.append("nothing was traced yet" if running else "NOTHING WAS TRACED: no Python process started the tracer")
        if trace.not_traced_reason:
            told.append(trace.not_traced_reason)
    elif trace.not_traced_reason:
        told.append(trace.not_traced_reason)
    elif not functions and not running:
        told.append(
            f"{counted(len(processes), 'process')} ran the tracer, but no code that ran matches the include patterns "
            f"{trace.config.get('include') or []}"
        )
    sampled = [each for each in functions if each.started > each.recorded]
    if sampled:
        left_out = sum(each.started - each.recorded for each in sampled)
        most = max(sampled, key=lambda each: each.started - each.recorded)
        told.append(
            f"{left_out:,} calls of {counted(len(sampled), 'function')} were counted but not recorded (most of them: "
            f"{most.module}:{most.name}, {most.recorded:,} of {'' if most.exact else '>='}{most.started:,} recorded). "
            "capture mode full records all"
        )
    off = [each for each in functions if not each.exact]
    if off:
        told.append(
            f"{counted(len(off), 'function')} ran so hot that counting was switched off now and then "
            f"({off[0].module}:{off[0].name}{' and others' if len(off) > 1 else ''}): counts with >= and times are "
            "lower bounds"
        )
    return [cut(clean(text), MAX_WARNING_CHARS) for text in told]


def warnings(
    trace: TraceRow,
    processes: Sequence[ProcessRow],
    notices: Sequence[Notice],
    unfinished: int,
    *,
    ends_lost: bool = False,
    without_lines: Iterable[str] = (),
) -> list[str]:
    """What a reader of the report must know before believing it.

    Args:
        unfinished: calls that have no end.
        ends_lost: that is because calls ended unseen, and not because the program ended in them.
        without_lines: why there are no lines of functions that were asked for.
    """
    told = [
        *without_lines,
        *(
            notice.message + (f" (in {notice.processes} processes)" if notice.processes > 1 else "")
            for notice in notices
        ),
    ]
    if trace.status != "running":
        killed = [process for process in processes if not process.ended]
        # That a run which was ended from outside has such a process is what its status says already.
        if killed and (trace.status in ("completed", "failed") or len(killed) > 1):
            names = "; ".join(cut(f"{each.pid} {_what(each)}", 80) for each in killed[:_MAX_PROCESSES])
            more = f" and {len(killed) - _MAX_PROCESSES} more" if len(killed) > _MAX_PROCESSES else ""
            told.append(
                f"{counted(len(killed), 'process')} ended without Python's exit (a signal, os._exit, or an exec of "
                f"another program): {names}{more}"
            )
        if unfinished:
            why = "ended unseen (shown as unfinished)" if ends_lost else "had not ended when the recording did"
            told.append(f"{counted(unfinished, 'call')} {why}")
    if len(told) > MAX_WARNINGS:
        told[MAX_WARNINGS - 1 :] = [f"… {len(told) - MAX_WARNINGS + 1} more: SELECT message FROM notices"]
    return [cut(clean(text), MAX_WARNING_CHARS) for text in told]
