"""The slope of a growth, which decides whether it is worse than linear."""

from __future__ import annotations

import pytest
from benchmarks.growth.slope import Slope, fit

SIZES = [100, 200, 400, 800]


@pytest.mark.parametrize(
    ("power", "name"), [(0, "constant"), (0.5, "less than linear"), (1, "linear"), (2, "more than linear")]
)
def test_a_power_of_the_size_is_found_whatever_a_unit_costs(power: float, name: str) -> None:
    for unit in (1e-6, 1.0, 350.0):
        slope = fit(SIZES, [unit * size**power for size in SIZES])
        assert slope.exponent == pytest.approx(power)
        assert slope.name == name


def test_the_logarithm_that_sorting_adds_is_seen_beside_what_is_linear() -> None:
    slope = fit(SIZES, [size * (size.bit_length() - 1) for size in SIZES])
    assert 1.15 < slope.exponent < 1.25 and not slope.is_linear


def test_noise_at_one_size_moves_the_slope_little() -> None:
    costs = [float(size) for size in SIZES]
    costs[1] *= 1.1
    assert fit(SIZES, costs).exponent == pytest.approx(1, abs=0.05)


def test_what_becomes_cheaper_is_called_constant() -> None:
    assert str(Slope(-0.04)) == "constant -0.04"


def test_the_slope_is_written_with_its_name() -> None:
    assert str(Slope(1.0249)) == "linear 1.02"


@pytest.mark.parametrize("lost", [0.0, -0.003])
def test_a_cost_that_is_lost_in_the_noise_has_no_slope(lost: float) -> None:
    with pytest.raises(ValueError, match="not above 0"):
        fit(SIZES, [1.0, lost, 4.0, 8.0])
