"""Estimate how a function's time grows with its arguments.

A power law is a straight line on logarithmic axes (Goldsmith, Aiken and Wilkerson, "Measuring Empirical Computational
Complexity", 2007).
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from breadcrumb.value_format import (
    BYTEARRAY_KEY,
    BYTES_KEY,
    CHARS_CUT_PATTERN,
    CUT_MARK,
    ENTRIES_CUT_PATTERN,
    FROZENSET_KEY,
    ITEMS_CUT_PATTERN,
    SET_KEY,
    TUPLE_KEY,
    TYPE_KEY,
    VALUE_FIELD,
)
from breadcrumb_server.answers.common.parsed_json import is_array, is_object

# Different sizes. With six, times that do not depend on the size look as if they did in one of 500 functions.
MIN_SIZES = 6
# The largest size over the smallest one.
MIN_RATIO = 4.0
# Share of the variance of the logarithms that the line explains.
MIN_R_SQUARED = 0.9
# The same, and the share of the sizes at most, where times of disturbed sizes were set right.
MIN_R_SQUARED_SET_RIGHT = 0.95
MAX_SET_RIGHT = 1 / 6
# Relative change of the slope without the largest size, so that a single call does not decide.
MAX_SLOPE_CHANGE = 0.35
# Below this exponent the time hardly depends on the size.
MIN_EXPONENT = 0.5
# Growth is exponential if the logarithm of the time over the size itself is a straighter line, by this R², and a power
# law would have at least this exponent.
MIN_BETTER = 0.01
MIN_EXPONENTIAL = 2.5

_CUT_ITEMS = re.compile(ITEMS_CUT_PATTERN)
_CUT_CHARS = re.compile(rf"{CHARS_CUT_PATTERN}$")
_CUT_FIELDS = re.compile(ENTRIES_CUT_PATTERN)


@dataclass(frozen=True, slots=True)
class Growth:
    """``time ~ size ** exponent``, or ``time ~ factor ** size``."""

    size: str  # n, len(items)
    exponent: float
    factor: float | None  # None: growth is not exponential
    sizes: int
    calls: int
    smallest: float
    largest: float
    r_squared: float

    def text(self) -> str:
        """Render the growth as a sentence."""
        seen = (
            f"{self.size} from {self.smallest:,.0f} to {self.largest:,.0f}, {self.sizes:,} sizes in "
            f"{self.calls:,} calls, R² {self.r_squared:.2f}"
        )
        if self.factor is not None:
            return f"time grows exponentially with {self.size}: {self.factor:.2g} times for each one more ({seen})"
        return f"time grows with {self.size}{_power(self.exponent)} ({seen})"


def _power(exponent: float) -> str:
    nearest = round(exponent)
    if abs(exponent - nearest) < 0.2 and 1 <= nearest <= 3:
        return ("", " squared", " cubed")[nearest - 1]
    return f" to the power of {exponent:.1f}"


def find_growth(samples: Iterable[tuple[str, int]]) -> Growth | None:
    """Find the size that explains the time best, if one does.

    Args:
        samples: Arguments of each call as stored, and its active time in nanoseconds.
    """
    times: dict[str, dict[float, list[int]]] = defaultdict(lambda: defaultdict(list))
    for arguments, active_ns in samples:
        for name, size in _sizes(arguments):
            if size > 0 and active_ns > 0:
                times[name][size].append(active_ns)
    found = [growth for name, by_size in times.items() if (growth := _fit_growth(name, by_size)) is not None]
    return max(found, key=lambda growth: growth.r_squared, default=None)


def _sizes(arguments: str) -> Iterator[tuple[str, float]]:
    try:
        parsed: object = json.loads(arguments)
    except (ValueError, RecursionError):
        return
    if not is_object(parsed):
        return
    for name, value in parsed.items():
        if is_object(value) and value.keys() == {TYPE_KEY, VALUE_FIELD}:  # a Decimal, a NumPy scalar
            value = _number(value[VALUE_FIELD])
        yield from _size(name, value)
        if is_object(value) and TYPE_KEY in value:  # an object: sizes of its attributes
            for field, part in value.items():
                if not field.startswith("$"):
                    yield from _size(f"{name}.{field}", part)


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None


def _size(name: str, value: object) -> Iterator[tuple[str, float]]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield name, float(value)
    else:
        length = length_of(value)
        if length is not None:
            yield f"len({name})", float(length)


def length_of(value: object) -> int | None:
    """Return the length of a captured text or container before it was cut; None for other values."""
    if isinstance(value, str):
        cut = _CUT_CHARS.search(value)
        return len(value) if cut is None else cut.start() + int(cut[1])
    if is_array(value):
        cut = _CUT_ITEMS.fullmatch(value[-1]) if value and isinstance(value[-1], str) else None
        return len(value) if cut is None else len(value) - 1 + int(cut[1])
    if not is_object(value):
        return None
    first = next(iter(value), "")
    if first in (TUPLE_KEY, SET_KEY, FROZENSET_KEY, BYTES_KEY, BYTEARRAY_KEY):
        size = value.get("size")
        return size if isinstance(size, int) else length_of(value[first])
    if first == TYPE_KEY:
        return length_of(value["items"]) if is_array(value.get("items")) else None
    cut = _CUT_FIELDS.fullmatch(str(value.get(CUT_MARK, "")))
    return len(value) if cut is None else len(value) - 1 + int(cut[1])


def _fit_growth(name: str, by_size: dict[float, list[int]]) -> Growth | None:
    sizes = sorted(by_size)
    if len(sizes) < MIN_SIZES or sizes[-1] < MIN_RATIO * sizes[0]:
        return None
    # The shortest time of each size: other load of the machine only adds time.
    times = _undisturbed(sizes, [math.log(min(by_size[size])) for size in sizes])
    exponent, r_squared = _least_squares([math.log(size) for size in sizes], times)
    without_largest, _ = _least_squares([math.log(size) for size in sizes[:-1]], times[:-1])
    if exponent < MIN_EXPONENT:
        return None
    steady = abs(without_largest - exponent) <= MAX_SLOPE_CHANGE * exponent
    rate, exponential_r_squared = _least_squares(sizes, times)
    calls = sum(map(len, by_size.values()))
    common = (len(sizes), calls, sizes[0], sizes[-1])
    if exponent >= MIN_EXPONENTIAL and exponential_r_squared >= max(r_squared + MIN_BETTER, MIN_R_SQUARED):
        return Growth(name, exponent, math.exp(rate), *common, exponential_r_squared)
    return Growth(name, exponent, None, *common, r_squared) if steady and r_squared >= MIN_R_SQUARED else None


def _undisturbed(sizes: Sequence[float], times: list[float]) -> list[float]:
    """Set right the times that are longer than that of a larger size, if they are few and a straight line comes of it.

    Where the time grows, only other load of the machine explains them. Where it does not grow, all times would be set
    right in part, and look as if they grew: hence the two limits.
    """
    set_right = list(accumulate(reversed(times), min))[::-1]
    changed = sum(before != after for before, after in zip(times, set_right, strict=True))
    if changed > MAX_SET_RIGHT * len(times):
        return times
    _, r_squared = _least_squares([math.log(size) for size in sizes], set_right)
    return set_right if r_squared >= MIN_R_SQUARED_SET_RIGHT else times


def _least_squares(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """Fit a straight line by least squares, and return its slope and R²."""
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    xx = sum((x - mean_x) ** 2 for x in xs)
    xy = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    yy = sum((y - mean_y) ** 2 for y in ys)
    return (xy / xx, xy * xy / (xx * yy)) if xx and yy else (0.0, 0.0)
