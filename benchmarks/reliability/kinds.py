"""List the kinds of faults."""

from __future__ import annotations

from benchmarks.reliability import crowds, cuts, disks, flips, kills
from benchmarks.reliability.outcome import Kind

# What is counted where it is not records.
CALLS = "calls of tools"
MOUNTS = True
EACH_PAGE = "at each boundary of 4 KiB"


def all_kinds() -> list[Kind]:
    """Return the kinds of faults, without trials."""
    return [
        Kind("program", "SIGKILL of the traced program", kills.kill_program, 2, lambda _: 45),
        Kind("run", "SIGKILL of the server during a run", kills.kill_run, 3, lambda _: 60),
        Kind("ingest", "SIGKILL of ingest, three times", kills.kill_ingest, 3, lambda _: 20),
        Kind("recovery", "SIGKILL of recovery, three times", kills.kill_recovery, 3, lambda _: 20),
        Kind("compaction", "SIGKILL of compaction, three times", kills.kill_compaction, 2, lambda _: 16),
        Kind("migration", "SIGKILL of migration, three times", kills.kill_migration, 3, lambda _: 24),
        Kind(
            "file size", "recovery where no file may grow beyond a random size", disks.limit_file_size, 1, lambda _: 20
        ),
        Kind("full disk", "recovery with a random number of free bytes", disks.fill_recovery, 1, lambda _: 20, MOUNTS),
        Kind("full home", "tools and a run on a disk of a random size", disks.fill_tools, 1, lambda _: 20, MOUNTS),
        Kind("read-only", f"a home that cannot be written ({CALLS})", disks.read_only, 0.5, lambda _: 4, MOUNTS),
        Kind("spool cuts", f"a file of the spool cut off {EACH_PAGE}", cuts.cut_spool, 3, cuts.spool_places),
        Kind("database cuts", f"the database cut off {EACH_PAGE} ({CALLS})", cuts.cut_database, 4, cuts.database_sweep),
        Kind("log cuts", f"the write-ahead log cut off {EACH_PAGE}", cuts.cut_log, 2, cuts.log_places),
        Kind("spool flips", "some bits of a spool's files flipped", flips.flip_spool, 1, lambda _: 30),
        Kind(
            "database flips", f"bits of the database or its log flipped ({CALLS})", flips.flip_database, 1, lambda _: 10
        ),
        Kind("writers", "four processes write at once", crowds.many_writers, 0.3),
        Kind(
            "servers", "four servers with 25 runs each, and a holder of the database", crowds.many_servers, alone=True
        ),
    ]
