"""Count the records that a spool holds, and those of them that a database holds."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from breadcrumb.record_format import (
    CALLS_SUFFIX,
    EVENT_EXCEPTION,
    EVENTS_SUFFIX,
    KIND_CALL,
    KIND_RETURN,
    NOTICE_SPOOL_DAMAGED,
)
from breadcrumb_storage.database import Database

STORED_CALLS = "SELECT call_id % 1000000000, args, outcome IS NOT NULL FROM call_records"
STORED_EXCEPTIONS = "SELECT exception_id, exception_message FROM exceptions"


@dataclass
class Records:
    """The records of a trace: each with its identity and content, and how often it is there."""

    calls: Counter[tuple[int, str]] = field(default_factory=Counter)
    ends: Counter[int] = field(default_factory=Counter)
    exceptions: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return self.calls.total() + self.ends.total() + self.exceptions.total()

    def common(self, other: Records) -> int:
        """Return the number of records that both have."""
        pairs = ((self.calls, other.calls), (self.ends, other.ends), (self.exceptions, other.exceptions))
        return sum((mine & theirs).total() for mine, theirs in pairs)

    def difference(self, other: Records) -> str:
        """Say in which records two differ; empty if in none."""
        parts: list[str] = []
        for name in ("calls", "ends", "exceptions"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                parts.append(f"{name}: missing {list(mine - theirs)[:3]}, unexpected {list(theirs - mine)[:3]}")
        return "; ".join(parts)


def written_records(spool: Path) -> Records:
    """Return the complete records of a spool: those before the first NUL of a file that end with a newline."""
    found = Records()
    for file in spool.iterdir():
        if file.suffix in (CALLS_SUFFIX, EVENTS_SUFFIX):
            data = file.read_bytes().partition(b"\0")[0]
            add_records(found, file.suffix, data[: data.rfind(b"\n") + 1].split(b"\n")[:-1])
    # An end is stored with the beginning of its call.
    begun = {call for call, _ in found.calls}
    found.ends = Counter({call: count for call, count in found.ends.items() if call in begun})
    return found


def add_records(found: Records, suffix: str, lines: list[bytes]) -> None:
    """Add the lines of a file of a spool."""
    for line in lines:
        if suffix == EVENTS_SUFFIX:
            event = json.loads(line)
            if event["k"] == EVENT_EXCEPTION:
                found.exceptions[event["message"]] += 1
            continue
        kind, call, _, *rest = line.decode().split("\t")
        if kind == KIND_CALL:
            found.calls[int(call), rest[0]] += 1
        elif kind == KIND_RETURN:
            found.ends[int(call)] += 1


def stored_records(database: Path) -> tuple[Records, list[str]]:
    """Return the records in a database with one process of one trace, and its notices about damage."""
    found = Records()
    with Database(database, lock_timeout_seconds=60).read() as con:
        for call, args, ended in con.execute(STORED_CALLS).fetchall():
            found.calls[call, args] += 1
            if ended:
                found.ends[call] += 1
        for _, message in con.execute(STORED_EXCEPTIONS).fetchall():
            found.exceptions[message] += 1
        notices = con.execute("SELECT message FROM notices WHERE code = ?", [NOTICE_SPOOL_DAMAGED]).fetchall()
    return found, [message for (message,) in notices]
