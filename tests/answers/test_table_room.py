"""Rows of calls show whole values while there is room, and the fields that say most where there is not."""

from __future__ import annotations

from typing import Any

from breadcrumb_server.answers.calls.answer import get_calls

STATE = {"$type": "State", "adding": False, "db": "default", "fields_cache": {"tags": "x" * 10}}


def model(number: int, title: str) -> dict[str, object]:
    return {"$type": "Model", "_state": STATE, "id": number, "title": title}


def rows(project, *calls: dict[str, Any], name: str = "available") -> list[str]:
    """Return the arguments in the rows of these calls, and then those that are the same in all."""
    trace = project.trace()
    function = trace.function(name)
    for args in calls:
        trace.call(function, args=args)
    answer = get_calls(project.con, "shop", function=name)
    same = [f"{key}={value}" for key, value in answer.same.items() if key.startswith("args.")]
    return [*(str(row[answer.columns.index("args")]) for row in answer.rows), *same]


def test_objects_that_differ_are_shown_whole_while_there_is_room(project) -> None:
    shown = rows(project, *({"book": model(n, f"Title {n}")} for n in range(5)))
    assert all(f"id={n}, title='Title {n}')" in text and "fields_cache" in text for n, text in enumerate(shown))


def test_an_object_that_is_equal_in_all_calls_is_shown_once(project) -> None:
    *shown, same = rows(project, *({"book": model(7, "Dune"), "on": n} for n in range(5)))
    assert shown == [f"on={n}" for n in range(5)]
    assert same.startswith("args.book=Model(") and "fields_cache" in same and same.endswith("id=7, title='Dune')")


def test_of_self_the_fields_that_differ_are_shown_first(project) -> None:
    selves = [{"$type": "Cart", "owner": "ann of the shop", "notes": "y" * 40, "step": n} for n in range(4)]
    shown = rows(project, *({"self": each, "n": 1} for each in selves), name="Cart.add")
    assert shown == [*(f"self=Cart(step={n}, …(+2 fields))" for n in range(4)), "args.n=1"]


def test_where_room_is_short_the_differing_fields_of_a_large_object_stay(project) -> None:
    big = {f"field_{n}": "z" * 30 for n in range(60)}
    shown = rows(project, *({"item": {"$type": "Item", **big, "last": n}} for n in range(15)))
    assert all(f"last={n}, …(+" in text for n, text in enumerate(shown))
