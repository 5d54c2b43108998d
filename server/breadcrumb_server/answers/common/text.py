"""Render short text: marked cuts, counts, durations."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

from breadcrumb_server.answers.common.parsed_json import is_array, is_object

# Bytes that a text may have lost to redaction and to the removal of colours, without a part of it missing.
UNNOTICED_BYTES = 1_000
# Characters of a path in a command that is too long: an interpreter, its folders `bin` and that of its environment.
_PATH_CHARS = 24


# Characters that are not seen, hide others or change the direction of text: controls but for tabs and line ends, line
# separators, bidirectional marks ("Trojan Source", CVE-2021-42574), spaces of no width, tags. Joiners are kept: some
# scripts need them.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


# What a mark of a cut counts.
_COUNT_OF_CUT = re.compile(r"…\(\+[\d,]+ (?:chars|fields)\)")


def visible(text: str) -> str:
    """Replace characters that hide something by their escapes, such as a backslash, ``u`` and ``202e``."""
    if _HIDDEN.search(text) is None:
        return text
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text.replace("\r\n", "\n"))


def visible_texts(value: Any) -> Any:
    """Return parsed JSON with all of its texts, and the names of its fields, made ``visible``."""
    if isinstance(value, str):
        return visible(value)
    if is_array(value):
        return [visible_texts(each) for each in value]
    if is_object(value):
        return {visible(name): visible_texts(each) for name, each in value.items()}
    return value


def clean(text: str) -> str:
    """Escape lone surrogates, which JSON can carry but UTF-8 cannot encode."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def cut(text: str, chars: int) -> str:
    """Cut a text at its end, and mark how many characters are missing.

    Args:
        text: Returned as it is if it is short enough.
        chars: Maximum characters, with the mark, which takes some 20.
    """
    if len(text) <= chars:
        return text
    room = len(f"…(+{len(text):,} chars)")
    kept = max(chars - room, 0)
    return f"{text[:kept]}…(+{len(text) - kept:,} chars)"


def ellipsized(text: str, chars: int) -> str:
    """Cut a text at its end where the number of missing characters says nothing."""
    return text if len(text) <= chars else text[: max(chars - 1, 0)] + "…"


def without_counts(text: str) -> str:
    """Shorten the marks of cuts in a text where the numbers of missing characters and fields say nothing."""
    return _COUNT_OF_CUT.sub("…", text)


def cut_middle(text: str, chars: int) -> str:
    """Cut a text in its middle, and mark how many characters are missing: a command names its script at its end.

    Args:
        text: Returned as it is if it is short enough.
        chars: Maximum characters, with the mark, which takes some 20.
    """
    if len(text) <= chars:
        return text
    room = len(f"…(+{len(text):,} chars)…")
    start = max(chars - room, 0) // 3
    end = max(chars - room, 0) - start
    return f"{text[:start]}…(+{len(text) - start - end:,} chars)…{text[len(text) - end :]}"


def command_text(words: Sequence[str], chars: int) -> str:
    """Return a command as one line; where it is too long, its paths are cut in front, and then its middle.

    Args:
        words: The command, redacted.
        chars: Maximum characters.
    """
    line = " ".join(shlex.join(words).split())
    if len(line) > chars:
        line = " ".join(" ".join(_end_of_path(word) or shlex.quote(word) for word in words).split())
    return cut_middle(line, chars)


def _end_of_path(word: str) -> str:
    """Return the last folders and the name of a long path, with a mark before them; nothing for another word."""
    if not word.startswith("/") or len(word) <= _PATH_CHARS:
        return ""
    first = word.find("/", len(word) - _PATH_CHARS)
    return "…" + word[first if first >= 0 else word.rindex("/") :]


def one_line(text: str, chars: int) -> str:
    """Join the words of a text with single spaces, and cut it to ``chars`` characters."""
    return cut(" ".join(clean(text).split()), chars)


def last_lines(text: str, chars: int, lines: int, size: int = 0) -> str:
    """Return the end of a text, below a line that counts the characters before it.

    Args:
        text: The text.
        chars: Maximum characters of the end.
        lines: Maximum lines of the end.
        size: Bytes of the whole, if the text may lack its middle.
    """
    kept = clean(text).rstrip()[-chars:]
    tail = "\n".join(kept.split("\n")[-lines:])
    left = len(text.rstrip()) - len(tail)
    if size > len(text.encode("utf-8", "replace")) + UNNOTICED_BYTES:
        return f"(about {size - len(tail):,} characters before)\n{tail}"
    return f"({left:,} characters before)\n{tail}" if left > 0 else tail


def milliseconds(ns: float | None) -> float | int | None:
    """Convert nanoseconds to milliseconds, rounded as by ``rounded``; None stays None."""
    return None if ns is None else rounded(ns / 1_000_000)


def rounded(number: float) -> float | int:
    """Round to three significant digits, and to a whole number from 100 on."""
    return round(number) if abs(number) >= 100 else float(f"{number:.3g}")


def bounded(number: int, *, exact: bool) -> int | str:
    """Return a number for the cell of a table, with ``>=`` before it if it is a lower bound."""
    return number if exact else f">={number}"


def bounded_text(number: int, *, exact: bool) -> str:
    """Render a number, with ``>=`` before it if it is a lower bound: ``>=1,000``."""
    return f"{'' if exact else '>='}{number:,}"


def first_of(names: Sequence[str], most: int) -> str:
    """Join the first names, and say how many more there are: ``a, b and 3 more``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def counted(number: int, noun: str) -> str:
    """Render a number with a noun in the right form: ``1 call``, ``1,000 calls``."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"
