"""Ask the processes of a run to write their stacks before they are ended.

The tracer writes stacks with local variables once the main thread comes to a point where Python handles signals. If it
does not, ``faulthandler`` writes the functions without variables. The main thread of a process that has answered waits
until it is ended by a signal and :func:`release` is called.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from breadcrumb.platform_features import FAULT_SIGNAL, STACKS_SIGNAL
from breadcrumb.record_format import (
    EVENTS_SUFFIX,
    FAULT_SUFFIX,
    NOTICE_STACKS_INCOMPLETE,
    STACKS_SUFFIX,
    STACKS_WANTED_FILE,
)
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.process_table import look
from breadcrumb_server.runs.state import RunState
from breadcrumb_storage.ingest.spool_files import list_spool

# An answer takes milliseconds; the rest is for a busy machine and for many processes.
ANSWER_SECONDS = 1.0
# Clients give a server two seconds to end, and its runs have to be finished within them.
SHUTDOWN_ANSWER_SECONDS = 0.2
# A signal that arrives just before a system call does not interrupt it; a second one does.
TIMES_ASKED = 2
# Short, because faulthandler writes within the signal handler.
FAULT_SECONDS = 0.2
POLL_SECONDS = 0.005
# Processes with a notice: one for each would fill the report.
MAX_NAMED = 3


@dataclass(frozen=True)
class _Traced:
    """A traced process. Its ``key`` names its spool files."""

    pid: int
    key: str
    spool: Path

    def may_run(self) -> bool:
        """Return whether the process still runs; cheap, as it is asked again and again."""
        return process_group.may_run(self.pid)

    def has_answered(self) -> bool:
        """Return whether the tracer has written the stacks."""
        return (self.spool / f"{self.key}{STACKS_SUFFIX}").exists()

    def fault_bytes(self) -> int:
        """Return the size of its fault file."""
        try:
            return (self.spool / f"{self.key}{FAULT_SUFFIX}").stat().st_size
        except OSError:
            return 0


def request_stacks(state: RunState, spool: Path, seconds: float) -> list[tuple[str, str]]:
    """Have all traced processes of a run write their stacks into its spool. Blocking.

    Args:
        state: The state of the run.
        spool: Its spool folder.
        seconds: Time to wait for the tracer's answers; ``faulthandler`` gets up to FAULT_SECONDS more.

    Returns:
        Notices (code, message) about processes that did not answer.
    """
    try:
        traced = _traced_processes(state, spool)
        (spool / STACKS_WANTED_FILE).touch(0o600)
    except OSError as error:  # the program removed the folder
        return [(NOTICE_STACKS_INCOMPLETE, f"no process was asked for its stacks: {error}")]
    pending = traced
    for _ in range(TIMES_ASKED):
        asked = _that_take(STACKS_SIGNAL, pending)
        process_group.send([each.pid for each in asked], STACKS_SIGNAL)
        deadline = time.monotonic() + seconds / TIMES_ASKED
        while any(each.may_run() and not each.has_answered() for each in asked) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        pending = _pending(pending)
    return _request_fault_stacks(pending)


def _that_take(number: int, traced: list[_Traced]) -> list[_Traced]:
    """Return the processes to which a signal does no harm."""
    table = look()
    return [each for each in traced if table.catches(each.pid, number)]


def _pending(traced: list[_Traced]) -> list[_Traced]:
    """Return the processes that are alive and have not answered."""
    waiting = [each for each in traced if not each.has_answered()]
    if not waiting:
        return []
    table = look()
    return [each for each in waiting if process_group.start_time(each.pid, table) is not None]


def release(spool: Path) -> None:
    """Let the waiting processes go on. Call it after the signal that ends them."""
    with suppress(OSError):  # gone, with the folder or alone
        (spool / STACKS_WANTED_FILE).unlink()


def _traced_processes(state: RunState, spool: Path) -> list[_Traced]:
    living = set(state.living_processes(spool))
    # A process that has called exec has one key for each program; the last one started counts.
    files = (file for file in list_spool(spool) if file.suffix == EVENTS_SUFFIX and file.pid in living)
    keys = {file.pid: file.process_key for file in files}
    return [_Traced(pid, key, spool) for pid, key in keys.items()]


def _request_fault_stacks(pending: list[_Traced]) -> list[tuple[str, str]]:
    """Have faulthandler write the stacks; return a notice about each process."""
    states = {each: process_group.main_thread_state(each.pid) for each in pending}
    asked = _that_take(FAULT_SIGNAL, pending)
    before = {each: each.fault_bytes() for each in asked}
    process_group.send([each.pid for each in asked], FAULT_SIGNAL)
    deadline = time.monotonic() + FAULT_SECONDS
    sizes = before
    while asked and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        now = {each: each.fault_bytes() for each in asked}
        # Only a file that has stopped growing is known to be complete.
        if now == sizes and all(now[each] > before[each] or not each.may_run() for each in asked):
            break
        sizes = now
    answered = {each for each in asked if sizes[each] > before[each]}
    notices = [
        f"process {each.pid} did not answer the request for its stacks"
        + (f" ({states[each]})" if states[each] else "")
        + (": they have no local values" if each in answered else ": there are none")
        for each in pending[:MAX_NAMED]
    ]
    if len(pending) > MAX_NAMED:
        notices.append(f"{len(pending) - MAX_NAMED} more processes did not answer either")
    return [(NOTICE_STACKS_INCOMPLETE, message) for message in notices]
