"""Values in a flow fit into their characters, and different values look different."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breadcrumb_server.answers.flow.values import arguments, both_arguments, on_one_line, side_by_side

LINES = st.text("ab'(=, ", max_size=60).map(on_one_line)
PAIRS = st.lists(
    st.tuples(st.sampled_from(["self", "n", "text", "a_long_name"]), LINES), unique_by=lambda pair: pair[0]
)
CHARS = st.integers(10, 60)


@given(st.lists(LINES, max_size=4), CHARS)
def test_texts_side_by_side_fit_into_their_characters(lines, chars) -> None:
    assert all(len(text) <= chars for text in side_by_side(lines, chars))


@given(LINES, LINES, LINES, CHARS)
def test_different_texts_stay_different_whatever_they_have_in_common(common, one, other, chars) -> None:
    one, other = common * 3 + one, common * 3 + other
    first, second = side_by_side([one, other], chars)
    assert (first == second) == (one == other)


@pytest.mark.parametrize(
    ("chars", "shown"),
    [
        (40, ["'2024-05-06T10:45:00'", "'2024-05-06T08:45:00'"]),
        (13, ["…06T10:45:00'", "…06T08:45:00'"]),
        (8, ["…6T10:4…", "…6T08:4…"]),
    ],
)
def test_a_common_beginning_is_cut_before_the_difference(chars, shown) -> None:
    assert side_by_side(["'2024-05-06T10:45:00'", "'2024-05-06T08:45:00'"], chars) == shown


@given(PAIRS, PAIRS, CHARS)
def test_arguments_fit_into_their_characters(first, other, chars) -> None:
    assert len(arguments(first, chars)) <= chars
    one, another = both_arguments(first, other, chars)
    # Equal arguments are shown once, in the characters of both.
    assert max(len(one), len(another)) <= (2 * chars if one == another else chars)


@given(LINES, st.lists(LINES, min_size=2, max_size=2, unique=True), CHARS)
def test_an_argument_that_differs_is_shown_beside_any_equal_ones(same, differing, chars) -> None:
    calls = [[("self", f"Cart({same * 5})"), ("text", same * 5), ("n", value)] for value in differing]
    first, second = calls
    one, other = both_arguments(first, second, chars)
    assert one != other
    assert "n=" in one and "n=" in other
