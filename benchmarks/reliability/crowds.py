"""Let many work on one project at once."""

from __future__ import annotations

import shutil
from random import Random

from benchmarks.reliability import work
from benchmarks.reliability.bench import CALLS, Bench
from benchmarks.reliability.child import Child, call
from benchmarks.reliability.names import DATABASE
from benchmarks.reliability.outcome import Outcome

from breadcrumb_storage.database import Database

SERVERS = 4
RUNS = 25
WRITERS = 4
WRITES = 25

COMPLETE_TRACES = """
SELECT t.trace_id FROM traces t JOIN calls c USING (trace_id)
WHERE status = 'completed' GROUP BY ALL HAVING count(*) = ?
"""


def many_writers(bench: Bench, _: Random, number: int) -> Outcome:
    """Write from some processes at once: each write is kept."""
    with bench.copy() as (home, _spool):
        writers = [Child(work.write_often, home, f"writer {each}", WRITES) for each in range(WRITERS)]
        for writer in writers:
            writer.result()
        with Database(home / DATABASE).read() as con:
            ((found,),) = con.execute("SELECT count(*) FROM notices WHERE code = 'code'").fetchall()
        return Outcome(WRITERS * WRITES, int(found), 0)


def many_servers(bench: Bench, _: Random, number: int) -> Outcome:
    """Run with some servers on one project, while a user's program holds the database again and again."""
    with bench.copy() as (home, spool):
        shutil.rmtree(spool)
        holder = Child(work.hold_often, home)
        servers = [Child(work.run_often, home, bench.program, RUNS) for _ in range(SERVERS)]
        reports = [report for server in servers for report in server.result()]
        holder.kill()
        call(work.recover, home)
        with Database(home / DATABASE).read() as con:
            complete = {trace_id for (trace_id,) in con.execute(COMPLETE_TRACES, [CALLS + 1]).fetchall()}
        errors = [error for _, each in reports for error in each]
        found = len(complete & {trace_id for trace_id, _ in reports})
        return Outcome(SERVERS * RUNS, found, 0, "; ".join(errors[:5]))
