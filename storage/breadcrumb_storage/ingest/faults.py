"""The stacks that C code wrote into fault files, or onto a program's stderr: rows of `stacks` with source `fault`.

Not part of `ingest_trace`, because what the C code writes is not redacted: the caller sees to that here.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import breadcrumb.record_format
from breadcrumb.record_format import FAULT_SUFFIX
from breadcrumb_storage.ingest.fault_text import FATAL, Fault, FaultFrame, parse_fault
from breadcrumb_storage.transaction import transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Frames of the tracer are nobody's business: it may have been at work in that very moment.
_TRACER = str(Path(breadcrumb.record_format.__file__).parent) + os.sep

_PROCESS = """
SELECT p.process_id, coalesce(p.cwd, '/'), coalesce(s.bytes_read, 0)
FROM processes p LEFT JOIN segments s ON s.trace_id = p.trace_id AND s.name = $3
WHERE p.trace_id = $1 AND p.process_key = $2
"""
_READ_TO = """
INSERT INTO segments (trace_id, name, bytes_read) VALUES ($1, $2, $3)
ON CONFLICT DO UPDATE SET bytes_read = excluded.bytes_read
"""
_FORGET = "DELETE FROM stacks WHERE trace_id = $1 AND process_id = $2 AND source = 'fault'"
# What Python itself has answered says more, and was asked for before the process was ended.
_ADD = """
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
-- Bare names become qualified where the function is a traced one: the last of that name that begins before the line.
LEFT JOIN LATERAL (
    SELECT f.function_name, f.module_name FROM functions f
    WHERE f.trace_id = $1 AND f.process_id = $2 AND f.file = r.file AND f.line <= r.line
      AND (f.function_name = r.function OR ends_with(f.function_name, '.' || r.function))
    ORDER BY f.line DESC LIMIT 1
) k ON true
WHERE NOT EXISTS (SELECT 1 FROM stacks WHERE trace_id = $1 AND process_id = $2)
"""
_UNENDED = """
SELECT process_id, coalesce(cwd, '/'), pid IS NOT DISTINCT FROM $2 AS own FROM processes
WHERE trace_id = $1 AND ended_at IS NULL ORDER BY own DESC, process_id DESC
"""
_EXPLAIN = "UPDATE stacks SET reason = $2 WHERE trace_id = $1 AND reason IS NULL"


def ingest_faults(con: DuckDBPyConnection, spool: Path, trace_id: str, redact_text: Callable[[str], str]) -> None:
    """Read the fault files of a spool folder that have grown. To be called after `ingest_trace`."""
    for path in sorted(spool.glob(f"*{FAULT_SUFFIX}")):
        size = path.stat().st_size
        if not size:
            continue
        with transaction(con):
            row = con.execute(_PROCESS, [trace_id, path.name.removesuffix(FAULT_SUFFIX), path.name]).fetchone()
            if row is None or row[2] >= size:
                continue
            process_id, cwd, _ = row
            con.execute(_FORGET, [trace_id, process_id])
            if fault := parse_fault(redact_text(path.read_text("utf-8", errors="replace"))):
                _add(con, trace_id, process_id, cwd, fault)
            con.execute(_READ_TO, [trace_id, path.name, size])


def add_printed_fault(con: DuckDBPyConnection, trace_id: str, stderr: str, pid: int | None) -> None:
    """Take a fatal error from what the command printed: of the interpreter itself, of ``-X faulthandler``, of pytest.

    It does not say whose it is. Where the process that the command began as did not end in the normal way it is that
    one's, or else that of the only process that did not.

    Args:
        stderr: Redacted.
        pid: Of the command's own process.
    """
    fault = parse_fault(stderr) if FATAL in stderr else None
    if fault is None or not fault.stacks:
        return
    with transaction(con):
        unended = con.execute(_UNENDED, [trace_id, pid]).fetchall()
        if unended and (unended[0][2] or len(unended) == 1):
            _add(con, trace_id, unended[0][0], unended[0][1], fault)


def explain_stacks(con: DuckDBPyConnection, trace_id: str, status: str) -> None:
    """Say of the stacks that were asked for why they were: the run timed out, or was stopped."""
    if status in ("timeout", "stopped"):
        con.execute(_EXPLAIN, [trace_id, status])


def _add(con: DuckDBPyConnection, trace_id: str, process_id: int, cwd: str, fault: Fault) -> None:
    rows = [
        (stack_id, stack.thread_ident, depth, frame.function, _absolute(cwd, frame.file), frame.line)
        for stack_id, stack in enumerate(fault.stacks)
        for depth, frame in enumerate(_of_the_program(stack.frames))
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(6)]
    con.execute(_ADD, [trace_id, process_id, *columns, fault.error])


def _of_the_program(frames: Sequence[FaultFrame]) -> list[FaultFrame]:
    """The frames without the tracer's, and without what it was just calling."""
    kept: list[FaultFrame] = []
    for frame in frames:
        if frame.file.startswith(_TRACER) and not frame.file.endswith("sitecustomize.py"):
            kept.clear()
        else:
            kept.append(frame)
    return kept


def _absolute(cwd: str, file: str) -> str:
    return file if file.startswith("<") else os.path.normpath(Path(cwd) / file)
