"""Measure what a process takes: its time, its processor time and its memory.

Run as a program, with the path of a file, a limit in seconds and a command, it starts the command and writes there
what it took. The figures are taken in a process of its own because Linux counts the memory of the process that starts
another one as that of the started one: an interpreter with a database library would hide what a small program needs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Far longer than what is measured takes; a command that does not end would stop everything.
MAX_SECONDS = 300


class Failed(Exception):
    """A measured command failed; the message has its exit code and the end of its output."""


@dataclass(frozen=True)
class Usage:
    """What a process took, with the children that it waited for."""

    wall_seconds: float
    processor_seconds: float
    peak_kib: int
    shown: str

    @property
    def processor_us(self) -> float:
        return self.processor_seconds * 1e6


def run(command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> Usage:
    """Run a command, and return what it took.

    Raises:
        Failed: It ended with another exit code than 0, or did not end.
    """
    with tempfile.NamedTemporaryFile("r", suffix=".json") as figures:
        done = subprocess.run(
            [sys.executable, "-I", "-S", __file__, figures.name, str(MAX_SECONDS), *command],
            cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        )  # fmt: skip
        if done.returncode:
            end = (done.stderr or done.stdout).strip()[-1500:]
            raise Failed(f"{' '.join(command[:4])} … ended with {done.returncode}: {end}")
        return Usage(**json.load(figures), shown=done.stdout)


def measure(command: list[str], max_seconds: int) -> tuple[int, dict[str, float]]:
    """Run a command with this process's environment, and return its exit code and figures."""
    started = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(max_seconds)  # kept by exec; the default of its signal ends the process
            os.execvpe(command[0], command, os.environ)
        finally:
            os._exit(127)
    _, status, used = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), {
        "wall_seconds": time.perf_counter() - started,
        "processor_seconds": used.ru_utime + used.ru_stime,
        "peak_kib": used.ru_maxrss // (1024 if sys.platform == "darwin" else 1),
    }


def main(target: str, max_seconds: str, *command: str) -> int:
    code, figures = measure(list(command), int(max_seconds))
    Path(target).write_text(json.dumps(figures))
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
