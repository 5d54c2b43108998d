"""Ask traced processes to resume observing functions that the tracer switched off because they were too hot.

The tracer resumes by itself when it sees any other traced call, but a program that only calls switched-off functions
makes none. A process handles the signal only after it has switched a function off.
"""

from pathlib import Path

from breadcrumb.platform_features import LOOK_SIGNAL
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.process_table import look
from breadcrumb_server.runs.state import RunState


def request_look(state: RunState, spool: Path) -> None:
    """Signal the processes of a run that are computing.

    A waiting process gets no signal, because it would interrupt a system call of C code that may not expect that.
    """
    table = look()
    stats = ((pid, table.stat(pid)) for pid in state.living_processes(spool) if table.catches(pid, LOOK_SIGNAL))
    process_group.send([pid for pid, stat in stats if stat is not None and stat.state == "R"], LOOK_SIGNAL)
