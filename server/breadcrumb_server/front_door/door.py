"""Read and write the client's streams until the MCP server is loaded, and then leave the session to it."""

import os
import select
import sys
from collections.abc import Callable

from breadcrumb_server.front_door.messages import MAX_MESSAGE_BYTES
from breadcrumb_server.front_door.session import Session

# Loading the server takes the interpreter's lock, and a core from the client. It begins when something needs the
# server, or when the client says nothing more: soon after the list of tools, which clients wait for, later before it.
QUIET_AFTER_TOOLS_SECONDS = 0.1
QUIET_SECONDS = 1.0

# How long the loading thread may keep the interpreter's lock from the one that answers, a tenth of Python's default.
_SWITCH_SECONDS = 0.0005

_READ_BYTES = 65_536
# A pipe that is ready takes as much without blocking (POSIX: PIPE_BUF is 512 at least, on Linux 4,096).
_WRITE_BYTES = select.PIPE_BUF


class Handover:
    """The session as the server takes it over.

    Attributes:
        ahead: What was read of stdin and is for the server.
        ended: Whether stdin has ended.
        replayed: The ids of requests in ``ahead`` that have been answered already.
    """

    __slots__ = ("ahead", "ended", "replayed")

    def __init__(self, ahead: bytes, ended: bool, replayed: frozenset[str]) -> None:
        self.ahead = ahead
        self.ended = ended
        self.replayed = replayed


class FrontDoor:
    """The first part of a session on stdin and stdout.

    Args:
        session: Decides what is answered.
        load: Imports and makes the server, in a thread of its own.
        explain: Returns what a client is told of an error of ``load``.
    """

    def __init__(self, session: Session, load: Callable[[], None], explain: Callable[[BaseException], str]) -> None:
        self._session = session
        self._load = load
        self._explain = explain
        self._input = bytearray()
        self._output = bytearray()
        self._ended = False
        self._loading: int | None = None  # descriptor that can be read when loading ends
        self._switch_seconds = sys.getswitchinterval()
        self._has_loaded = False
        self._error: BaseException | None = None

    @property
    def is_loading(self) -> bool:
        """Whether the thread that loads the server is running: then the interpreter must not be torn down."""
        return self._loading is not None

    @property
    def has_failed(self) -> bool:
        """Whether the server could not be loaded."""
        return self._error is not None

    def open(self) -> Handover | None:
        """Answer the client until the server is loaded, and return the session; None if the client has left.

        Raises:
            BrokenPipeError: The client has closed stdout.
        """
        while True:
            if self._has_loaded and not self._output:
                return Handover(self._session.hand_over() + self._input, self._ended, frozenset(self._session.replayed))
            if self._ended and not self._output and (self.has_failed or not self._session.needs_server):
                return None
            self._wait()

    def _wait(self) -> None:
        """Wait until there is something to do, and do it."""
        poll = select.poll()
        if not self._ended:  # also what is for the server: a client may write much before it reads
            poll.register(0, select.POLLIN)
        if self._output:
            poll.register(1, select.POLLOUT)
        if self._loading is not None:
            poll.register(self._loading, select.POLLIN)
        ready = [descriptor for descriptor, _ in poll.poll(self._patience_ms())]
        if 1 in ready:
            del self._output[: os.write(1, self._output[:_WRITE_BYTES])]
        if 0 in ready:
            self._read()
        if self._loading in ready:
            self._finish_loading()
        if not ready:
            self._start_loading()

    def _patience_ms(self) -> float | None:
        """Return how long to wait before the server is loaded."""
        if self._loading is not None or self._has_loaded or self.has_failed:
            return None
        if self._session.needs_server:
            return 0
        return 1000 * (QUIET_AFTER_TOOLS_SECONDS if self._session.has_listed_tools else QUIET_SECONDS)

    def _read(self) -> None:
        chunk = os.read(0, _READ_BYTES)
        start = len(self._input)
        self._input += chunk
        if not chunk:
            self._ended = True
            if self._input:  # the server takes a last line without a newline too
                self._input += b"\n"
        self._answer_lines(start)
        if len(self._input) > MAX_MESSAGE_BYTES and not self.has_failed:
            self._session.stopped = True

    def _answer_lines(self, start: int = 0) -> None:
        """Answer the whole lines that were read.

        Args:
            start: How much of the input is known to have no newline.
        """
        begin = 0
        while self.has_failed or not self._session.stopped:
            end = self._input.find(b"\n", max(begin, start))
            if end < 0:
                break
            self._output += self._session.receive(bytes(self._input[begin:end]))
            begin = end + 1
        del self._input[:begin]

    def _start_loading(self) -> None:
        # Here and not in the other thread: threading takes the thread that imports it for the main one.
        import threading

        self._loading, done = os.pipe()
        sys.setswitchinterval(_SWITCH_SECONDS)
        threading.Thread(target=self._run_load, args=(done,), name="load-server", daemon=True).start()

    def _run_load(self, done: int) -> None:
        try:
            self._load()
        except BaseException as error:  # also SystemExit: whatever it is, the client waits
            self._error = error
        finally:
            os.close(done)

    def _finish_loading(self) -> None:
        assert self._loading is not None
        os.close(self._loading)
        self._loading = None
        sys.setswitchinterval(self._switch_seconds)
        if self._error is None:
            self._has_loaded = True
        else:
            self._output += self._session.fail(self._explain(self._error))
            self._answer_lines()
