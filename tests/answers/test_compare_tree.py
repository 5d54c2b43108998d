"""How the calls of two strands are paired up from the place on where their trees part."""

from __future__ import annotations

from collections.abc import Sequence

from breadcrumb_server.answers.compare import tree_diff as compare_tree
from breadcrumb_server.answers.compare.tree_diff import Pair, align, match
from breadcrumb_storage.queries.compare.aligned_calls import StrandCall

FIRST = 10  # the strands are the same up to here: call 10 is the first that is not


def strand(*names: str, parents: Sequence[int] | None = None) -> list[StrandCall]:
    """Calls named ``f`` or ``f(1)``, by default all made by call 1, which is open; each takes 10 ns."""
    found: list[StrandCall] = []
    for index, text in enumerate(names):
        name, _, args = text.partition("(")
        n = FIRST + index
        parent = parents[index] if parents else 1
        found.append(StrandCall(1000 + n, n, parent, name, hash(args), 0, n * 10, n * 10 + 9))
    return found


def told(base: list[StrandCall], this: list[StrandCall]) -> list[tuple[int | None, int | None]]:
    return [(one.n if one else None, other.n if other else None) for one, other in match(base, this)]


def test_a_call_that_one_side_has_more_leaves_all_others_in_place() -> None:
    assert told(strand("a", "b", "c"), strand("a", "x", "b", "c")) == [(10, 10), (None, 11), (11, 12), (12, 13)]
    assert told(strand("a", "x", "b"), strand("a", "b")) == [(10, 10), (11, None), (12, 11)]


def test_of_equal_functions_the_arguments_say_which_one_is_missing() -> None:
    assert told(strand("f(1)", "f(2)", "f(3)"), strand("f(1)", "f(3)")) == [(10, 10), (11, None), (12, 11)]


def test_calls_of_one_function_with_other_arguments_are_partners() -> None:
    assert told(strand("f(1)", "g"), strand("f(2)", "g")) == [(10, 10), (11, 11)]
    assert told(strand("f(1)", "g", "h"), strand("f(2)", "h")) == [(10, 10), (11, None), (12, 11)]


def test_what_is_called_below_partners_is_paired_up_too() -> None:
    base = strand("f", "deep(1)", "g", parents=[1, 10, 1])
    this = strand("x", "f", "deep(2)", "g", parents=[1, 1, 11, 1])
    found = align(base, this, cut=False)
    assert sorted((pair.base.n, pair.this.n) for pair in found.pairs) == [(10, 11), (11, 12), (12, 13)]
    (alone,) = found.alone
    assert (alone.call.name, alone.in_this, alone.parent) == ("x", True, 1)


def test_a_missing_call_counts_from_the_call_that_was_made_instead_of_it() -> None:
    (alone,) = align(strand("a", "b"), strand("b"), cut=False).alone
    assert (alone.call.name, alone.in_this, alone.at_ns) == ("a", False, 99)
    (alone,) = align(strand("a"), [], cut=False).alone
    assert alone.at_ns is None  # at the end of what stands around it


def test_what_may_have_its_partner_behind_the_end_is_not_told_as_missing() -> None:
    base, this = strand("a", "b", "c"), strand("a", "b")
    assert [each.call.name for each in align(base, this, cut=False).alone] == ["c"]
    assert align(base, this, cut=True).alone == []


def test_of_calls_that_have_ended_all_is_told_even_when_more_follows() -> None:
    base = strand("f", "deep", "g", parents=[1, 10, 1])
    this = strand("f", "g", parents=[1, 1])
    found = align(base, this, cut=True)
    (alone,) = found.alone
    assert alone.call.name == "deep" and isinstance(alone.parent, Pair)


def test_of_very_long_siblings_those_that_occur_once_keep_the_others_in_place(monkeypatch) -> None:
    names = [f"f({number})" for number in range(40)]
    this = [*names[:5], "f(99)", *names[5:20], *names[22:30], "g", "g", *names[30:]]
    expected = told(strand(*names), strand(*this))
    monkeypatch.setattr(compare_tree, "MAX_MATCHED", 20)
    assert told(strand(*names), strand(*this)) == expected
    assert sum(None in pair for pair in expected) == 5
    # What moved is not in the same order in both: the longer part stays.
    others = [f"g{number}" for number in range(40)]
    moved = [*others[30:], *others[:30]]
    kept = [pair for pair in told(strand(*others), strand(*moved)) if None not in pair]
    assert kept == [(FIRST + number, FIRST + 10 + number) for number in range(30)]


def test_very_long_siblings_that_have_nothing_in_common_are_told_one_side_after_the_other(monkeypatch) -> None:
    monkeypatch.setattr(compare_tree, "MAX_MATCHED", 3)
    assert told(strand("a", "x", "x", "b"), strand("a", "y", "y", "b")) == [
        (10, 10), (11, None), (12, None), (None, 11), (None, 12), (13, 13),
    ]  # fmt: skip
