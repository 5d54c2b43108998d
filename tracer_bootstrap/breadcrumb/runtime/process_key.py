"""Name a process in the spool."""

from __future__ import annotations

from .system import system

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def process_key(started_at_ns: int) -> str:
    """Return the key of this process, with which the names of its files begin: its pid and start time in base 36."""
    text = ""
    while started_at_ns:
        started_at_ns, digit = divmod(started_at_ns, 36)
        text = _DIGITS[digit] + text
    return "%d-%s" % (system.getpid(), text or "0")
