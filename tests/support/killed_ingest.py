"""An ingest that is killed in the middle: ``python -c KILLED_INGEST DATABASE SPOOL TRACE_ID STATEMENTS [BATCH_BYTES]``."""

# Part of a program that imports os.
DYING_CONNECTION = """
class Connection:
    '''Dies by SIGKILL instead of executing the n-th statement.'''

    def __init__(self, con, statements):
        self.con, self.left = con, statements

    def execute(self, *arguments):
        if self.left == 0:
            os.kill(os.getpid(), 9)
        self.left -= 1
        return self.con.execute(*arguments)
"""

KILLED_INGEST = (
    """
import os, sys
from pathlib import Path
from breadcrumb_storage.database import Database
from breadcrumb_storage.ingest import spool_files
from breadcrumb_storage.ingest.ingest import ingest_trace

path, spool, trace_id, statements, *batch_bytes = sys.argv[1:]
if batch_bytes:
    spool_files.BATCH_BYTES = int(batch_bytes[0])

"""
    + DYING_CONNECTION
    + """
with Database(Path(path), lock_timeout_seconds=60).write() as con:
    ingest_trace(Connection(con, int(statements)), Path(spool), trace_id)
"""
)
