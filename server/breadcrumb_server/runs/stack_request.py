"""Ask the processes of a run where they stand, before they are ended.

Python answers by itself, with the local variables, if its main thread comes to it; where it does not, its C code is
asked, which can only tell the functions. From its answer on a process waits in its main thread, until it has got the
signal that ends it and we :func:`let_go`.
"""

import signal
import time
from dataclasses import dataclass
from pathlib import Path

from breadcrumb.record_format import (
    EVENTS_SUFFIX,
    FAULT_SIGNAL_BELOW_MAX,
    FAULT_SUFFIX,
    NOTICE_STACKS_INCOMPLETE,
    STACKS_SIGNAL_BELOW_MAX,
    STACKS_SUFFIX,
    STACKS_WANTED_FILE,
)
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.state import RunState
from breadcrumb_storage.ingest.spool_files import list_spool

# An answer takes milliseconds; this is for a busy machine, and for many processes.
ANSWER_SECONDS = 1.0
# When the server itself ends, which clients give it two seconds for.
SHUTDOWN_ANSWER_SECONDS = 0.2
# A signal that comes just before a system call is entered does not interrupt it: the second one does.
TIMES_ASKED = 2
# The C code writes in the signal handler itself.
FAULT_SECONDS = 0.2
POLL_SECONDS = 0.005
# A notice for each process would fill the report.
MAX_NAMED = 3

_STACKS_SIGNAL = signal.SIGRTMAX - STACKS_SIGNAL_BELOW_MAX
_FAULT_SIGNAL = signal.SIGRTMAX - FAULT_SIGNAL_BELOW_MAX


@dataclass(frozen=True)
class _Traced:
    """A living process with a tracer; ``key`` names its spool files."""

    pid: int
    key: str
    spool: Path

    def lives(self) -> bool:
        return process_group.start_time(self.pid) is not None

    def is_mute(self) -> bool:
        """Whether it lives and has not answered."""
        return not (self.spool / f"{self.key}{STACKS_SUFFIX}").exists() and self.lives()

    def fault_bytes(self) -> int:
        try:
            return (self.spool / f"{self.key}{FAULT_SUFFIX}").stat().st_size
        except OSError:
            return 0


def take_stacks(state: RunState, spool: Path, seconds: float) -> list[tuple[str, str]]:
    """Have the stacks of all traced processes of a run written into its spool. Blocking.

    Arguments:
        seconds: to wait for the answers of Python. What its C code tells takes FAULT_SECONDS more at most.

    Returns:
        Notices (code, message) on processes that did not answer.
    """
    traced = _traced_processes(state, spool)
    (spool / STACKS_WANTED_FILE).touch(0o600)
    mute = traced
    for _ in range(TIMES_ASKED):
        asked = [each for each in mute if process_group.catches(each.pid, _STACKS_SIGNAL)]
        process_group.send([each.pid for each in asked], _STACKS_SIGNAL)
        deadline = time.monotonic() + seconds / TIMES_ASKED
        while any(each.is_mute() for each in asked) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        mute = [each for each in mute if each.is_mute()]
    return _ask_c_code(mute)


def let_go(spool: Path) -> None:
    """Let the processes that wait go on, to their end."""
    (spool / STACKS_WANTED_FILE).unlink(missing_ok=True)


def _traced_processes(state: RunState, spool: Path) -> list[_Traced]:
    living = set(state.living_processes(spool))
    # A process that has called exec has a key for each of its programs: the last to start counts.
    files = (file for file in list_spool(spool) if file.suffix == EVENTS_SUFFIX and file.pid in living)
    keys = {file.pid: file.process_key for file in files}
    return [_Traced(pid, key, spool) for pid, key in keys.items()]


def _ask_c_code(mute: list[_Traced]) -> list[tuple[str, str]]:
    doing = {each: process_group.doing(each.pid) for each in mute}
    asked = [each for each in mute if process_group.catches(each.pid, _FAULT_SIGNAL)]
    before = {each: each.fault_bytes() for each in asked}
    process_group.send([each.pid for each in asked], _FAULT_SIGNAL)
    deadline = time.monotonic() + FAULT_SECONDS
    sizes = before
    while asked and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        now = {each: each.fault_bytes() for each in asked}
        # Nothing says that a text is whole but that it grows no more.
        if now == sizes and all(now[each] > before[each] or not each.lives() for each in asked):
            break
        sizes = now
    told = {each for each in asked if sizes[each] > before[each]}
    notices = [
        f"process {each.pid} did not answer when it was asked where it stood"
        + (f" ({doing[each]})" if doing[each] else "")
        + (": its stacks are without local values" if each in told else ": there are no stacks of it")
        for each in mute[:MAX_NAMED]
    ]
    if len(mute) > MAX_NAMED:
        notices.append(f"{len(mute) - MAX_NAMED} more processes did not answer either")
    return [(NOTICE_STACKS_INCOMPLETE, message) for message in notices]
