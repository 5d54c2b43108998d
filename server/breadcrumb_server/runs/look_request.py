"""Ask traced processes to resume observing functions that the tracer switched off because they were too hot.

The tracer resumes by itself when it sees any other traced call, but a program that only calls switched-off functions
makes none. A process handles the signal only after it has switched a function off.
"""

import signal
from pathlib import Path

from breadcrumb.record_format import LOOK_SIGNAL_BELOW_MAX
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.state import RunState

_LOOK_SIGNAL = signal.SIGRTMAX - LOOK_SIGNAL_BELOW_MAX


def request_look(state: RunState, spool: Path) -> None:
    """Signal the processes of a run that are computing.

    A waiting process gets no signal, because it would interrupt a system call of C code that may not expect that.
    """
    pids = [pid for pid in state.living_processes(spool) if process_group.catches(pid, _LOOK_SIGNAL)]
    process_group.send([pid for pid in pids if process_group.is_computing(pid)], _LOOK_SIGNAL)
