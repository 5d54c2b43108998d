"""Run SQL of users in a process that can be killed and limited, whatever the statement is.

DuckDB folds constants and plans a statement without looking at its memory limit or at an interrupt, so neither is a
bound on it. The process is kept for the next questions and ends by itself when none comes.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError, QueryFailed
from breadcrumb_storage.sql_access.messages import HEADER, Opened, Question, Reply, pack_question, read_answer
from breadcrumb_storage.sql_access.read_only_sql import DEFAULT_TIMEOUT_SECONDS, memory_error, timeout_error

# Without a question the process ends. Questions of a session come within seconds, or not at all.
IDLE_SECONDS = 60.0
# Statements that run at once: each may take as much memory as a query may use.
MAX_PROCESSES = 2
# For the start of the process and for opening the database, in addition to waiting for its lock.
_OPENING_SECONDS = 30.0
# For DuckDB to notice its interrupt; then the process is killed.
GRACE_SECONDS = 1.0
_READ_BYTES = 1 << 20
_WORKER = "breadcrumb_storage.sql_access.query_worker"
# Variables that the process gets, for Python to find what the server has found. Secrets of the environment are none.
_KEPT_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")


class QueryProcess:
    """A process that answers one question at a time.

    Args:
        grace_seconds: What a statement is given beyond its time to notice that it is over; then the process is killed.
    """

    def __init__(self, grace_seconds: float = GRACE_SECONDS) -> None:
        self._grace_seconds = grace_seconds
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        self._process = subprocess.Popen(
            # -P: the current folder is not searched for modules.
            [sys.executable, "-P", "-m", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=kept,
            start_new_session=True,  # Ctrl-C in a terminal is for the server
        )
        self._is_asked = False  # and has not answered yet

    @property
    def pid(self) -> int:
        """Return the pid."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Return whether it runs."""
        return self._process.poll() is None

    def can_be_asked(self) -> bool:
        """Return whether it runs and has answered everything."""
        return not self._is_asked and self.is_alive()

    def ask(self, question: Question) -> Reply | None:
        """Ask a question, and return what came of it; None if the process had ended before.

        Raises:
            BreadcrumbError: The statement or the database was refused, or took more than it may. The process may have
                ended.
        """
        self._is_asked = True
        try:
            self._send(pack_question(question))
        except OSError:
            return None if self._exit_code() == 0 else self._explain(question)
        answer = self._receive(time.monotonic() + question.lock_timeout_seconds + _OPENING_SECONDS)
        if isinstance(answer, Opened):
            answer = self._receive(time.monotonic() + question.timeout_seconds + self._grace_seconds)
            if answer is None and self.is_alive():
                self.kill()
                raise timeout_error(question.timeout_seconds)
        elif answer is None and not self.is_alive() and self._process.returncode == 0:
            return None  # it was idle, and ended as the question came
        self._is_asked = answer is None
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, Reply) else self._explain(question)

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the process and close its pipes."""
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what could not be written any more
                    continue

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def _receive(self, deadline: float) -> Opened | Reply | BaseException | None:
        """Return the next message; None if there is none before the deadline or the process has ended."""
        header = self._read(HEADER.size, deadline)
        if header is None:
            return None
        data = self._read(HEADER.unpack(header)[0], deadline)
        return None if data is None else read_answer(data)

    def _read(self, length: int, deadline: float) -> bytes | None:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        ready = select.poll()
        ready.register(descriptor, select.POLLIN)
        data = bytearray()
        while len(data) < length:
            left = deadline - time.monotonic()
            if left <= 0 or not ready.poll(left * 1000):
                return None
            part = os.read(descriptor, min(_READ_BYTES, length - len(data)))
            if not part:
                self._process.wait()
                return None
            data += part
        return bytes(data)

    def _exit_code(self) -> int:
        return self._process.wait()

    def _explain(self, question: Question) -> Reply:
        """Raise the error for a process that has given no answer.

        Raises:
            BreadcrumbError: Says how it ended.
        """
        if self.is_alive():  # it could not even open the database
            self.kill()
            raise BreadcrumbError(
                "The query was given up: the process that runs it did not begin.",
                hint="The machine may be very busy. Call again.",
            )
        code = self._exit_code()
        if code in (-signal.SIGXCPU, -signal.SIGALRM):
            raise timeout_error(question.timeout_seconds)
        if code == -signal.SIGKILL:
            raise memory_error("The system ended the process that ran it.")
        if code == -signal.SIGABRT:
            raise memory_error("DuckDB gave up in the middle of it.")
        if code < 0:
            raise QueryFailed(
                "The query ended the process that ran it: DuckDB could not handle this statement.",
                why=f"It died of {signal.Signals(-code).name}.",
                hint="Write it with fewer parts: less nesting, fewer UNIONs, shorter lists.",
            )
        raise BreadcrumbError(
            "The query was not answered: the process that runs it cannot be started.",
            why=f"It exited with code {code}.",
            hint="Install Breadcrumb again (pipx reinstall breadcrumb-mcp), and restart this server.",
        )


class Ticket:
    """A question on its way; another thread may cancel it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: QueryProcess | None = None
        self._is_cancelled = False

    def cancel(self) -> None:
        """End the question, whatever it computes."""
        with self._lock:
            self._is_cancelled = True
            if self._process is not None:
                self._process.kill()

    @contextmanager
    def using(self, process: QueryProcess) -> Generator[None]:
        """Let `cancel` end this process while the block runs.

        Raises:
            BreadcrumbError: The question was cancelled, before or in the block.
        """
        with self._lock:
            self._check()
            self._process = process
        try:
            yield
        except BreadcrumbError:
            self._check()
            raise
        finally:
            with self._lock:
                self._process = None

    def _check(self) -> None:
        if self._is_cancelled:
            raise BreadcrumbError("The question was cancelled.")


class QueryProcesses:
    """The processes of a server, made when they are needed; the next question gets one that is there. Safe in threads.

    Args:
        timeout_seconds: Time for a statement.
        grace_seconds: As for `QueryProcess`.
    """

    def __init__(self, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS, grace_seconds: float = GRACE_SECONDS) -> None:
        self.timeout_seconds = timeout_seconds
        self.grace_seconds = grace_seconds
        self._idle: list[QueryProcess] = []
        self._lock = threading.Lock()
        self._is_closed = False

    def ask(self, database: Database, sql: str, limit: int, ticket: Ticket | None = None) -> Reply:
        """Run a reading statement in a process of its own. Blocking.

        Args:
            database: The database.
            sql: The statement.
            limit: Maximum number of rows.
            ticket: To cancel it.

        Raises:
            BreadcrumbError: The statement or the database was refused, took too long or too much memory, or was
                cancelled.
        """
        question = Question(
            path=str(database.path.absolute()),
            sql=sql,
            limit=limit,
            timeout_seconds=self.timeout_seconds,
            lock_timeout_seconds=database.lock_timeout_seconds,
        )
        ticket = ticket or Ticket()
        with database.reading_elsewhere():
            while True:
                process = self._take()
                try:
                    with ticket.using(process):
                        reply = process.ask(question)
                finally:
                    self._give_back(process)
                if reply is not None:
                    return reply

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _take(self) -> QueryProcess:
        while True:
            with self._lock:
                process = self._idle.pop() if self._idle else None
            if process is None:
                return QueryProcess(self.grace_seconds)
            if process.can_be_asked():
                return process
            process.close()

    def _give_back(self, process: QueryProcess) -> None:
        with self._lock:
            is_kept = not self._is_closed and process.can_be_asked() and len(self._idle) < MAX_PROCESSES
            if is_kept:
                self._idle.append(process)
        if not is_kept:
            process.close()
