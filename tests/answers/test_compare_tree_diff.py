"""Calls of two strands are aligned from the first difference between their trees on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from breadcrumb_server.answers.compare import tree_diff
from breadcrumb_server.answers.compare.limits import LIMITS
from breadcrumb_server.answers.compare.tree_diff import Pair, align, match
from breadcrumb_storage.queries.compare.aligned_calls import StrandCall

FIRST = 10  # the number of the first call from which on the trees of the strands differ


def strand(*names: str, parents: Sequence[int] | None = None) -> list[StrandCall]:
    """Make calls named ``f`` or ``f(1)``, each of 10 ns. Unless ``parents`` says otherwise, call 1 made them."""
    found: list[StrandCall] = []
    for index, text in enumerate(names):
        name, _, args = text.partition("(")
        n = FIRST + index
        parent = parents[index] if parents else 1
        found.append(StrandCall(1000 + n, n, parent, name, hash(args), 0, n * 10, n * 10 + 9))
    return found


def matched(base: list[StrandCall], this: list[StrandCall]) -> list[tuple[int | None, int | None]]:
    return [(one.n if one else None, other.n if other else None) for one, other in match(base, this)]


def test_all_other_calls_keep_their_partners_beside_a_lone_call() -> None:
    assert matched(strand("a", "b", "c"), strand("a", "x", "b", "c")) == [(10, 10), (None, 11), (11, 12), (12, 13)]
    assert matched(strand("a", "x", "b"), strand("a", "b")) == [(10, 10), (11, None), (12, 11)]


def test_arguments_decide_which_call_of_a_function_is_missing() -> None:
    assert matched(strand("f(1)", "f(2)", "f(3)"), strand("f(1)", "f(3)")) == [(10, 10), (11, None), (12, 11)]


def test_calls_of_one_function_with_other_arguments_are_partners() -> None:
    assert matched(strand("f(1)", "g"), strand("f(2)", "g")) == [(10, 10), (11, 11)]
    assert matched(strand("f(1)", "g", "h"), strand("f(2)", "h")) == [(10, 10), (11, None), (12, 11)]


def test_callees_of_partners_are_matched_too() -> None:
    base = strand("f", "deep(1)", "g", parents=[1, 10, 1])
    this = strand("x", "f", "deep(2)", "g", parents=[1, 1, 11, 1])
    found = align(base, this, more=False)
    assert sorted((pair.base.n, pair.this.n) for pair in found.pairs) == [(10, 11), (11, 12), (12, 13)]
    (lone,) = found.lone_calls
    assert (lone.call.name, lone.in_this, lone.parent) == ("x", True, 1)


def test_a_missing_call_has_the_time_of_the_call_made_instead() -> None:
    (lone,) = align(strand("a", "b"), strand("b"), more=False).lone_calls
    assert (lone.call.name, lone.in_this, lone.at_ns) == ("a", False, 99)
    (lone,) = align(strand("a"), [], more=False).lone_calls
    assert lone.at_ns is None  # at the end of its parent


def test_calls_whose_partners_may_follow_the_given_ones_are_not_reported() -> None:
    base, this = strand("a", "b", "c"), strand("a", "b")
    assert [each.call.name for each in align(base, this, more=False).lone_calls] == ["c"]
    assert align(base, this, more=True).lone_calls == []


def test_lone_calls_in_ended_calls_are_reported_even_if_more_calls_follow() -> None:
    base = strand("f", "deep", "g", parents=[1, 10, 1])
    this = strand("f", "g", parents=[1, 1])
    found = align(base, this, more=True)
    (lone,) = found.lone_calls
    assert lone.call.name == "deep" and isinstance(lone.parent, Pair)


def test_calls_that_occur_once_split_very_long_sequences_of_siblings(monkeypatch) -> None:
    names = [f"f({number})" for number in range(40)]
    this = [*names[:5], "f(99)", *names[5:20], *names[22:30], "g", "g", *names[30:]]
    expected = matched(strand(*names), strand(*this))
    monkeypatch.setattr(tree_diff, "LIMITS", replace(LIMITS, max_matched=20))
    assert matched(strand(*names), strand(*this)) == expected
    assert sum(None in pair for pair in expected) == 5
    # If a part has moved, the longer part keeps its partners.
    others = [f"g{number}" for number in range(40)]
    moved = [*others[30:], *others[:30]]
    kept = [pair for pair in matched(strand(*others), strand(*moved)) if None not in pair]
    assert kept == [(FIRST + number, FIRST + 10 + number) for number in range(30)]


def test_very_long_sequences_without_common_calls_are_listed_one_after_the_other(monkeypatch) -> None:
    monkeypatch.setattr(tree_diff, "LIMITS", replace(LIMITS, max_matched=3))
    assert matched(strand("a", "x", "x", "b"), strand("a", "y", "y", "b")) == [
        (10, 10), (11, None), (12, None), (None, 11), (None, 12), (13, 13),
    ]  # fmt: skip
