"""Measure what the tracer costs, and say how much of it a function may still take.

The cost of a recorded call is measured at the first, second, fourth, eighth ... call of its function; a counted call is
priced in reads of the clock, which measures the speed of the machine. So the tracer reads its clock now and then, and
not at each call. What a function may take falls in steps as the budget is used up, and decisions are made at those same
numbers of calls: small differences of the measured times seldom change them, and two equal runs are thinned alike.
"""

from __future__ import annotations

from ..runtime.system import system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional

# The share of the time gone by that the tracer may take.
DEFAULT_SHARE = 0.1

# The greatest share, as in the settings.
_MOST = 100.0

# Nanoseconds that a process may cost whatever its share: a short program is recorded whole as far as they reach.
SHORT_NS = 150_000_000

# The part of what is allowed that the tracer aims at. The rest is for what it does not measure: its start, the events
# of the interpreter, and memory that the program's own code then lacks in the processor's caches.
_AIM = 0.5

# What is allowed and was not spent is kept for that long: after an hour of waiting a program has no budget of minutes.
_UNSPENT_NS = 500_000_000

# The budget is looked at in eighths.
LEVELS = 8
# From this level on, functions that are called often are no longer counted; the rest is for functions that are new.
TIGHT = 4
# Code outside of the workspace is treated as if so many levels more were used up: own code has more news.
_LESS_FOR_OTHERS = 2
TIGHT_FOR_OTHERS = TIGHT - _LESS_FOR_OTHERS
# From this level on, the ends of open calls are awaited no more where those of many others come with them.
AWAITING = 6
# Up to this level, functions that are switched off may be switched on again.
ROOMY = 3

# Nanoseconds that recording one function may take, by level. At the last but one the budget is used up.
_RECORDING_NS = (16_000_000, 4_000_000, 1_000_000, 250_000, 64_000, 64_000, 64_000, 64_000, 0)
# Nanoseconds that counting one function may take. Counting says less: a thousand calls say what a million would.
_COUNTING_NS = (4_000_000, 2_000_000, 1_000_000, 500_000, 0, 0, 0, 0, 0)
# Counting that takes less than a hundredth of the time is no reason to switch a function off while there is a budget.
_SELDOM = 100

# What a counted call costs with its return, in reads of the clock: measured with benchmarks/tracer.py. The small events
# of other kinds, which Python handles with either core, are multiples of it.
_COUNTED_READS = 14
# And where the core in C counts.
_COUNTED_READS_IN_C = 7
# A read of the clock takes at least that many nanoseconds: a clock that is slower is not measured by two reads.
_LEAST_READ_NS = 20


def make_budget(mode: str, overhead: object, automatic: str = "") -> Optional[Budget]:
    """Return the budget that ``capture.overhead`` asks for, or None.

    Args:
        mode: ``capture.mode``: mode full has no budget unless it is asked for.
        overhead: The share of the time gone by, ``auto`` or ``off``.
        automatic: What ``auto`` stands for, from the environment: a share or ``off``; anything else is not heeded.
    """
    if overhead == "auto" and automatic and mode != "full":
        overhead = _read(automatic)
    if isinstance(overhead, (int, float)):
        return Budget(float(overhead))
    return Budget(DEFAULT_SHARE) if overhead == "auto" and mode != "full" else None


def _read(text: str) -> object:
    """Read a share or ``off``."""
    if text == "off":
        return text
    try:
        share = float(text)
    except ValueError:
        return "auto"
    return share if 0 < share <= _MOST else "auto"


class Budget:
    """What the tracer of one process may cost, and has cost so far.

    Args:
        share: The share of the time gone by that it may take.
        now_ns: The clock.
    """

    def __init__(self, share: float, now_ns: Callable[[], int] = system.now_ns) -> None:
        self.share = share
        self._now_ns = now_ns
        self._counted_reads = _COUNTED_READS
        self._read_ns = 0
        self.clear()

    def counts_in_c(self) -> None:
        """Note that the core in C counts the calls."""
        self._counted_reads = _COUNTED_READS_IN_C
        self.counted_ns = self._counted_reads * self._read_ns

    def clear(self) -> None:
        """Begin again, in a forked child."""
        self._began_ns = self._now_ns()
        self.spent_ns = 0
        self.event_ns = self.counted_ns = _COUNTED_READS * _LEAST_READ_NS
        self._read_ns = 0
        self.gauge()

    def gauge(self) -> int:
        """Measure how fast the machine is, and return the time: at each look, as one look may be interrupted."""
        before = self._now_ns()
        at_ns = self._now_ns()
        read_ns = max(at_ns - before, _LEAST_READ_NS)
        if not self._read_ns or read_ns < self._read_ns:
            self._read_ns = read_ns
            self.event_ns = _COUNTED_READS * read_ns
            self.counted_ns = self._counted_reads * read_ns
        return at_ns

    def level(self, at_ns: int) -> int:
        """Return how many eighths of what may be left of the budget are used up, 8 at most."""
        allowed = int(max(SHORT_NS, self.share * (at_ns - self._began_ns)) * _AIM)
        most = min(allowed, _UNSPENT_NS)
        if self.spent_ns < allowed - most:
            self.spent_ns = allowed - most
        return min((self.spent_ns - (allowed - most)) * LEVELS // most, LEVELS)

    def spend(self, cost_ns: int) -> None:
        """Note a cost."""
        self.spent_ns += cost_ns

    def is_tight(self) -> bool:
        """Return whether what remains is for functions that are new."""
        return self.level(self._now_ns()) >= TIGHT

    def may_wake(self, at_ns: int) -> bool:
        """Return whether functions that are switched off may be switched on again."""
        return self.level(at_ns) <= ROOMY

    def may_await(self, strays: int) -> bool:
        """Return whether the ends of a function's open calls may be awaited, after so many ends of others."""
        self.spend(strays * self.event_ns // 2)
        return self.level(self._now_ns()) < AWAITING

    def may_record(self, calls: int, cost_ns: int, at_ns: int, *, is_own: bool = True) -> bool:
        """Return whether a function whose calls cost *cost_ns* may record that many; less if it is not own code."""
        level = self.level(at_ns)
        return calls * cost_ns <= _RECORDING_NS[level if is_own else min(level + _LESS_FOR_OTHERS, LEVELS)]

    def may_count(self, counted_ns: int, recent_ns: int, past_ns: int, at_ns: int) -> bool:
        """Return whether a function may be counted further.

        Args:
            counted_ns: What counting it has cost in all.
            recent_ns: What of that is since the last look at the function.
            past_ns: The time since then.
            at_ns: The time.
        """
        level = self.level(at_ns)
        if recent_ns * _SELDOM < past_ns and level < LEVELS:
            return True
        share_ns = (at_ns - self._began_ns) // _SELDOM >> level if level < TIGHT else 0
        return counted_ns <= max(_COUNTING_NS[level], share_ns)
