"""Keep the source of a run's own files in its trace: they may be edited before anybody asks what their lines did."""

from __future__ import annotations

import hashlib
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.answers.common.parsed_json import parsed_object
from breadcrumb_server.answers.common.python_syntax import source_lines
from breadcrumb_server.answers.lines.source import redact_file
from breadcrumb_server.runs.state import RunState
from breadcrumb_storage.source_files import keep_sources, known_digests, recorded_files

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Files of a run, bytes of one, and bytes of all that are new: what is larger is generated.
MAX_FILES = 500
MAX_FILE_BYTES = 400_000
MAX_BYTES = 1_500_000

_INSTALLED = ("/site-packages/", "/dist-packages/")


def keep_run_sources(con: DuckDBPyConnection, state: RunState, redactor: Redactor) -> None:
    """Keep the redacted text of the own files in which a run called functions, as far as they have not changed.

    Args:
        con: A connection of `Database.write`.
        state: The run.
        redactor: Knows the project's patterns of secret names. Those of later runs are applied when the text is shown.
    """
    workspace = str(parsed_object(state.config).get("workspace") or "")
    started_at = datetime.fromisoformat(state.started_at)
    known = known_digests(con)
    digests: dict[str, str] = {}
    texts: dict[str, str] = {}
    room = MAX_BYTES
    own = [each for each in recorded_files(con, state.trace_id) if _is_own(each, workspace)]
    for file in own[:MAX_FILES]:
        read = _read(Path(file), started_at)
        if read is None:
            continue
        content, lines = read
        digest = hashlib.sha256(content).hexdigest()
        if digest not in known:
            if len(content) > room:
                continue
            room -= len(content)
            texts[digest] = "\n".join(redact_file(lines, redactor))
            known.add(digest)
        digests[file] = digest
    keep_sources(con, state.trace_id, digests, texts)


def _is_own(file: str, workspace: str) -> bool:
    return bool(workspace) and file.startswith(workspace + "/") and not any(each in file for each in _INSTALLED)


def _read(path: Path, started_at: datetime) -> tuple[bytes, list[str]] | None:
    """Return the bytes and the lines of a file; None if it changed since a time, or is no source."""
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode) or state.st_size > MAX_FILE_BYTES:
            return None
        if datetime.fromtimestamp(state.st_mtime, UTC) > started_at:
            return None
        content = path.read_bytes()
        return content, source_lines(content)
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None
