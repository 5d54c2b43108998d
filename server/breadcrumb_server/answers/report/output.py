"""Render the end of what a command wrote."""

from __future__ import annotations

from dataclasses import dataclass

from breadcrumb_server.answers.common.text import last_lines

# Share of characters that stand in no text: replacements of what is no UTF-8, and control characters.
MAX_BINARY_SHARE = 0.3
_TEXT_CONTROLS = "\t\n\r\b\f\x1b"


@dataclass(frozen=True, slots=True)
class Output:
    """The output of a command that still runs, which its server alone knows; the texts are redacted."""

    stdout: str
    stderr: str
    stdout_bytes: int
    stderr_bytes: int


def output_end(text: str | None, size: int | None, chars: int, lines: int) -> str:
    """Return the last lines of an output as a terminal would show them, or say that it is not text.

    Args:
        text: The output, perhaps without its middle; None if it is not known.
        size: Bytes of the whole output; None if it is not known.
        chars: Maximum characters.
        lines: Maximum lines.
    """
    if not text:
        return ""
    if _is_binary(text[-chars:]):
        return f"({size or len(text):,} bytes that are not text)"
    shown = "\n".join(map(_as_overwritten, text.split("\n"))) if "\r" in text else text
    return last_lines(shown, chars, lines, size or 0)


def _as_overwritten(line: str) -> str:
    """Return what a terminal leaves of a line that carriage returns have overwritten, as progress bars do."""
    return line.rstrip("\r").rpartition("\r")[2]


def _is_binary(text: str) -> bool:
    odd = sum(char == "\ufffd" or (char < " " and char not in _TEXT_CONTROLS) for char in text)
    odd += text.count("\\x00")
    return odd > MAX_BINARY_SHARE * len(text)
