"""Look at the processes of the machine: through ``/proc``, or through ``ps`` where there is none."""

from breadcrumb.platform_features import HAS_PROC
from breadcrumb_server.runs.process_table.proc_files import ProcFiles
from breadcrumb_server.runs.process_table.ps_listing import PsListing
from breadcrumb_server.runs.process_table.table import ProcessTable, Stat

__all__ = ["ProcessTable", "Stat", "look"]


def look() -> ProcessTable:
    """Return the processes as they are now: to be used at once, and for one decision."""
    return ProcFiles() if HAS_PROC else PsListing()
