"""Read the stacks of threads and tasks at the moment when a run was ended or a process crashed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.rows import fetch, fetch_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# More stacks of a trace than any reader looks at; the others are counted.
MAX_STACKS = 500


@dataclass(frozen=True, slots=True)
class StackFrame:
    """A frame of a stack."""

    depth: int  # 0: the innermost
    function: str
    module: str
    file: str
    line: int | None
    locks: str | None = None  # JSON: the locked locks that its code names


@dataclass(frozen=True, slots=True)
class Stack:
    """The stack of a thread or of a waiting task; `stack_locals` reads its local variables."""

    process_id: int
    stack_id: int
    thread_ident: int | None
    thread_name: str | None
    task_name: str | None
    reason: str | None
    frames: Sequence[StackFrame]  # the innermost first

    @property
    def crashed(self) -> bool:
        """Whether a fatal error occurred in this thread."""
        return self.stack_id == 0 and (self.reason or "").startswith("Fatal")


def list_stacks(reader: TraceReader) -> tuple[list[Stack], int]:
    """Return the first `MAX_STACKS` stacks, those of crashed processes before others, and the number of all stacks."""
    result = reader.con.execute(
        """
        SELECT process_id, stack_id, any_value(thread_ident) AS thread_ident, any_value(thread_name) AS thread_name,
               any_value(task_name) AS task_name, any_value(reason) AS reason,
               list({'depth': depth, 'function': coalesce(function_name, ''), 'module': coalesce(module_name, ''),
                     'file': coalesce(file, ''), 'line': line, 'locks': locks} ORDER BY depth) AS frames,
               count(*) OVER () AS total
        FROM stacks WHERE trace_id = ? GROUP BY process_id, stack_id
        ORDER BY any_value(reason) LIKE 'Fatal%' DESC NULLS LAST, process_id, stack_id LIMIT ?
        """,
        [reader.trace_id, MAX_STACKS],
    )
    return fetch_page(result, Stack, convert={"frames": _frames})


def _frames(rows: list[dict[str, Any]]) -> list[StackFrame]:
    return [StackFrame(**row) for row in rows]


def stack_locals(reader: TraceReader, stacks: Sequence[Stack]) -> dict[tuple[int, int, int], str]:
    """Return the local variables of frames as JSON, by (process, stack, depth); frames without any are left out."""
    wanted = ", ".join(f"({int(each.process_id)}, {int(each.stack_id)})" for each in stacks)
    if not wanted:
        return {}
    rows = reader.con.execute(
        f"""
        SELECT process_id, stack_id, depth, locals FROM stacks
        WHERE trace_id = ? AND locals IS NOT NULL AND (process_id, stack_id) IN ({wanted})
        """,
        [reader.trace_id],
    ).fetchall()
    return {(process, stack, depth): text for process, stack, depth, text in rows}


@dataclass(frozen=True, slots=True)
class TaskCreator:
    """Where a task was created."""

    process_id: int
    task_name: str
    function: str
    file: str | None
    line: int | None


def task_creators(reader: TraceReader) -> dict[tuple[int, str], TaskCreator]:
    """Return where tasks were created, by (process, name); those without a name of their own are left out."""
    result = reader.con.execute(
        """
        SELECT k.process_id, k.name AS task_name, f.function_name AS function, f.file, k.created_line AS line
        FROM (FROM tasks WHERE trace_id = $trace_id
              QUALIFY count(*) OVER (PARTITION BY process_id, name) = 1) k
        JOIN (FROM call_records WHERE trace_no = $trace_no AND call_id IN (
                  SELECT created_by FROM tasks WHERE trace_id = $trace_id)) c ON c.call_id = k.created_by
        JOIN functions f ON f.trace_id = $trace_id AND f.process_id = c.process_id AND f.function_id = c.function_id
        """,
        {"trace_id": reader.trace_id, "trace_no": reader.trace_no},
    )
    return {(each.process_id, each.task_name): each for each in fetch(result, TaskCreator)}
