"""Have traced processes look again at the functions that were too hot to be observed.

The tracer does that by itself whenever it sees any other traced call; a program that does nothing but call such a
function gives it none. A process handles the signal only once it has switched something off.
"""

import signal
from pathlib import Path

from breadcrumb.record_format import LOOK_SIGNAL_BELOW_MAX
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.state import RunState

_LOOK_SIGNAL = signal.SIGRTMAX - LOOK_SIGNAL_BELOW_MAX


def look_again(state: RunState, spool: Path) -> None:
    """Signal the processes of a run that are computing. (One that waits is not woken: C code might not expect it.)"""
    pids = [pid for pid in state.living_processes(spool) if process_group.catches(pid, _LOOK_SIGNAL)]
    process_group.send([pid for pid in pids if process_group.is_computing(pid)], _LOOK_SIGNAL)
