"""Pass questions, answers and errors between the server and the process that runs SQL: JSON after its length."""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from breadcrumb_storage import errors
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.sql_access.read_only_sql import SqlResult
from breadcrumb_storage.trace_rows import RunningTrace

HEADER = struct.Struct(">Q")  # the bytes of the message that follows


@dataclass(frozen=True, slots=True)
class Question:
    """A statement for a database file.

    Args:
        path: The file.
        sql: The statement.
        limit: Maximum number of rows.
        timeout_seconds: Time for the statement, once the file is open.
        lock_timeout_seconds: Time to wait while the file is locked.
    """

    path: str
    sql: str
    limit: int
    timeout_seconds: float
    lock_timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a question.

    Args:
        result: The rows.
        running: The traces that are stored as running, as they were when the file was opened.
    """

    result: SqlResult
    running: list[RunningTrace]


class Opened:
    """The database is open, and the time of the statement begins."""


def pack(content: object) -> bytes:
    """Return a message of what JSON can hold; text that is no Unicode arrives as it is."""
    data = json.dumps(content, separators=(",", ":")).encode("ascii")
    return HEADER.pack(len(data)) + data


def pack_question(question: Question) -> bytes:
    """Return the message of a question."""
    return pack(asdict(question))


def read_question(data: bytes) -> Question:
    """Return the question in a message without its header."""
    return Question(**json.loads(data))


def pack_opened() -> bytes:
    """Return the message that the database is open."""
    return pack({})


def pack_reply(reply: Reply) -> bytes:
    """Return the message of a reply."""
    running = [[run.trace_id, run.started_at.isoformat(), run.pid] for run in reply.running]
    return pack({"result": asdict(reply.result), "running": running})


def pack_error(error: BaseException) -> bytes:
    """Return the message of an error."""
    if isinstance(error, BreadcrumbError):
        return pack({"error": type(error).__name__, "texts": [error.what, error.why, error.hint]})
    return pack({"error": "", "texts": [f"{type(error).__name__}: {error}"[:2_000]]})


def read_answer(data: bytes) -> Opened | Reply | BaseException:
    """Return what a message of the process says; an error that Breadcrumb does not raise itself is a `RuntimeError`."""
    content: dict[str, Any] = json.loads(data)
    if "error" in content:
        kind, texts = content["error"], content["texts"]
        if not kind:
            return RuntimeError(f"in the process that runs SQL: {texts[0]}")
        raised: type[BreadcrumbError] = getattr(errors, kind)
        return raised(texts[0], why=texts[1], hint=texts[2])
    if "result" not in content:
        return Opened()
    running = [RunningTrace(name, datetime.fromisoformat(at), pid) for name, at, pid in content["running"]]
    return Reply(SqlResult(**content["result"]), running)
