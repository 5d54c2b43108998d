"""A program in one file whose calls and lines a test adds to a database, in the order of time."""

from __future__ import annotations

import os
from datetime import UTC
from pathlib import Path
from typing import Any

from breadcrumb_server.answers.find.answer import Found, find
from breadcrumb_storage.queries.traces import get_trace

SOURCE = """\
LIMIT = 100
seen = set()


class Rates:
    def __init__(self):
        self._cached = {}

    def of(self, key):
        if key not in self._cached:
            self._cached[key] = len(key)
            seen.add(key)
        return self._cached[key]

    def reset(self):
        self._cached.clear()


def discounted(amount, rate=None):
    rate = rate or 0.1
    if amount > LIMIT:
        amount = round(
            amount * (1 - rate),
        )
    return amount


def total(rates, order):
    total = 0
    for key, amount in order.items():
        total += discounted(amount, rate=rates.of(key))
    return total
"""


def rates(number: int | None = None, **cached: int) -> dict[str, Any]:
    """Return the record of an object of the class, with the number that tells it from others."""
    return {"$type": "Rates", **({"$object": number} if number else {}), "_cached": cached}


class Program:
    """A traced program in one file, to which calls can be added; a millisecond passes with each line."""

    def __init__(self, project: Any, folder: Path, **columns: Any) -> None:
        self.con = project.con
        self.trace = project.trace(**{"config": {"workspace": str(folder)}, "cwd": str(folder), **columns})
        self.trace.process()
        self.file = folder / "shop" / "pricing.py"
        self.file.parent.mkdir()
        self.file.write_text(SOURCE)
        places = (
            ("Rates.__init__", 6), ("Rates.of", 9), ("Rates.reset", 15), ("discounted", 19), ("total", 28),
        )  # fmt: skip
        self.functions = {
            name: self.trace.function(name, "shop.pricing", line, file=str(self.file)) for name, line in places
        }
        self.now = 0.0

    def call(self, name: str, args: Any, *lines: tuple[int | None, Any], **columns: Any) -> int:
        """Add a call, with its lines as (line that starts, changes by the line before it)."""
        started = self.now = self.now + 1
        times = [started + 1 + number for number in range(len(lines))]
        self.now += len(lines)
        number: int = self.trace.call(
            self.functions[name], args=args, at_ms=started, **{"ms": float(len(lines) + 1), **columns}
        )
        if lines:
            self.trace.lines(number, *lines, at_ms=times)
        return number

    def big(self, amount: int = 126, result: int = 114, **columns: Any) -> int:
        lines: tuple[tuple[int | None, Any], ...] = (
            (20, {}),
            (21, {"rate": 0.1}),
            (22, {}),
            (23, {}),
            (22, {}),
            (25, {"amount": result}),
            (None, {}),
        )
        return self.call("discounted", {"amount": amount, "rate": None}, *lines, returns=result, **columns)

    def find(self, **arguments: Any) -> Found:
        return self.found(**arguments)[0]

    def found(self, **arguments: Any) -> tuple[Found, list[str]]:
        # The file is older than the run: it is what ran.
        started = get_trace(self.con, self.trace.trace_id).started_at.replace(tzinfo=UTC).timestamp()
        os.utime(self.file, (started - 60, started - 60))
        return find(self.con, "shop", **arguments)

    def text(self, **arguments: Any) -> list[str]:
        return self.find(**arguments).text.split("\n")
