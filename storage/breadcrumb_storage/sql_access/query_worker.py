"""Answer questions in SQL, one after the other, in a process of its own: ``python -m`` starts it.

It ends when stdin does, whatever it computes, and by itself when it is idle or has become large.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from pathlib import Path

# What a process takes that has served ordinary questions, and more.
_LARGE_BYTES = 1024**3


def main() -> None:
    """Read questions from stdin and write what comes of them to stdout, until stdin ends or none comes for long.

    It never returns: a thread that waits in a read cannot be ended in any other way.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    questions: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(questions,), daemon=True).start()

    from breadcrumb_storage.sql_access.messages import pack_error
    from breadcrumb_storage.sql_access.query_limits import address_space, prepare_process
    from breadcrumb_storage.sql_access.query_process import IDLE_SECONDS

    prepare_process()
    size = None
    while True:
        try:
            data = questions.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            os._exit(0)
        is_usable = False
        try:
            answer, is_usable = _answer(data, answers)
        except BaseException as error:
            answer = pack_error(error)
        _write(answers, answer)
        size = size or address_space()
        if not is_usable or (size is not None and (address_space() or 0) > size + _LARGE_BYTES):
            os._exit(0)


def _answer(data: bytes, answers: int) -> tuple[bytes, bool]:
    """Return the message that answers a question, and whether this process can answer another one."""
    from breadcrumb_storage.database import Database
    from breadcrumb_storage.errors import BreadcrumbError
    from breadcrumb_storage.sql_access.messages import Reply, pack_error, pack_opened, pack_reply, read_question
    from breadcrumb_storage.sql_access.query_limits import statement_limits
    from breadcrumb_storage.sql_access.read_only_sql import run_read_only
    from breadcrumb_storage.trace_rows import running_traces

    question = read_question(data)
    database = Database(Path(question.path), lock_timeout_seconds=question.lock_timeout_seconds)
    try:
        with database.read() as con:
            running = running_traces(con)
            _write(answers, pack_opened())
            with statement_limits(question.timeout_seconds):
                result = run_read_only(con, question.sql, question.limit, timeout_seconds=question.timeout_seconds)
                return pack_reply(Reply(result, running)), True
    except BreadcrumbError as error:
        # What DuckDB has done to a process that was out of memory is not known.
        is_usable = not _is_of_memory(error)
        return pack_error(error), is_usable


def _is_of_memory(error: BaseException) -> bool:
    import duckdb

    return isinstance(
        error.__cause__, MemoryError | duckdb.OutOfMemoryException | duckdb.InternalException | duckdb.FatalException
    )


def _receive(questions: queue.SimpleQueue[bytes]) -> None:
    """Pass on questions, and end this process with stdin."""
    from breadcrumb_storage.sql_access.messages import HEADER

    while len(header := _read(HEADER.size)) == HEADER.size:
        (length,) = HEADER.unpack(header)
        questions.put(_read(length))
    os._exit(0)


def _read(length: int) -> bytes:
    """Return so many bytes of stdin, fewer at its end."""
    data = bytearray()
    while len(data) < length and (part := os.read(0, length - len(data))):
        data += part
    return bytes(data)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


if __name__ == "__main__":
    main()
