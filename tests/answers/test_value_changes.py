"""The change of a value is shown as the part that differs, if that is shorter."""

from __future__ import annotations

from typing import Any

import pytest

from breadcrumb_server.answers.lines.bindings import LineBindings
from breadcrumb_server.answers.lines.changes import concerns, differences


def changes_where(bound: LineBindings, before: object, after: object) -> list[str]:
    return [f"{each.path}={each.shown}" for each in differences({"x": before}, {"x": after}, bound)]


def changes_between(before: object, after: object) -> list[str]:
    return changes_where(LineBindings(), before, after)


CART: dict[str, Any] = {
    "$type": "Cart",
    "items": ["tea", "a pot of clay"],
    "total": 12.5,
    "owner": {"$type": "User", "name": "alice"},
}

DEQUE = {"$type": "deque", "items": [6, 7, 8, 5]}
DEQUE_OF_9 = {"$type": "deque", "items": [6, 9, 8, 5]}
QUEUE = {
    "$type": "State",
    "buffer": DEQUE,
    "waiting": {"$type": "OrderedDict", '$key:{"$type": "Event", "n": 1}': None},
    "limit": 100,
}


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
        ({"a": 1, "…": "+9 items"}, {"a": 2, "…": "+9 items"}, ["x['a']=2"]),
        ({"$key:1": 1, "$key:2": 2, "b": 3}, {"$key:1": 1, "$key:2": 5, "b": 3}, ["x[2]=5"]),
        ({"$type": "OrderedDict", "a": 1, "b": 2}, {"$type": "OrderedDict", "a": 7, "b": 2}, ["x['a']=7"]),
        (QUEUE, {**QUEUE, "buffer": DEQUE_OF_9}, ["x.buffer[1]=9"]),
        (QUEUE, {**QUEUE, "buffer": {"$type": "deque", "items": [9, 5]}}, ["x.buffer=deque([9, 5])"]),
        (QUEUE, {**QUEUE, "waiting": {"$type": "OrderedDict"}}, ["x.waiting[Event(n=1)]=<deleted>"]),
        ({"$type": "Style", "items": [1, 2, 3]}, {"$type": "Style", "items": [1, 2, 4]}, ["x[2]=4"]),
        ({"$type": "Style", "items": [1]}, {"$type": "Array", "items": [2]}, ["x=Array([2])"]),
    ],
)  # fmt: skip
def test_a_part_is_shown_if_it_is_shorter_than_the_whole(before, after, changes) -> None:
    assert changes_between(before, after) == changes


def test_a_variable_that_is_new_or_deleted_is_shown_whole() -> None:
    new, deleted = differences({"b": 1}, {"a": [1, 2], "b": {"$deleted": True}})
    assert (new.path, str(new.shown)) == ("a", "[1, 2]")
    assert (deleted.path, str(deleted.shown)) == ("b", "<deleted>")


def test_a_change_concerns_its_containers_and_its_parts() -> None:
    (change,) = differences({"self": CART}, {"self": {**CART, "total": 1}})
    assert [name for name in ("self", "self.total", "self.items", "total", "sel") if concerns(change, name)] == [
        "self",
        "self.total",
    ]
    (whole,) = differences({}, {"self": CART})
    assert concerns(whole, "self.total")


# The sheet of a cell as the tracer records it, and cut shorter because the cell has one more field.
SHEET = {"$type": "Sheet", "title": "a long title", "rows": [1, 2, 3], "cells": {"A1": "first", "…": "+8 items"}}
LESS_OF_SHEET = {"$type": "Sheet", "title": "a lo…(+8 chars)", "rows": [1, "…(+2 items)"], "…": "+1 items"}


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ({"parent": SHEET}, {"parent": LESS_OF_SHEET, "style": [0, 1]}, ["x.style=[0, 1]"]),
        ({"parent": LESS_OF_SHEET, "style": [0, 1]}, {"parent": SHEET}, ["x.style=<deleted>"]),
        ({"parent": SHEET, "n": 1}, {"parent": {**LESS_OF_SHEET, "title": "a la…(+8 chars)"}, "n": 1},
         ["x.parent.title='a la…(+8 chars)'"]),
        ({"parent": SHEET, "n": 1, "…": "+1 items"}, {"parent": SHEET, "n": 2, "…": "+1 items"}, ["x.n=2"]),
        # m may have existed before.
        ({"parent": SHEET, "n": 1, "…": "+1 items"}, {"parent": SHEET, "n": 2, "m": 3}, ["x.n=2"]),
    ],
)  # fmt: skip
def test_a_different_cut_of_a_part_is_no_change(before, after, changes) -> None:
    assert changes_between({"$type": "Cell", **before}, {"$type": "Cell", **after}) == changes


def bound(*paths: str, items_is_field: bool = False) -> LineBindings:
    return LineBindings(frozenset(paths), items_is_field)


def test_a_name_that_the_line_binds_is_shown_with_its_whole_value() -> None:
    style = {"$type": "Style", "items": [0, 0, 0]}
    other = {"$type": "Style", "items": [0, 0, 2]}
    assert changes_where(bound(), style, other) == ["x[2]=2"]
    assert changes_where(bound("x"), style, other) == ["x=Style([0, 0, 2])"]
    cell, other_cell = {"$type": "Cell", "row": 1, "style": style}, {"$type": "Cell", "row": 1, "style": other}
    assert changes_where(bound("x.style"), cell, other_cell) == ["x.style=Style([0, 0, 2])"]
    assert changes_where(bound("x[]"), {"a": style, "b": 1}, {"a": other, "b": 1}) == ["x['a']=Style([0, 0, 2])"]


def test_a_bound_attribute_that_was_not_recorded_is_marked() -> None:
    before = {"$type": "Cell", "parent": SHEET}
    after = {"$type": "Cell", "parent": LESS_OF_SHEET, "…": "+1 items"}
    assert changes_where(bound("x.row", "y"), before, after) == ["x.row=…(beyond what is recorded)"]


def test_a_field_called_items_is_distinguished_from_a_subclass_of_list_by_the_source() -> None:
    cart, more = {"$type": "Cart", "items": ["a pot"]}, {"$type": "Cart", "items": ["a pot", "tea"]}
    assert changes_where(bound(), cart, more) == ["x[1]='tea'"]
    assert changes_where(bound(items_is_field=True), cart, more) == ["x.items[1]='tea'"]
    assert changes_where(bound(items_is_field=True), DEQUE, DEQUE_OF_9) == ["x[1]=9"]
