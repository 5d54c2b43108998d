"""Find the runs of a program that ended well before: where there are no tests, a failed run is compared with them.

Where a file has changed since, their lines are moved to where they stand now. Lines that are new, or were changed,
count as not executed.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import anyio.to_thread

from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.answers.common.python_syntax import source_lines
from breadcrumb_server.answers.lines.source import redact_file
from breadcrumb_server.projects.config import ProjectConfig
from breadcrumb_server.projects.home import Home
from breadcrumb_server.runs.first_pass.passes import Neighbours
from breadcrumb_server.runs.kept_sources import MAX_FILE_BYTES
from breadcrumb_server.runs.launcher import make_redactor, redacted_cwd
from breadcrumb_server.runs.python_command import is_python, read_python_command
from breadcrumb_server.runs.request import RunRequest
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.executed_lines import ExecutedFunction
from breadcrumb_storage.ingest.neighbours import PassedTest
from breadcrumb_storage.queries.completed_runs import CompletedRun, completed_runs
from breadcrumb_storage.source_files import source_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

logger = logging.getLogger(__name__)

# Runs to compare with: lines that none of some runs executed are suspect, and more runs seldom leave fewer.
MAX_RUNS = 5

# Programs that run tests, each of which is compared by itself.
_TEST_RUNNERS = frozenset({"pytest", "py.test", "unittest", "nose2", "tox", "nox", "trial", "green", "ward", "behave"})
# Programs whose first argument is another program, or an option of theirs.
_STARTERS = frozenset(
    {"env", "nice", "uv", "uvx", "poetry", "pipenv", "pdm", "hatch", "rye", "coverage", "sh", "bash", "time"}
)


def program_of(command: Sequence[str]) -> list[str]:
    """Return the words of a command that name its program, without the arguments that may differ from run to run.

    Returns:
        The words up to the script or module; all of them if no such word is known; none if the command runs tests.
    """
    program = list(_program_words(command))
    return [] if any(PurePath(word).name in _TEST_RUNNERS for word in program) else program


def _program_words(command: Sequence[str]) -> Sequence[str]:
    for position, word in enumerate(command):
        if is_python(word):
            python = read_python_command(command[position:])
            target = python.module or python.script
            return command[: command.index(target, position) + 1] if target in command[position:] else command
    return command if PurePath(command[0]).name in _STARTERS else command[:1]


async def find_earlier_runs(home: Home, config: ProjectConfig, request: RunRequest) -> Neighbours:
    """Find the earlier runs of a command's program that ended well, with the lines that they executed.

    Args:
        home: The home folder.
        config: The settings of the project.
        request: The checked command.
    """
    program = program_of(request.command)
    if not program or not config.enabled or request.suspects == "off" or request.probes:
        return Neighbours()
    try:
        return Neighbours(await anyio.to_thread.run_sync(_find, home, config, request, program))
    except (BreadcrumbError, OSError) as error:  # the start of the run tells of a database that cannot be used
        logger.warning("The earlier runs of %s could not be read: %s", config.project, error)
        return Neighbours()


def _find(home: Home, config: ProjectConfig, request: RunRequest, program: Sequence[str]) -> list[PassedTest]:
    database = Database(config.database_file(home))
    if not database.path.exists():
        return []
    redactor = make_redactor(config, request)
    line = shlex.join(redactor.redact_command(program))
    with database.read() as con:
        runs = completed_runs(con, line, redacted_cwd(request, redactor), MAX_RUNS)
        movements = _Movements(con, _PresentFiles(redactor))
        moved = [(run.trace_id, movements.moved(run)) for run in runs]
    return [PassedTest(trace_id, "", executed) for trace_id, executed in moved if executed is not None]


class _PresentFiles:
    """The source files as they are now, each read once."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._contents: dict[str, bytes | None] = {}
        self._digests: dict[str, str | None] = {}

    def digest(self, file: str) -> str | None:
        """Return the digest of a file; None if it is no source that can be read."""
        if file not in self._digests:
            content = self._content(file)
            self._digests[file] = None if content is None else hashlib.sha256(content).hexdigest()
        return self._digests[file]

    def lines(self, file: str) -> list[str] | None:
        """Return the redacted lines of a file; None if it is no source that can be read."""
        content = self._content(file)
        if content is None:
            return None
        try:
            return redact_file(source_lines(content), self._redactor)
        except (SyntaxError, UnicodeDecodeError):
            return None

    def _content(self, file: str) -> bytes | None:
        if file not in self._contents:
            path = Path(file)
            try:
                is_source = path.is_file() and path.stat().st_size <= MAX_FILE_BYTES
                self._contents[file] = path.read_bytes() if is_source else None
            except OSError:
                self._contents[file] = None
        return self._contents[file]


class _Movements:
    """Moves the lines of runs to where they stand now; each version of a file is compared with the present one once.

    Args:
        con: A connection to the database of the runs.
        present: The files as they are.
    """

    def __init__(self, con: DuckDBPyConnection, present: _PresentFiles) -> None:
        self._con = con
        self._present = present
        self._known: dict[tuple[str, str | None], ChangedFile | None] = {}

    def moved(self, run: CompletedRun) -> dict[ExecutedFunction, list[int]] | None:
        """Return the lines of a run where they stand now; None if that is not known of those in a changed file."""
        found: dict[ExecutedFunction, list[int]] = {}
        by_file: dict[str, dict[ExecutedFunction, Sequence[int]]] = {}
        for function, lines in run.executed.items():
            by_file.setdefault(function.file, {})[function] = lines
        for file, functions in by_file.items():
            if self._is_unchanged(file, run):
                found.update((function, list(lines)) for function, lines in functions.items())
            elif self._present.digest(file) is not None:  # of a file that is gone, nothing will run
                changed = self._changed(file, run)
                if changed is None:
                    return None
                found.update(changed.moved(functions))
        return found

    def _changed(self, file: str, run: CompletedRun) -> ChangedFile | None:
        key = file, run.digests.get(file)
        if key not in self._known:
            before, now = source_text(self._con, run.trace_id, file), self._present.lines(file)
            self._known[key] = None if before is None or now is None else ChangedFile(before.split("\n"), now)
        return self._known[key]

    def _is_unchanged(self, file: str, run: CompletedRun) -> bool:
        digest = run.digests.get(file)
        if digest is not None:
            return self._present.digest(file) == digest
        try:
            changed_at = datetime.fromtimestamp(Path(file).stat().st_mtime, UTC)
        except OSError:
            return False
        return changed_at < run.started_at.replace(tzinfo=UTC)


class ChangedFile:
    """Two versions of a file, of which the first was executed.

    Args:
        before: The lines of the first.
        now: The lines of the second.
    """

    def __init__(self, before: Sequence[str], now: Sequence[str]) -> None:
        self._now = now
        self._moved: dict[int, int] = {}  # numbers of lines that stand in both
        self._replaced: dict[int, range] = {}  # for other lines of the first, those of the second in their place
        same = _common(before, now)
        end = _common(before[same:][::-1], now[same:][::-1])
        middle = difflib.SequenceMatcher(None, before[same : len(before) - end], now[same : len(now) - end], False)
        self._keep(0, same, 0)
        for what, first, last, new_first, new_last in middle.get_opcodes():
            if what == "equal":
                self._keep(same + first, same + last, same + new_first)
            else:
                instead = range(same + new_first + 1, same + new_last + 1)
                self._replaced.update(dict.fromkeys(range(same + first + 1, same + last + 1), instead))
        self._keep(len(before) - end, len(before), len(now) - end)

    def _keep(self, first: int, last: int, now: int) -> None:
        """Note that lines stand in both versions: those from a position up to another, from a third one on."""
        self._moved.update(zip(range(first + 1, last + 1), range(now + 1, now + 1 + last - first), strict=True))

    def moved(
        self, functions: Mapping[ExecutedFunction, Sequence[int]]
    ) -> Iterator[tuple[ExecutedFunction, list[int]]]:
        """Yield functions with their lines where both stand in the second version, without what is not there.

        Args:
            functions: The executed lines of each function.
        """
        for function, lines in functions.items():
            line = function.line if function.name == "<module>" else self._line_of(function)
            if line is not None:
                yield (
                    ExecutedFunction(function.file, function.name, line),
                    [self._moved[each] for each in lines if each in self._moved],
                )

    def _line_of(self, function: ExecutedFunction) -> int | None:
        if function.line in self._moved:
            return self._moved[function.line]
        definition = re.compile(rf"\s*(?:async\s+)?(?:def|class)\s+{re.escape(function.name.rpartition('.')[2])}\b")
        where = self._replaced.get(function.line, range(0))
        return next((line for line in where if definition.match(self._now[line - 1])), None)


def _common(before: Sequence[str], now: Sequence[str]) -> int:
    """Return the number of lines with which both begin."""
    pairs = zip(before, now, strict=False)
    return next((number for number, (old, new) in enumerate(pairs) if old != new), min(len(before), len(now)))
