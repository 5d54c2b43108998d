"""Print tool calls and answers as wrapped plain text, with colour on a terminal."""

import io
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any, TextIO, cast

MIN_WIDTH, MAX_WIDTH = 60, 110  # characters of a line on a terminal
MAX_CELL_CHARS = 48  # a longer cell would break the columns of its table


class Transcript:
    """A printed session of tool calls.

    Args:
        stream: Where to print.
        width: Characters of a line. If None, that of the terminal, and cells of tables are cut to MAX_CELL_CHARS.
    """

    def __init__(self, stream: TextIO, width: int | None = None) -> None:
        self._stream = stream
        self._width = width or min(MAX_WIDTH, max(MIN_WIDTH, shutil.get_terminal_size().columns - 2))
        self._cell_chars = width or MAX_CELL_CHARS
        self._colour = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def say(self, text: str) -> None:
        """Print a comment, in bold on a terminal."""
        self._line("")
        for line in textwrap.wrap(text, self._width):
            self._line(self._paint(line, "1"))

    def call(self, tool: str, arguments: dict[str, Any]) -> None:
        """Print a tool call."""
        given = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in arguments.items())
        self._line("")
        self._wrapped(self._paint("> ", "36"), f"{tool}({given})", indent="    ")

    def answer(self, content: dict[str, Any], size: int) -> None:
        """Print the fields of an answer and its size in characters."""
        self._fields(content, "  ")
        self._line(self._paint(f"  ({size:,} characters)", "2"))

    def plain(self, text: str) -> None:
        """Print a text as it is."""
        self._line(text)

    def _fields(self, fields: dict[str, Any], indent: str) -> None:
        rest = dict(fields)
        if isinstance(rest.get("columns"), list) and isinstance(rest.get("rows"), list):
            table = rest.pop("columns"), rest.pop("rows")
        else:
            table = None
        for name, value in rest.items():
            self._field(name, value, indent)
        if table:
            self._table(*table, indent)

    def _field(self, name: str, value: Any, indent: str) -> None:
        label = f"{indent}{name}: "
        if _has_inner_structure(value):
            self._line(label.rstrip())
            self._fields(value, indent + "  ")
        elif isinstance(value, list) and value:
            self._line(label.rstrip())
            for item in cast("Sequence[Any]", value):
                if isinstance(item, dict):
                    self._fields(cast("dict[str, Any]", item), indent + "  ")
                else:
                    self._wrapped(f"{indent}  - ", _text(item), indent=indent + "    ")
        elif isinstance(value, str) and "\n" in value.strip():
            self._line(label.rstrip())
            for line in value.strip().splitlines():
                self._wrapped(f"{indent}  | ", line, indent=f"{indent}        ")
        else:
            self._wrapped(label, _text(value), indent=indent + "  ")

    def _table(self, columns: list[str], rows: list[list[Any]], indent: str) -> None:
        cells = [columns, *([_cell(value, self._cell_chars) for value in row] for row in rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
        for row in cells:
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self._line(f"{indent}  {line}".rstrip())

    def _wrapped(self, first: str, text: str, *, indent: str) -> None:
        lines = textwrap.wrap(text, self._width - len(indent), break_long_words=False, break_on_hyphens=False)
        for number, line in enumerate(lines or [""]):
            self._line((indent if number else first) + line)

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


def _has_inner_structure(value: Any) -> bool:
    return isinstance(value, dict) and any(
        isinstance(inner, dict | list) for inner in cast("dict[str, Any]", value).values()
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cell(value: Any, max_chars: int) -> str:
    text = "" if value is None else " ".join(_text(value).split())
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"


def standard_output() -> Transcript:
    """Return a transcript on stdout."""
    # A character that the terminal's encoding lacks must not end the demo.
    stream: TextIO = sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    return Transcript(sys.stdout)
