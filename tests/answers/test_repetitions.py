"""Repetitions in a sequence are folded, and no step is lost."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breadcrumb_server.answers.flow.repetitions import EqualSteps, Part, SequenceFolder, Symbols


def folded(text: str, min_rounds: int = 2) -> list[Part]:
    return SequenceFolder(Symbols()).fold([ord(letter) + 1_000 for letter in text], range(len(text)), min_rounds)


def written(parts: list[Part], text: str) -> str:
    """Write parts as ``a3(bc)2``: three times a, then two rounds of b and c."""
    words = []
    for part in parts:
        if isinstance(part, EqualSteps):
            words.append(text[part.members[0]] + (str(len(part.members)) if len(part.members) > 1 else ""))
        else:
            words.append(f"({written(part.parts, text)}){part.rounds}")
    return "".join(words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("abc", "abc"),
        ("aaab", "a3b"),
        ("abcabcabc", "(a3b3c3)3"),
        ("xababay", "x(a2b2)2ay"),
        # The inner loop has a different number of rounds each time, and once a single one.
        ("abbcabcabbbc", "(a3b6c3)3"),
        ("zxyxyxyczxycz", "(z2(x4y4)4c2)2z"),
    ],
)
def test_equal_steps_and_nested_rounds_are_folded(text, expected) -> None:
    assert written(folded(text), text) == expected


def test_repetitions_with_few_rounds_can_stay_unfolded() -> None:
    text = "aababccccxyyxyxyyyxyy"
    assert written(folded(text, min_rounds=4), text) == "aababc4(x4y8)4"


@settings(deadline=None)
@given(st.text("abcd", max_size=60), st.integers(2, 5))
def test_every_step_is_in_exactly_one_part_with_its_symbol(text, min_rounds) -> None:
    parts = folded(text, min_rounds)
    steps = [*members(parts)]
    assert sorted(at for _, at in steps) == list(range(len(text)))
    assert all(symbol == ord(text[at]) + 1_000 for symbol, at in steps)


def test_a_repeated_text_has_no_more_parts_than_the_text() -> None:
    texts = ("".join(letters) for length in range(1, 7) for letters in product("abc", repeat=length))
    longer = [
        (text, rounds) for text in texts for rounds in (2, 3, 9) if len(folded(text * rounds)) > len(folded(text)) + 1
    ]
    assert longer == []


def members(parts: list[Part]) -> Iterator[tuple[int, int]]:
    for part in parts:
        if isinstance(part, EqualSteps):
            yield from ((part.symbol, at) for at in part.members)
        else:
            yield from members(part.parts)
