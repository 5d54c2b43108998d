"""Read the text of source lines as it was at the run, and redact the secrets in it.

A file that has not changed since is read itself; of one that has, the trace may have kept the text.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from breadcrumb.value_format import REDACTED
from breadcrumb_server.answers.common.python_syntax import source_lines
from breadcrumb_server.answers.common.text import one_line
from breadcrumb_storage.queries.trace_reader import TraceReader
from breadcrumb_storage.source_files import source_text

# Bytes of a file. A larger one is generated, and explains nothing.
MAX_SOURCE_BYTES = 5_000_000

_LITERAL_OR_NAME = re.compile(
    r"""[rbufRBUF]{0,2}(?P<quote>\"{3}|'{3}|"|')(?P<text>(?:\\.|(?!(?P=quote)).)*)(?:(?P=quote)|$)"""
    r"""|(?P<comment>\#.*)|(?P<number>\b\d[\w.]*)|(?P<name>[^\W\d]\w*)""",
    re.VERBOSE,
)
# Digits of a number that may be a secret; shorter ones are sizes and flags.
_MIN_SECRET_DIGITS = 4


class NameRedactor(Protocol):
    """The methods of the tracer's redactor that source text needs."""

    def redact_text(self, text: str) -> str:
        """Replace what looks like a secret in a text."""
        ...

    def is_secret_name(self, name: str) -> bool:
        """Return whether values of this name are secret."""
        ...


class SourceText:
    """Source lines by file and number.

    Args:
        reader: The trace, whose start is compared with the times at which files were changed.
        redactor: Decides what is secret.
    """

    def __init__(self, reader: TraceReader, redactor: NameRedactor) -> None:
        self._reader = reader
        self._started_at = reader.trace.started_at.replace(tzinfo=UTC)
        self._redactor = redactor
        self._files: dict[str, Sequence[str]] = {}
        self.changed: set[str] = set()  # files that were changed since the run and whose text was not kept
        self.kept: set[str] = set()  # files that were changed, and are shown as they were

    def apart(self) -> SourceText:
        """Return the same files, to be searched without notes about those that have changed."""
        return SourceText(self._reader, self._redactor)

    def lines(self, file: str | None, numbers: Sequence[int]) -> dict[int, str]:
        """Return the redacted text of lines by number, without the indentation that all share.

        Args:
            file: Path of the file; None if it is not known.
            numbers: Line numbers. Those that cannot be read are left out.
        """
        known = self.whole(file)
        found = {number: known[number - 1].expandtabs() for number in numbers if 0 < number <= len(known)}
        margin = min((len(text) - len(text.lstrip()) for text in found.values()), default=0)
        return {number: redact_source(text.rstrip()[margin:], self._redactor) for number, text in found.items()}

    def block(self, file: str | None, first: int, last: int, documentation: Collection[int] = ()) -> dict[int, str]:
        """Return the redacted text of consecutive lines by number, comments included, without their common indentation.

        Args:
            file: Path of the file; None if it is not known.
            first: Number of the first line.
            last: Number of the last line.
            documentation: Numbers of the lines of docstrings, in which what looks like code is prose.
        """
        known = self.whole(file)
        found = {
            number: known[number - 1].expandtabs() for number in range(first, last + 1) if 0 < number <= len(known)
        }
        margin = min((len(text) - len(text.lstrip()) for text in found.values() if text.strip()), default=0)
        return {
            number: self._redactor.redact_text(text.rstrip()[margin:])
            if number in documentation
            else redact_source(text.rstrip()[margin:], self._redactor, comments=True)
            for number, text in found.items()
        }

    def whole(self, file: str | None) -> Sequence[str]:
        """Return all lines of a file, with the secrets in them; none if they cannot be read."""
        if file is None:
            return ()
        if file not in self._files:
            self._files[file] = self._read(file)
        return self._files[file]

    def notes(self, path: Callable[[str], str]) -> list[str]:
        """Say which of the files that were read have changed since the run.

        Args:
            path: Shortens the path of a file.
        """
        said = (
            (self.kept, "changed since the run: shown as it was then"),
            (self.changed, "changed since the run: no source text of it here"),
        )
        return [
            f"{', '.join(one_line(path(file), 80) for file in sorted(files)[:2])} {text}"
            for files, text in said
            if files
        ]

    def _read(self, file: str) -> Sequence[str]:
        path = Path(file)
        if not path.is_absolute():
            return ()
        try:
            state = path.stat()
        except FileNotFoundError:
            return self._kept(file) or ()
        except OSError:
            return ()
        if not stat.S_ISREG(state.st_mode) or state.st_size > MAX_SOURCE_BYTES:
            return ()
        if datetime.fromtimestamp(state.st_mtime, UTC) > self._started_at:
            kept = self._kept(file)
            if kept is None:
                self.changed.add(file)
            return kept or ()
        try:
            return source_lines(path.read_bytes())
        except (OSError, SyntaxError, UnicodeDecodeError):
            return ()

    def _kept(self, file: str) -> Sequence[str] | None:
        text = source_text(self._reader.con, self._reader.trace_id, file)
        if text is None:
            return None
        self.kept.add(file)
        return text.split("\n")


def redact_file(lines: Sequence[str], redactor: NameRedactor) -> list[str]:
    """Redact all lines of a file, comments and docstrings included."""
    return [redact_source(line, redactor, comments=True) for line in lines]


def redact_source(line: str, redactor: NameRedactor, *, comments: bool = False) -> str:
    """Redact the secret literals of a line of code, and its comment, or remove the comment.

    The redactor's rules for text would redact the call in ``token = make_token()``, but in code only literals are
    secret: those after a secret name, and those that look like a secret.
    """
    secret_name_before = False
    out: list[str] = []
    copied = 0
    for match in _LITERAL_OR_NAME.finditer(line):
        replacement = None
        if match["comment"] is not None:
            before = line[copied : match.start()]
            out.append(before + redactor.redact_text(match["comment"]) if comments else before.rstrip())
            copied = len(line)
            break
        if match["name"] is not None:
            secret_name_before = secret_name_before or redactor.is_secret_name(match["name"])
        elif match["number"] is not None:
            hidden = secret_name_before and sum(c.isdigit() for c in match["number"]) >= _MIN_SECRET_DIGITS
            replacement = REDACTED if hidden or redactor.redact_text(match["number"]) != match["number"] else None
        elif redactor.is_secret_name(match["text"]):  # the key of the value that follows
            secret_name_before = True
        elif match["text"]:
            redacted = REDACTED if secret_name_before else redactor.redact_text(match["text"])
            if redacted != match["text"]:
                replacement = match["quote"] + redacted + match["quote"]
        if replacement is not None:
            out += [line[copied : match.start()], replacement]
            copied = match.end()
    return "".join(out) + line[copied:]
