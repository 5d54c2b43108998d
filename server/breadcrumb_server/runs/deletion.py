"""Delete recorded runs on request. Blocking: call it in a worker thread."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from breadcrumb_server.answers.common.budget import fit_table
from breadcrumb_server.answers.common.model import Answer, Table
from breadcrumb_server.answers.common.next_calls import at_most_one, call
from breadcrumb_server.answers.common.text import counted, first_of, one_line
from breadcrumb_server.answers.common.time_argument import parse_since
from breadcrumb_server.runs.recording import remove_spool
from breadcrumb_server.runs.recovery import Claim
from breadcrumb_server.runs.state import RUNNING
from breadcrumb_storage.compaction import Space, compact
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.project_overview import project_overview
from breadcrumb_storage.queries.traces import TraceSummary, count_calls, summaries
from breadcrumb_storage.regular_file import is_folder
from breadcrumb_storage.trace_rows import delete_traces as delete_rows
from breadcrumb_storage.trace_rows import resolve_trace_id

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Rows of deleted traces and ids in an error: a user who deletes hundreds does not read them one by one.
MAX_SHOWN = 20
MAX_NAMED = 5
COLUMNS = ["trace_id", "status", "started_at", "calls", "command", "label"]
# Bytes: an empty database takes about as much, so less reusable space is not worth mentioning.
MIN_SHOWN_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Choice:
    """The traces to delete: those with the given ids or older than a time (UTC), or all if both are None."""

    trace_ids: tuple[str, ...] | None = None
    before: datetime | None = None

    @classmethod
    def of(
        cls, trace_ids: Sequence[str] | None, older_than: str | None, *, all: bool, whole_project: bool = False
    ) -> Choice:
        """Check the arguments of the tool ``delete_traces``.

        Args:
            trace_ids: Full ids or unique parts of them; resolved later, with the database at hand.
            older_than: A duration or a time, as :func:`parse_since` reads it.
            all: Whether to delete every trace.
            whole_project: Whether the project itself was to be deleted, with all traces; refused beside the others.

        Raises:
            BreadcrumbError: Not exactly one of the first three is given, the list is empty, or the time cannot be read.
        """
        given = [name for name, value in (("trace_ids", trace_ids), ("older_than", older_than)) if value is not None]
        given += [name for name, is_given in (("all", all), ("whole_project", whole_project)) if is_given]
        if len(given) != 1 or trace_ids == []:
            got = " and ".join(given) + " together" if len(given) > 1 else "an empty list" if given else "none"
            raise BreadcrumbError(
                f"delete_traces takes exactly one of trace_ids, older_than, all and whole_project; it got {got}.",
                hint='Nothing was deleted. Say which: trace_ids=["..."], older_than="7d", or all=True.',
            )
        moment = parse_since(older_than, argument="older_than") if older_than is not None else None
        return cls(tuple(trace_ids) if trace_ids is not None else None, moment)


class TracesDeleted(Answer):
    """The answer of ``delete_traces``."""

    always_shown: ClassVar[frozenset[str]] = frozenset({"deleted", "kept", "freed_mb", "database_mb"})

    deleted: int = Field(description="number of traces deleted")
    calls: int = Field(default=0, description="number of recorded calls in them")
    kept: int = Field(description="number of traces left")
    running: list[str] = Field(
        default_factory=list, description="kept because they are still running; stop_run ends them"
    )
    traces: Table | None = Field(default=None, description="the deleted traces, newest first")
    freed_mb: float = Field(description="space returned to the file system")
    database_mb: float = Field(description="size of the database now")
    reusable_mb: float | None = Field(default=None, description="the part of it that is free for the next traces")


def delete_traces(database: Database, spools: Path, project: str, choice: Choice) -> TracesDeleted:
    """Delete the chosen traces with their spool folders, and compact the database where that pays.

    An interruption leaves each trace either complete or deleted.

    Args:
        database: The project's database.
        spools: The folder with the spool folders of the project's runs.
        project: Its name, for the proposed calls.
        choice: The traces to delete; running ones are skipped unless they are named.

    Raises:
        BreadcrumbError: An id is unknown, ambiguous, or names a running trace. Nothing is deleted then.
    """
    before = database_bytes(database)
    with database.write() as con, ExitStack() as claims:
        wanted = _chosen_traces(con, project, choice)
        ended = [trace for trace in wanted if trace.status != RUNNING and _claim(claims, spools / trace.trace_id)]
        running = [trace.trace_id for trace in wanted if trace not in ended]
        if running and choice.trace_ids is not None:
            raise still_running(project, running)
        # Folders before rows: an ended run is complete in the database, but a folder that outlives its rows would be
        # ingested again.
        spooled = sum(free_spool(spools / trace.trace_id) for trace in ended)
        calls = count_calls(con)
        delete_rows(con, [trace.trace_id for trace in ended])
        kept, share = project_overview(con).traces, count_calls(con) / calls if calls else 1.0
    space, notes = _compact(database, int(before * share)) if ended else (Space(before, 0), [])
    if not ended:
        notes.append(_nothing_deleted_note(choice, kept))

    def build(rows: int, chars: int) -> TracesDeleted:
        shown = ended[:rows]
        return TracesDeleted(
            project=project,
            deleted=len(ended),
            calls=sum(trace.calls for trace in ended),
            kept=kept,
            running=running[:MAX_SHOWN],
            traces=Table(columns=COLUMNS, rows=[_row(trace, chars) for trace in shown], more=len(ended) - len(shown))
            if ended
            else None,
            freed_mb=megabytes(max(before + spooled - space.file_bytes, 0)),
            database_mb=megabytes(space.file_bytes),
            reusable_mb=megabytes(space.reusable_bytes) if space.reusable_bytes >= MIN_SHOWN_BYTES else None,
            notes=notes,
            next=at_most_one(
                [
                    call("stop_run", project=project, trace_id=running[0]) if running else None,
                    call("list_traces", project=project) if kept else None,
                ]
            ),
        )

    return fit_table(build, min(len(ended), MAX_SHOWN))


def _chosen_traces(con: DuckDBPyConnection, project: str, choice: Choice) -> list[TraceSummary]:
    if choice.trace_ids is None:
        return summaries(con, before=choice.before)
    return summaries(con, [resolve_trace_id(con, given, project) for given in choice.trace_ids])


def _claim(claims: ExitStack, spool: Path) -> bool:
    """Lock a spool folder; true also if it is gone. Another server may be recovering the run in it."""
    return not is_folder(spool) or claims.enter_context(Claim(spool)) or not is_folder(spool)


def free_spool(spool: Path) -> int:
    """Remove a spool folder and return the bytes freed."""
    size = 0
    try:
        for file in spool.rglob("*"):
            size += file.lstat().st_blocks * 512
    except OSError:  # it is being removed
        pass
    remove_spool(spool)
    return size


def still_running(project: str, running: Sequence[str]) -> BreadcrumbError:
    """Return the error for a deletion that would remove running traces."""
    return BreadcrumbError(
        f"Still running: {first_of(running, MAX_NAMED)}. Nothing was deleted.",
        hint=f"End it first: {call('stop_run', project=project, trace_id=running[0])}.",
    )


def _compact(database: Database, expected_bytes: int) -> tuple[Space, list[str]]:
    """Compact the database if possible; return the space it takes and notes for the answer."""
    try:
        space = compact(database, expected_bytes)
    except (BreadcrumbError, OSError) as error:  # the traces are deleted
        return Space(database_bytes(database), 0), [f"the file is as large as before: {one_line(str(error), 300)}"]
    notes: list[str] = []
    if space.compaction_error:
        notes.append(f"the file could not be made smaller: {one_line(space.compaction_error, 300)}")
    elif space.reusable_bytes >= MIN_SHOWN_BYTES:
        notes.append("the file keeps reusable_mb, for the next traces: copying the rest would cost more")
    return space, notes


def _nothing_deleted_note(choice: Choice, kept: int) -> str:
    if choice.before is not None and kept:
        when = choice.before.isoformat(sep=" ", timespec="seconds")
        return f"nothing was deleted: none of the {counted(kept, 'trace')} that ended began before {when} UTC"
    return "nothing was deleted: " + ("all traces still run" if kept else "the project has no traces")


def database_bytes(database: Database) -> int:
    """Return the size of the database file and its write-ahead log."""
    files = (database.path, Path(f"{database.path}.wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def megabytes(number: int) -> float:
    """Convert bytes to megabytes with one decimal."""
    return round(number / 1_000_000, 1)


def _row(trace: TraceSummary, chars: int) -> list[str | int | float | bool | None]:
    return [
        trace.trace_id,
        trace.status,
        trace.started_at.isoformat(sep=" ", timespec="seconds"),
        trace.calls,
        one_line(trace.command, min(chars, 120)),
        one_line(trace.label, min(chars, 120)) if trace.label else None,
    ]
