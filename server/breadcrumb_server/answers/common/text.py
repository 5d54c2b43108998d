"""Short text: cuts that are marked, counts, durations."""

from __future__ import annotations


def clean(text: str) -> str:
    """Replace lone surrogates, which JSON can carry and no client can be sent."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def cut(text: str, chars: int) -> str:
    """At most ``chars`` characters of a text; where it was longer, a mark at the end says how many are missing."""
    if len(text) <= chars:
        return text
    room = len(f"…(+{len(text):,} chars)")
    kept = max(chars - room, 0)
    return f"{text[:kept]}…(+{len(text) - kept:,} chars)"


def one_line(text: str, chars: int) -> str:
    """``cut`` for texts that must stay on one line."""
    return cut(" ".join(clean(text).split()), chars)


def last_lines(text: str, chars: int, lines: int) -> str:
    """The end of a text, whole lines where possible; what went before is counted."""
    kept = clean(text).rstrip()[-chars:]
    tail = "\n".join(kept.split("\n")[-lines:])
    left = len(text.rstrip()) - len(tail)
    return f"({left:,} characters before)\n{tail}" if left > 0 else tail


def milliseconds(ns: float | None) -> float | int | None:
    """Nanoseconds as milliseconds with three significant digits."""
    return None if ns is None else rounded(ns / 1_000_000)


def rounded(number: float) -> float | int:
    """Three significant digits, and no fraction from 100 on."""
    return round(number) if abs(number) >= 100 else float(f"{number:.3g}")


def counted(number: int, noun: str) -> str:
    """``1 call``, ``1,000 calls``."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"
