"""Hold that the text of a value depends on the value and on what is known to be secret, not on what was encoded before."""

from __future__ import annotations

import copy
import os
import random
from typing import Any

import pytest

from breadcrumb.redaction.redactor import Redactor
from breadcrumb.values.encoder import Encoder
from odd_values import Maker, random_limits

# For a longer search: BREADCRUMB_FUZZ_EXAMPLES=20000 python3 -m pytest tests/tracer/test_value_memory.py
SEEDS = int(os.environ.get("BREADCRUMB_FUZZ_EXAMPLES", "250"))


def cold_twin(redactor: Redactor, limits: dict[str, Any]) -> Encoder:
    """Return an encoder that knows the same secrets and has encoded nothing."""
    return Encoder(copy.deepcopy(redactor), **limits)


def test_a_value_has_the_same_text_cold_and_warm() -> None:
    for seed in range(SEEDS):
        choices = random.Random(seed)
        maker, limits, redactor = Maker(choices), random_limits(choices), Redactor()
        warm = Encoder(redactor, **limits)
        values = [maker.value() for _ in range(8)]
        for position, value in enumerate([*values, *values]):
            cold = cold_twin(redactor, limits)
            assert warm.encode(value) == cold.encode(value), f"seed {seed}, value {position}"
            assert warm.generation() == cold.generation(), f"seed {seed}, value {position}"


@pytest.mark.parametrize(
    ("before", "value"),
    [
        ({"<K at 0x...>": 1}, {"<K at 0x7f21c0de>": 1, "<K at 0x...>": 2}),
        (["x" * 90], {"a": "x" * 90, "b": 1, "c": 2, "d": 3}),
        ({"k" * 90: 1}, {"k" * 90: 1, "l" * 90: 2}),
        (["id zq81LmPx90 end"], ["id zq81LmPx90 end", {"password": "zq81LmPx90"}, "id zq81LmPx90 end", 1, 2, 3]),
    ],
)
def test_a_text_or_key_seen_before_changes_nothing(before: Any, value: Any) -> None:
    warm = Encoder(Redactor(), max_chars=120)
    warm.encode(before)
    assert warm.encode(value) == Encoder(Redactor(), max_chars=120).encode(value)


def test_texts_that_are_longer_than_a_value_may_be_are_not_kept() -> None:
    encoder = Encoder(Redactor(), max_chars=10)
    for number in range(20):
        encoder.encode(f"a text with the number {number}")
    assert len(encoder._memo) == 0
