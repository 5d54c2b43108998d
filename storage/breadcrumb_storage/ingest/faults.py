"""Insert stacks written by faulthandler into `stacks`, from fault files and from stderr.

This is separate from `ingest_trace`, since faulthandler's C code writes without redaction: the caller redacts here.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import breadcrumb.record_format
from breadcrumb.record_format import FAULT_SUFFIX
from breadcrumb_storage.ingest.fault_text import FATAL, Fault, FaultFrame, parse_fault
from breadcrumb_storage.regular_file import read_regular
from breadcrumb_storage.transaction import transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# The tracer may have been running at that moment; its frames are of no use to the user.
_TRACER_FOLDER = str(Path(breadcrumb.record_format.__file__).parent) + os.sep

_PROCESS = """
SELECT p.process_id, coalesce(p.cwd, '/'), coalesce(s.bytes_read, 0)
FROM processes p LEFT JOIN segments s ON s.trace_id = p.trace_id AND s.name = $3
WHERE p.trace_id = $1 AND p.process_key = $2
"""
_ADVANCE_LEDGER = """
INSERT INTO segments (trace_id, name, bytes_read) VALUES ($1, $2, $3)
ON CONFLICT DO UPDATE SET bytes_read = excluded.bytes_read
"""
_DELETE_FAULT_STACKS = "DELETE FROM stacks WHERE trace_id = $1 AND process_id = $2 AND source = 'fault'"
# Skips processes that have stacks from Python, which show more and were taken before the process was ended.
_INSERT = """
INSERT INTO stacks
    (trace_id, process_id, stack_id, thread_ident, thread_name, depth, function_name, module_name, file, line, source,
     reason)
SELECT $1, $2, r.stack_id, r.ident, t.name, r.depth, coalesce(k.function_name, r.function), k.module_name, r.file,
       r.line, 'fault', $9
FROM (
    SELECT unnest($3::INTEGER[]) AS stack_id, unnest($4::BIGINT[]) AS ident, unnest($5::INTEGER[]) AS depth,
           unnest($6::VARCHAR[]) AS function, unnest($7::VARCHAR[]) AS file, unnest($8::INTEGER[]) AS line
) r
LEFT JOIN (
    SELECT ident, arg_max(name, thread_id) AS name FROM threads WHERE trace_id = $1 AND process_id = $2 GROUP BY ident
) t ON t.ident = r.ident
-- Qualifies the names of traced functions: the last function of that name that starts at or before the line.
LEFT JOIN LATERAL (
    SELECT f.function_name, f.module_name FROM functions f
    WHERE f.trace_id = $1 AND f.process_id = $2 AND f.file = r.file AND f.line <= r.line
      AND (f.function_name = r.function OR ends_with(f.function_name, '.' || r.function))
    ORDER BY f.line DESC LIMIT 1
) k ON true
WHERE NOT EXISTS (SELECT 1 FROM stacks WHERE trace_id = $1 AND process_id = $2)
"""
_UNFINISHED = """
SELECT process_id, coalesce(cwd, '/'), pid IS NOT DISTINCT FROM $2 AS own FROM processes
WHERE trace_id = $1 AND ended_at IS NULL ORDER BY own DESC, process_id DESC
"""
_SET_REASON = "UPDATE stacks SET reason = $2 WHERE trace_id = $1 AND reason IS NULL"


def ingest_faults(con: DuckDBPyConnection, spool: Path, trace_id: str, redact_text: Callable[[str], str]) -> None:
    """Insert the stacks of fault files that have grown. Call it after `ingest_trace`, which adds the processes.

    Args:
        con: A connection of `Database.write`, outside any transaction.
        spool: The trace's folder.
        trace_id: The trace.
        redact_text: Removes secrets from the text of a file.
    """
    for path in sorted(spool.glob(f"*{FAULT_SUFFIX}")):
        if not path.is_file() or path.is_symlink():
            continue
        size = path.stat().st_size
        if not size:
            continue
        with transaction(con):
            row = con.execute(_PROCESS, [trace_id, path.name.removesuffix(FAULT_SUFFIX), path.name]).fetchone()
            if row is None or row[2] >= size:
                continue
            process_id, cwd, _ = row
            con.execute(_DELETE_FAULT_STACKS, [trace_id, process_id])
            if fault := parse_fault(redact_text(read_regular(path).decode("utf-8", errors="replace"))):
                _insert(con, trace_id, process_id, cwd, fault)
            con.execute(_ADVANCE_LEDGER, [trace_id, path.name, size])


def add_printed_fault(con: DuckDBPyConnection, trace_id: str, stderr: str, pid: int | None) -> None:
    """Insert the stacks of a fatal error on stderr, as written by the interpreter, ``-X faulthandler`` or pytest.

    The text does not name the process. It is attributed to the command's first process if that has not ended normally,
    or else to the only process that has not; with several, nothing is inserted.

    Args:
        con: A connection of `Database.write`, outside any transaction.
        trace_id: The trace, completely ingested.
        stderr: The end of the command's stderr, redacted.
        pid: The command's first process.
    """
    fault = parse_fault(stderr) if FATAL in stderr else None
    if fault is None or not fault.stacks:
        return
    with transaction(con):
        unfinished = con.execute(_UNFINISHED, [trace_id, pid]).fetchall()
        if unfinished and (unfinished[0][2] or len(unfinished) == 1):
            _insert(con, trace_id, unfinished[0][0], unfinished[0][1], fault)


def set_stack_reason(con: DuckDBPyConnection, trace_id: str, status: str) -> None:
    """Set the reason of stacks that have none, if the run timed out or was stopped.

    Args:
        con: A connection of `Database.write`.
        trace_id: The trace.
        status: How the run ended; only "timeout" and "stopped" are reasons.
    """
    if status in ("timeout", "stopped"):
        con.execute(_SET_REASON, [trace_id, status])


def _insert(con: DuckDBPyConnection, trace_id: str, process_id: int, cwd: str, fault: Fault) -> None:
    rows = [
        (stack_id, stack.thread_ident, depth, frame.function, _absolute(cwd, frame.file), frame.line)
        for stack_id, stack in enumerate(fault.stacks)
        for depth, frame in enumerate(_without_tracer(stack.frames))
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(6)]
    con.execute(_INSERT, [trace_id, process_id, *columns, fault.error])


def _without_tracer(frames: Sequence[FaultFrame]) -> list[FaultFrame]:
    """Remove the tracer's frames, and all frames that they called."""
    kept: list[FaultFrame] = []
    for frame in frames:
        if frame.file.startswith(_TRACER_FOLDER) and not frame.file.endswith("sitecustomize.py"):
            kept.clear()
        else:
            kept.append(frame)
    return kept


def _absolute(cwd: str, file: str) -> str:
    return file if file.startswith("<") else os.path.normpath(Path(cwd) / file)
