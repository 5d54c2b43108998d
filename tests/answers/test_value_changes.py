"""What differs between two values is told as the part that differs, where that is shorter."""

from __future__ import annotations

import pytest

from breadcrumb_server.answers.value_changes import differences, is_of


def told(before: object, after: object) -> list[str]:
    return [f"{each.path}={each.text}" for each in differences({"x": before}, {"x": after})]


CART = {"$type": "Cart", "items": ["tea", "a pot of clay"], "total": 12.5, "owner": {"$type": "User", "name": "alice"}}


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (1, 2, ["x=2"]),
        (1, True, ["x=True"]),
        ("a", None, ["x=None"]),
        ([1], [1, 2], ["x[1]=2"]),
        (["aaaaa", "bbbbb"], ["aaaaa", "bbbbb", "c", "d"], ["x[2:]=['c', 'd']"]),
        (["aaaaa", "bbbbb"], ["aaaaa", "ccccc"], ["x[1]='ccccc'"]),
        (["aaaaa", "bbbbb", "ccccc"], ["aaaaa", "bbbbb"], ["len(x)=2"]),
        (["aaaaa", "…(+5 items)"], ["aaaaa", "…(+6 items)"], ["len(x)=7"]),
        (["aaaaa", "…(+5 items)"], ["aaaaa"], ["len(x)=1"]),
        (["aaaaa", "bbbbb"], ["bbbbb"], ["x=['bbbbb']"]),
        ([], [1], ["x=[1]"]),
        ({"tea": 1}, {"tea": 1, "pot": 2}, ["x['pot']=2"]),
        ({"tea": "green", "pot": 2, "cup": 3}, {"tea": "green", "cup": 3}, ["x['pot']=<deleted>"]),
        (CART, {**CART, "total": 13}, ["x.total=13"]),
        (CART, {**CART, "items": [*CART["items"], "cup"], "total": 0}, ["x.items[2]='cup'", "x.total=0"]),
        (CART, {**CART, "owner": {"$type": "User", "name": "bob"}}, ["x.owner.name='bob'"]),
        ({"$type": "Cart", "n": 1}, {"$type": "Basket", "n": 1}, ["x=Basket(n=1)"]),
        ({"$tuple": [1, 2, 3]}, {"$tuple": [1, 2, 4]}, ["x=(1, 2, 4)"]),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, {"a": 2, "b": 2, "c": 2, "d": 2}, ["x={'a': 2, 'b': 2, 'c': 2, 'd': 2}"]),
        ({"a": 1, "…": "+9 items"}, {"a": 2, "…": "+9 items"}, ["x={'a': 2, …(+9 items)}"]),
    ],
)  # fmt: skip
def test_a_part_is_told_where_it_is_shorter_than_the_whole(before, after, changes) -> None:
    assert told(before, after) == changes


def test_a_variable_that_is_new_or_gone_is_told_whole() -> None:
    new, gone = differences({"b": 1}, {"a": [1, 2], "b": {"$deleted": True}})
    assert (new.path, new.text) == ("a", "[1, 2]")
    assert (gone.path, gone.text) == ("b", "<deleted>")


def test_a_change_belongs_to_what_it_is_in_and_to_what_is_in_it() -> None:
    (change,) = differences({"self": CART}, {"self": {**CART, "total": 1}})
    assert [name for name in ("self", "self.total", "self.items", "total", "sel") if is_of(change, name)] == [
        "self",
        "self.total",
    ]
    (whole,) = differences({}, {"self": CART})
    assert is_of(whole, "self.total")
