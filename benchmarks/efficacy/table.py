"""Compare what searches for bugs cost in two conditions, bug by bug.

    python table.py --logs FOLDER --answers FOLDER --truth FOLDER [--judged FILE] [--conditions N P] [--once N=9000]

Reads, for each bug NN and condition X, the log ``NN-X.jsonl`` of ``counted.sh`` and the answer ``NN-X.json`` of the
solver, and prints for each bug the commands, the characters read, written and both, and the seconds. Below, for the
bugs that have both conditions: the paired ratio of the characters (geometric mean of first/second, with a 95 %
interval by the t distribution over the logarithms, and one by bootstrap over the pairs), the same for commands and
seconds, and the medians.

``--once N=9000`` adds characters once to each session of a condition: what its tools' definitions take. The ratio is
printed with and without them. ``--judged`` is a JSON object ``{"NN-X": "right" | "half" | "wrong"}``, written by hand
after the answers were compared with the truth; ``--side-by-side`` prints both for that, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIDENCE = 0.95
BOOTSTRAP_SAMPLES = 10_000
VERDICTS = ("right", "half", "wrong")


@dataclass(frozen=True, slots=True)
class Session:
    """What one search cost: the sums over the lines of its log."""

    commands: int
    read: int
    written: int
    seconds: float
    once: int = 0

    @property
    def chars(self) -> int:
        """Characters read and written, without the tools' definitions."""
        return self.read + self.written

    @property
    def chars_with_once(self) -> int:
        """Characters read and written, and the tools' definitions once."""
        return self.chars + self.once


def read_session(log: Path, once: int) -> Session:
    """Sum a log up."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
    return Session(
        commands=len(lines),
        read=sum(line["read"] for line in lines),
        written=sum(line["written"] for line in lines),
        seconds=sum(line["s"] for line in lines),
        once=once,
    )


def read_json(path: Path | None) -> dict[str, Any]:
    """Return the object in a file; an empty one if there is no such file, or no JSON in it."""
    if path is None or not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function, by its continued fraction (Lentz)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    tiny = 1e-300
    fraction, upper, lower = 1.0, 1.0, 0.0
    for step in range(400):
        half = step // 2
        if step == 0:
            term = 1.0
        elif step % 2:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        lower = 1 / (1 + term * lower or tiny)
        upper = 1 + term / upper or tiny
        fraction *= upper * lower
        if abs(upper * lower - 1) < 1e-12:
            break
    return front * (fraction - 1)


def t_quantile(probability: float, freedom: int) -> float:
    """Return the quantile of Student's t distribution for a probability above a half."""

    def below(t: float) -> float:
        return 1 - incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2

    low, high = 0.0, 1e4
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < probability else (low, middle)
    return (low + high) / 2


@dataclass(frozen=True, slots=True)
class Ratio:
    """A paired ratio: the geometric mean, and its intervals (None with a single pair)."""

    pairs: int
    mean: float
    by_t: tuple[float, float] | None
    by_bootstrap: tuple[float, float] | None

    def __str__(self) -> str:
        text = f"{self.mean:.2f}"
        for name, interval in (("t", self.by_t), ("bootstrap", self.by_bootstrap)):
            if interval:
                text += f"  {name} {interval[0]:.2f} to {interval[1]:.2f}"
        return f"{text}  ({self.pairs} pairs)"


def paired_ratio(first: Sequence[float], second: Sequence[float], seed: int = 1) -> Ratio:
    """Return the geometric mean of first/second over the pairs, with its intervals."""
    logs = [math.log(a / b) for a, b in zip(first, second, strict=True)]
    mean = statistics.fmean(logs)
    if len(logs) < 2:
        return Ratio(len(logs), math.exp(mean), None, None)
    tail = (1 - CONFIDENCE) / 2
    reach = t_quantile(1 - tail, len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    chance = random.Random(seed)
    means = sorted(statistics.fmean(chance.choices(logs, k=len(logs))) for _ in range(BOOTSTRAP_SAMPLES))
    low, high = means[int(tail * len(means))], means[int((1 - tail) * len(means)) - 1]
    return Ratio(
        len(logs),
        math.exp(mean),
        (math.exp(mean - reach), math.exp(mean + reach)),
        (math.exp(low), math.exp(high)),
    )


def print_sessions(sessions: dict[str, dict[str, Session]], conditions: Sequence[str], judged: dict[str, Any]) -> None:
    """Print a row for each bug and condition."""
    print(f"{'bug':12} {'':3} {'commands':>8} {'read':>9} {'written':>9} {'sum':>9} {'seconds':>8}  verdict")
    for bug in sorted(sessions):
        for condition in conditions:
            session = sessions[bug].get(condition)
            if session is None:
                continue
            print(
                f"{bug:12} {condition:3} {session.commands:8} {session.read:9,} {session.written:9,} "
                f"{session.chars:9,} {session.seconds:8.1f}  {judged.get(f'{bug}-{condition}', '')}"
            )


def print_totals(sessions: dict[str, dict[str, Session]], conditions: Sequence[str], judged: dict[str, Any]) -> None:
    """Print sums, medians and verdicts for each condition."""
    for condition in conditions:
        mine = [by_condition[condition] for by_condition in sessions.values() if condition in by_condition]
        if not mine:
            continue
        verdicts = [judged.get(f"{bug}-{condition}") for bug in sessions if condition in sessions[bug]]
        counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in VERDICTS)
        print(
            f"{condition}: {len(mine)} bugs, {sum(s.commands for s in mine)} commands "
            f"(median {statistics.median(s.commands for s in mine):g}), {sum(s.chars for s in mine):,} characters "
            f"(median {statistics.median(s.chars for s in mine):,.0f}), {sum(s.seconds for s in mine):,.0f} s "
            f"(median {statistics.median(s.seconds for s in mine):.1f}); {counts}"
        )


def print_ratios(sessions: dict[str, dict[str, Session]], first: str, second: str) -> None:
    """Print the paired ratios of two conditions, over the bugs that have both."""
    pairs = [(by[first], by[second]) for by in sessions.values() if first in by and second in by]
    if not pairs:
        print(f"no bug has both {first} and {second}")
        return
    measures: list[tuple[str, Callable[[Session], float]]] = [
        ("characters", lambda session: session.chars),
        ("characters, definitions once", lambda session: session.chars_with_once),
        ("commands", lambda session: session.commands),
        ("seconds", lambda session: max(session.seconds, 0.01)),
    ]
    for name, measure in measures:
        ratio = paired_ratio([measure(a) for a, _ in pairs], [measure(b) for _, b in pairs])
        print(f"{first}/{second} {name}: {ratio}")


def print_side_by_side(bugs: Sequence[str], conditions: Sequence[str], answers: Path, truth: Path) -> None:
    """Print each truth with its answers, to judge them by hand."""
    for bug in bugs:
        known = read_json(truth / f"{bug}.json")
        print(f"{bug}  truth: {known.get('file')} {known.get('function')} {known.get('lines')}: {known.get('cause')}")
        for condition in conditions:
            given = read_json(answers / f"{bug}-{condition}.json")
            if given:
                place = f"{given.get('file')} {given.get('function')} {given.get('line')}"
                print(f"  {condition} ({given.get('confidence')}): {place}: {given.get('explanation')}")
        print()


def main() -> int:
    """Print the tables; 1 if there is no log."""
    parser = argparse.ArgumentParser(description="Compare what searches for bugs cost in two conditions.")
    parser.add_argument("--logs", type=Path, required=True, help="folder of NN-X.jsonl")
    parser.add_argument("--answers", type=Path, required=True, help="folder of NN-X.json")
    parser.add_argument("--truth", type=Path, required=True, help="folder of NN.json")
    parser.add_argument("--judged", type=Path, help='JSON file {"NN-X": "right" | "half" | "wrong"}')
    parser.add_argument("--conditions", nargs=2, default=["N", "P"], metavar=("FIRST", "SECOND"))
    parser.add_argument("--once", action="append", default=[], metavar="X=CHARS", help="characters once per session")
    parser.add_argument("--side-by-side", action="store_true", help="print truth and answers only")
    options = parser.parse_args()

    once = {condition: int(chars) for condition, _, chars in (text.partition("=") for text in options.once)}
    sessions: dict[str, dict[str, Session]] = {}
    for log in sorted(options.logs.glob("*-*.jsonl")):
        bug, _, condition = log.stem.rpartition("-")
        if condition in options.conditions:
            sessions.setdefault(bug, {})[condition] = read_session(log, once.get(condition, 0))
    if not sessions:
        print(f"no logs in {options.logs}", file=sys.stderr)
        return 1
    if options.side_by_side:
        print_side_by_side(sorted(sessions), options.conditions, options.answers, options.truth)
        return 0

    judged = read_json(options.judged)
    print_sessions(sessions, options.conditions, judged)
    for bug, by_condition in sorted(sessions.items()):
        for condition in by_condition:
            if not (options.answers / f"{bug}-{condition}.json").is_file():
                print(f"{bug}-{condition}: no answer")
    print()
    print_totals(sessions, options.conditions, judged)
    print()
    print_ratios(sessions, *options.conditions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
