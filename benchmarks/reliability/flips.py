"""Flip bits of files, as a failing disk or memory does."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from random import Random

from benchmarks.reliability import cuts, work
from benchmarks.reliability.bench import Bench
from benchmarks.reliability.child import ChildFailed, call
from benchmarks.reliability.names import DATABASE
from benchmarks.reliability.outcome import Outcome
from benchmarks.reliability.records import Records, add_records

from breadcrumb.record_format import CALLS_SUFFIX, EVENT_EXCEPTION, EVENTS_SUFFIX, KIND_CALL, KIND_RETURN

MOST_FLIPS = 8
EXCEPTION_ID = re.compile(rf'"k": "{EVENT_EXCEPTION}", "id": (\d+)')


def intact_records(spool: Path, flipped: dict[str, list[int]]) -> Records:
    """Return the records of a spool that no flipped bit touches, before they are flipped."""
    found = Records()
    for file in spool.iterdir():
        if file.suffix not in (CALLS_SUFFIX, EVENTS_SUFFIX):
            continue
        data = file.read_bytes().partition(b"\0")[0]
        harmed = sorted({bit // 8 for bit in flipped.get(f"{spool.name}/{file.name}", [])})
        lines: list[bytes] = []
        start = 0
        for line in data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]:
            end = start + len(line)
            # The newline before a record belongs to it too: without it two records are one.
            if not any(start - 1 <= at <= end for at in harmed):
                lines.append(line)
            start = end + 1
        add_records(found, file.suffix, lines)
    begun = {number for number, _ in found.calls}
    found.ends = Counter({number: count for number, count in found.ends.items() if number in begun})
    return found


def drop_claimed_twice(records: Records, spool: Path) -> None:
    """Drop the records whose number a damaged one bears too by now: which of the two is whole cannot be known."""
    begun, ended, raised = Counter[int](), Counter[int](), Counter[str]()
    for file in spool.glob(f"*{CALLS_SUFFIX}"):
        for line in file.read_bytes().split(b"\n"):
            kind, _, rest = line.partition(b"\t")
            number = rest.partition(b"\t")[0]
            if number.isdigit():
                begun[int(number)] += kind == KIND_CALL.encode()
                ended[int(number)] += kind == KIND_RETURN.encode()
    for file in spool.glob(f"*{EVENTS_SUFFIX}"):
        raised += Counter(EXCEPTION_ID.findall(file.read_text(errors="replace")))
    records.calls = Counter({key: count for key, count in records.calls.items() if begun[key[0]] < 2})
    records.ends = Counter({key: count for key, count in records.ends.items() if max(begun[key], ended[key]) < 2})
    if any(count > 1 for count in raised.values()):
        records.exceptions.clear()


def flip_spool(bench: Bench, random: Random, _: int) -> Outcome:
    """Flip bits of a spool: at most the records that they are in are missing, and that is told."""
    with bench.copy() as (home, spool):
        # A byte of a file counts as often as any other, up to a size at which the small ones have their turn too.
        names = sorted(name for name, size in bench.sizes.items() if size)
        weights = [min(bench.sizes[name], 40_000) for name in names]
        flipped: dict[str, list[int]] = {}
        for name in random.choices(names, weights, k=random.randint(1, MOST_FLIPS)):
            flipped.setdefault(name, []).append(random.randrange(bench.sizes[name] * 8))
        intact = intact_records(spool, flipped)
        for name, bits in flipped.items():
            work.do_damage(spool.parent / name, None, bits)
        drop_claimed_twice(intact, spool)
        os.utime(spool, (0, 0))
        try:
            found, damages, errors = call(work.recovered_records, home)
        except ChildFailed as error:
            return Outcome(len(intact), 0, len(flipped), f"{flipped}: {error}")
        problems = list(errors)
        if (lost := len(bench.written) - len(found)) > 0 and not damages:
            problems.append(f"{lost} records are missing, which nothing tells")
        numbers = Counter(number for number, _ in found.calls.elements())
        if twice := [number for number, count in numbers.items() if count > 1]:
            problems.append(f"more than once: {twice[:3]}")
        missing = [intact.calls - found.calls, intact.ends - found.ends, intact.exceptions - found.exceptions]
        if any(missing):
            problems.append(f"missing: {[list(each)[:3] for each in missing]}")
        problem = f"{flipped}: {'; '.join(problems)}" if problems else ""
        return Outcome(len(intact), intact.common(found), sum(map(len, flipped.values())), problem)


def flip_database(bench: Bench, random: Random, _: int) -> Outcome:
    """Flip bits of a database or of its log: each tool answers from all of it, or names it."""
    source = bench.logged if random.random() < 0.3 else bench.stored
    name = cuts.log_of(source).name if source == bench.logged else DATABASE
    bits = (source / name).stat().st_size * 8
    damages: list[work.Damage] = [
        (name, None, [random.randrange(bits) for _ in range(random.randint(1, MOST_FLIPS))])
        for _ in range(cuts.PLACES_AT_ONCE)
    ]
    with bench.copy(source) as (home, _spool):
        return cuts.ask_after(home, source, damages)
