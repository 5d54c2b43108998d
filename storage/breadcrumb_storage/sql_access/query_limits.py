"""Limit what this process may take from the machine while it runs a statement; the kernel holds it, not DuckDB."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

# Beyond what the process has when the database is open. More than the memory limit of DuckDB, which counts its buffers
# alone: a statement that it can stop by itself is told the better reason.
MEMORY_BYTES = 3 * 1024**3
# After which the process ends itself, whatever it computes and whether its server lives or not.
EXTRA_SECONDS = 10.0


def prepare_process() -> None:
    """Let this process write no core dump, and be the first that the kernel ends when the machine is out of memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:  # no Linux
        return


@contextmanager
def statement_limits(seconds: float) -> Generator[None]:
    """Limit memory, processor and wall time in the block, and let no file be written.

    Args:
        seconds: How long the statement may take. Twice the time and EXTRA_SECONDS end this process by a signal.
    """
    usage = resource.getrusage(resource.RUSAGE_SELF)
    threads = os.cpu_count() or 1
    processor = usage.ru_utime + usage.ru_stime + (2 * seconds + EXTRA_SECONDS) * threads
    wanted = {resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CPU: int(processor) + 1}
    if (size := address_space()) is not None:
        wanted[resource.RLIMIT_AS] = size + MEMORY_BYTES
    before = {each: resource.getrlimit(each) for each in wanted}
    for each, soft in wanted.items():
        hard = before[each][1]
        resource.setrlimit(each, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
    signal.setitimer(signal.ITIMER_REAL, 2 * seconds + EXTRA_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for each, values in before.items():
            resource.setrlimit(each, values)


def address_space() -> int | None:
    """Return the bytes of this process's address space; None where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (OSError, ValueError):
        return None
