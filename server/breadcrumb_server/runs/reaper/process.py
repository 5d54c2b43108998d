"""Start commands, on Linux below a reaper: the server's side of :mod:`program`."""

from __future__ import annotations

import logging
import marshal
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Protocol

import anyio
import anyio.abc
from anyio.abc import ByteSendStream

from breadcrumb.platform_features import HAS_SUBREAPER

logger = logging.getLogger(__name__)

# Imported, since what is run as a script is compiled each time.
_PROGRAM = "import sys; sys.path.append(sys.argv.pop()); import program; program.main()"
_FOLDER = str(Path(__file__).parent)
# For the reaper to kill what is left and to end.
_CLOSE_SECONDS = 4.0
# Not those of the command, by which its processes are known: for Python to find its own library.
_KEPT_VARIABLES = ("LD_LIBRARY_PATH",)


class CommandProcess(Protocol):
    """The process of a command."""

    @property
    def pid(self) -> int:
        """Return its pid, which is also its session and process group."""
        ...

    @property
    def returncode(self) -> int | None:
        """Return its exit code, negative for a signal; None while it runs."""
        ...

    @property
    def stdin(self) -> ByteSendStream | None:
        """Return its input, if it has one."""
        ...

    @property
    def reaper_pid(self) -> int | None:
        """Return the process below which all that comes of the command is; None where there is none."""
        ...

    async def wait(self) -> int:
        """Wait for its end, and return its exit code."""
        ...

    def kill_descendants(self) -> None:
        """Ask for the end of all that has come of the command, without waiting."""
        ...

    async def aclose(self) -> None:
        """Give up what follows the process; all that is left of the command is ended."""
        ...


async def start(
    command: Sequence[str], *, has_input: bool, outputs: tuple[int, int], cwd: Path, environment: Mapping[str, str]
) -> CommandProcess:
    """Start a command in a session of its own.

    Args:
        command: The words of the command.
        has_input: Whether it gets a pipe as its input, or nothing to read.
        outputs: The descriptors of its stdout and stderr.
        cwd: Its folder.
        environment: All its variables.

    Raises:
        OSError: It cannot be started.
        ValueError: A word or a variable holds a NUL.
    """
    if HAS_SUBREAPER and _has_pidfds():
        reaped = await _start_below_reaper(command, has_input, outputs, cwd, environment)
        if reaped is not None:
            return reaped
        logger.warning("A command runs without a reaper, which could not be started: it may leave processes behind.")
    process = await anyio.open_process(
        command,
        stdin=PIPE if has_input else DEVNULL,
        stdout=outputs[0],
        stderr=outputs[1],
        cwd=cwd,
        env=environment,
        start_new_session=True,
    )
    return _Direct(process)


class _Direct:
    """A command as a child of this process."""

    reaper_pid = None

    def __init__(self, process: anyio.abc.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.stdin = process.stdin

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    async def wait(self) -> int:
        return await self._process.wait()

    def kill_descendants(self) -> None:
        return  # those that are known are killed by `process_group`

    async def aclose(self) -> None:
        return


class _Reaped:
    """A command below a reaper, which tells of it on a pipe and is told on another one."""

    def __init__(self, reaper: anyio.abc.Process, orders: int, reports: int) -> None:
        self._reaper = reaper
        self._orders = orders
        self._reports = reports
        self._reading = anyio.Lock()
        self._text = b""
        self.stdin = reaper.stdin
        self.reaper_pid = reaper.pid
        self.pid = 0
        self.returncode: int | None = None

    async def has_started(self) -> bool:
        """Wait until the command runs; return False if the reaper itself could not be started.

        Raises:
            OSError: The command cannot be started.
        """
        kind, number = await self._next_report()
        if kind == "started":
            self.pid = number
            return True
        await self.aclose()
        if kind == "failed":
            raise OSError(number, os.strerror(number))
        return False

    async def wait(self) -> int:
        while self.returncode is None:
            async with self._reading:
                if self.returncode is None:
                    kind, number = await self._next_report()
                    # A command whose reaper was killed is killed by the kernel.
                    self.returncode = {"ended": number, "": -9}.get(kind)
        return self.returncode

    def kill_descendants(self) -> None:
        try:
            os.write(self._orders, b"k")
        except OSError:  # the reaper was killed
            return

    async def aclose(self) -> None:
        if self._orders < 0:
            return
        os.close(self._orders)
        self._orders = -1
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            await self._reaper.wait()
        os.close(self._reports)

    async def _next_report(self) -> tuple[str, int]:
        """Return the next word of the reaper with its number; an empty one if the reaper has ended."""
        while b"\n" not in self._text:
            await anyio.wait_readable(self._reports)
            data = os.read(self._reports, 100)
            if not data:
                return "", 0
            self._text += data
        line, _, self._text = self._text.partition(b"\n")
        kind, _, number = line.decode().partition(" ")
        return kind, int(number or 0)


async def _start_below_reaper(
    command: Sequence[str], has_input: bool, outputs: tuple[int, int], cwd: Path, environment: Mapping[str, str]
) -> _Reaped | None:
    """Start a command below a reaper; return None if there can be none."""
    words = [os.fsencode(word) for word in command]
    variables = {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}
    if any(b"\0" in text for text in (*words, *variables, *variables.values())):
        raise ValueError("embedded null byte")
    request = os.memfd_create("command")  # a pipe would have to be read before it holds a large environment
    orders_read, orders = os.pipe()
    reports, reports_write = os.pipe()
    try:
        os.write(request, marshal.dumps((words, variables, os.fsencode(cwd)), 2))
        os.lseek(request, 0, os.SEEK_SET)
        given = (request, orders_read, reports_write)
        reaper = await anyio.open_process(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, *map(str, given), _FOLDER],
            stdin=PIPE if has_input else DEVNULL,
            stdout=outputs[0],
            stderr=outputs[1],
            cwd="/",
            env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
            start_new_session=True,
            pass_fds=given,
        )
    except BaseException:
        os.close(orders)
        os.close(reports)
        raise
    finally:
        for descriptor in (request, orders_read, reports_write):
            os.close(descriptor)
    process = _Reaped(reaper, orders, reports)
    return process if await process.has_started() else None


@cache
def _has_pidfds() -> bool:
    """Return whether the kernel has them (Linux 5.3), and no filter of a container forbids them."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True
