"""List the kinds of faults."""

from __future__ import annotations

from benchmarks.reliability import crowds, cuts, disks, flips, kills
from benchmarks.reliability.outcome import Kind


def all_kinds() -> list[Kind]:
    """Return the kinds of faults, without trials."""
    return [
        Kind("program", "SIGKILL of the traced program", kills.kill_program, 1, lambda _: 45),
        Kind("run", "SIGKILL of the server during a run", kills.kill_run, 1.5, lambda _: 60),
        Kind("ingest", "SIGKILL of ingest, three times", kills.kill_ingest, 1.5, lambda _: 20),
        Kind("recovery", "SIGKILL of recovery, three times", kills.kill_recovery, 1.5, lambda _: 20),
        Kind("compaction", "SIGKILL of compaction, three times", kills.kill_compaction, 1, lambda _: 16),
        Kind("migration", "SIGKILL of migration, three times", kills.kill_migration, 1.5, lambda _: 24),
        Kind("file size", "no file may grow beyond a random size", disks.limit_file_size, 0.5),
        Kind("full disk", "a recovery on a disk with a random number of free bytes", disks.fill_recovery, 1),
        Kind("full home", "tools and a run on a disk of a random size", disks.fill_tools, 1),
        Kind("read-only", "a home that cannot be written (calls: an answer, or an error that helps)",
             disks.read_only, 0.3),
        Kind("spool cuts", "one file of the spool cut off, at each boundary of a page", cuts.cut_spool, 1, cuts.spool_places),
        Kind("database cuts", "the database cut off, at each boundary of a page (an answer, or an error that names it)",
             cuts.cut_database, 1.5, cuts.database_places),
        Kind("log cuts", "the write-ahead log cut off, at each boundary of a page", cuts.cut_log, 0.5, cuts.log_places),
        Kind("spool flips", "some bits of a spool's files flipped", flips.flip_spool, 1),
        Kind("database flips", "some bits of the database or its log flipped", flips.flip_database, 1),
        Kind("writers", "four processes write at once", crowds.many_writers, 0.3),
        Kind("servers", "four servers with 25 runs each, and a program that holds the database", crowds.many_servers, 1),
    ]  # fmt: skip
