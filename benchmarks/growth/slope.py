"""Fit how fast a cost grows with a size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MAX_LINEAR = 1.15  # 1, and what noise adds


@dataclass(frozen=True)
class Slope:
    """The exponent of a growth: 1 is linear, 2 quadratic, 0 constant."""

    exponent: float

    def __str__(self) -> str:
        return f"{self.name} {self.exponent:.2f}"

    @property
    def name(self) -> str:
        """Return the words for the power; noise makes constant and linear ones differ a little from 0 and 1."""
        if self.exponent < 0.2:
            return "constant"
        if self.exponent < 0.8:
            return "less than linear"
        return "linear" if self.is_linear else "more than linear"

    @property
    def is_linear(self) -> bool:
        """Return whether twice as much costs at most about twice as much."""
        return self.exponent <= MAX_LINEAR


def fit(sizes: Sequence[float], costs: Sequence[float]) -> Slope:
    """Fit a line to the logarithms of sizes and costs, by least squares.

    Args:
        sizes: At least two different ones, above 0.
        costs: What each size costs, in any unit.

    Raises:
        ValueError: A cost is not above 0: it was lost in the noise, and nothing can be said of its growth.
    """
    if min(costs) <= 0:
        raise ValueError(f"a cost is not above 0: {min(costs)}")
    xs, ys = [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    covariance = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    return Slope(covariance / sum((x - x_mean) ** 2 for x in xs))
