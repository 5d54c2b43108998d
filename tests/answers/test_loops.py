"""Loops, and the rounds that stand out in them, are found in the executed lines."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from breadcrumb_server.answers.lines.changes import Change
from breadcrumb_server.answers.lines.loops import MIN_ROUNDS, LineLoop, all_steps, find_loops, odd_rounds
from breadcrumb_server.answers.lines.steps import Step


def steps(*lines: int) -> list[Step]:
    return [Step(position, line, ()) for position, line in enumerate(lines)]


def shape(nodes) -> list:
    """Render steps as line numbers, and loops as lists of rounds."""
    return [node.line if isinstance(node, Step) else [shape(each) for each in node.rounds] for node in nodes]


def test_rounds_begin_at_the_line_that_the_call_returns_to() -> None:
    assert shape(find_loops(steps(1, 2, 3, 2, 3, 2, 3, 2, 4))) == [1, [[2, 3], [2, 3], [2, 3], [2]], 4]


def test_a_loop_within_a_loop_is_found_in_each_round() -> None:
    inner = [3, 4, 3, 4, 3, 4, 3, 4, 3]
    found = shape(find_loops(steps(1, *([2, *inner] * 4), 2, 5)))
    assert found == [1, [*[[2, [[3, 4], [3, 4], [3, 4], [3, 4], [3]]]] * 4, [2]], 5]


def test_branches_stay_in_their_rounds() -> None:
    found = shape(find_loops(steps(2, 3, 6, 2, 4, 6, 2, 3, 6, 2, 5, 6, 2, 7)))
    assert found == [[[2, 3, 6], [2, 4, 6], [2, 3, 6], [2, 5, 6], [2]], 7]


def test_a_line_that_is_executed_a_few_times_is_no_loop() -> None:
    lines = [1, 2, 1, 2, 1, 3]
    assert len([line for line in lines if line == 1]) < MIN_ROUNDS
    assert shape(find_loops(steps(*lines))) == lines


def test_a_loop_without_a_header_is_found() -> None:
    """Check ``while True:``, which is compiled away: rounds begin at the first line of the body."""
    assert shape(find_loops(steps(1, 3, 4, 3, 4, 3, 4, 3, 5, 6))) == [1, [[3, 4], [3, 4], [3, 4], [3]], 5, 6]


@given(st.lists(st.integers(1, 6), max_size=60))
def test_no_step_is_lost_or_moved(lines: list[int]) -> None:
    given_steps = steps(*lines)
    assert list(all_steps(find_loops(given_steps))) == given_steps


def rounds_with(values: list[object], variable: str = "x") -> LineLoop:
    return LineLoop(
        tuple(
            (Step(2 * k, 1, ()), Step(2 * k + 1, 2, (Change(variable, value),) if value is not ... else ()))
            for k, value in enumerate(values)
        )
    )


def odd(values: Sequence[object]) -> dict[int, str]:
    return odd_rounds(rounds_with([*values]), range(len(values)), 5)


def test_a_value_of_another_kind_stands_out() -> None:
    assert odd([1.5] * 5 + [None] + [2, 3.5] * 5) == {5: "x is None, else a number"}
    assert odd([1.5] * 5 + [{"$float": "nan"}] + [2.5] * 9) == {5: "x is nan, else a number"}
    assert odd(["a", "b"] * 5 + [{"$type": "Error"}] + ["c"]) == {10: "x is Error, else a text"}


def test_a_move_in_an_unusual_direction_or_over_an_unusual_distance_stands_out() -> None:
    rising = [float(k) for k in range(30)]
    assert odd([*rising, 20.0]) == {30: "x fell, else it only rises"}
    assert odd([-value for value in rising] + [5.0]) == {30: "x rose, else it only falls"}
    assert odd([*rising, 1000.0]) == {30: "x moved 20 times further than usual"}
    assert odd([*rising, 30.0]) == {}
    assert odd([3, -4, 5, -2, 6, 1, -3, 2, -6, 4] * 3) == {}


def test_a_rare_line_and_a_rare_change_stand_out() -> None:
    values: list[object] = [...] * 40
    values[17] = "found"
    assert odd(values) == {17: "a change of x is rare here (1 of 40)"}
    loop = rounds_with([1] * 40)
    with_line = (*loop.rounds[:20], (*loop.rounds[20], Step(99, 3, ())), *loop.rounds[21:])
    assert odd_rounds(LineLoop(with_line), range(40), 5) == {20: "line 3 is rare here (1 of 40)"}


def test_few_rounds_are_not_compared_and_no_more_are_named_than_asked_for() -> None:
    assert odd([1, 2, None]) == {}
    values: list[object] = [*[1] * 20, None, *[1] * 20]
    assert odd_rounds(rounds_with(values), range(20), 5) == {}
    assert odd_rounds(rounds_with(values), range(41), 0) == {}


@given(
    st.lists(
        st.sampled_from([1, -1, 2.5, 10**400, True, None, {"$float": "nan"}, "a", [1], {"$type": "C"}, ...]),
        max_size=40,
    )
)
def test_rounds_with_any_values_can_be_compared(values: list[object]) -> None:
    assert len(odd(values)) <= 5
