"""Calls are found by name and condition, and shown with their arguments and results."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from breadcrumb_server.answers.calls.answer import get_calls
from breadcrumb_server.answers.calls.table import COLUMNS
from breadcrumb_server.answers.common.budget import MAX_ANSWER_CHARS, size_of
from breadcrumb_storage.errors import BreadcrumbError

STARTED = datetime(2025, 1, 10, 12, 0, 0)


def ids(answer) -> list[int]:
    return [row[0] for row in answer.rows]


def test_a_call_is_shown_with_arguments_result_duration_caller_and_callees(project, shop) -> None:
    answer = get_calls(project.con, "shop", function="total")

    assert answer.functions == ["shop.pricing:total x2 shop/pricing.py:12"]
    assert answer.columns == ["call_id", "args", "result", "outcome", "ms", "callees"]
    assert answer.same == {"function": "shop.pricing:total", "caller": "shop.cart:checkout:33"}
    assert answer.rows[0] == [3, "items=[{'sku': 'b'}], rate=0.2", "1.2", "returned", 3.0, ""]
    assert answer.rows[1][2:] == ["KeyError: 'rate'", "raised", 4.0, "price x2"]
    one = get_calls(project.con, "shop", function="total", where={"call_id": 3})
    assert (one.columns, one.same, len(one.rows[0])) == (COLUMNS, {}, len(COLUMNS))
    assert answer.trace_id == shop.trace.trace_id


def test_one_call_is_shown_whole_and_a_page_of_several_says_how(project, shop) -> None:
    [page] = [get_calls(project.con, "shop", function="total")]
    [one] = get_calls(project.con, "shop", function="", where={"call_id": shop.failing}).rows

    assert "x" * 3_000 in str(one[2])
    assert "x" * 500 not in str(page.rows[1])
    assert page.notes == ['values were cut; where={"call_id": 5} shows that call whole']
    assert page.next == []  # the note says how to see one whole


@pytest.mark.parametrize(
    ("function", "found"),
    [
        ("tota", [3, 5]),
        ("shop.pricing.total", [3, 5]),
        ("shop.pricing:total", [3, 5]),
        ("shop.pricing:tota", []),
        ("shop.pricing", [3, 5, 6, 7]),
        ("pr*e", [6, 7]),
        ("shop.*", [2, 3, 4, 5, 6, 7]),
        ("*:?rice", [6, 7]),
        ("", [1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_a_function_is_named_by_a_substring_a_glob_or_in_full(project, shop, function, found) -> None:
    assert ids(get_calls(project.con, "shop", function=function)) == found


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"outcome": "raised"}, [1, 4, 5]),
        ({"min_ms": 4}, [1, 2, 4, 5]),
        ({"min_ms": "4.5"}, [1, 4]),
        ({"caller": "shop.cart:checkout"}, [3, 5]),
        ({"parent_call_id": 5}, [6, 7]),
        ({"call_id": 5}, [5]),
        ({"process_id": 1}, []),
        ({"thread": "MainThread", "outcome": "raised", "min_ms": 5}, [1, 4]),
        ({"thread": 7}, []),
        ({"max_ms": 3.5}, [3, 6, 7]),
        ({"min_ms": 3.5, "max_ms": 4}, [2, 5]),
        ({"exception": "KeyError"}, [1, 4, 5]),
        ({"exception": "Val*"}, []),
        ({"args.rate": None}, [5]),
        ({"args.rate": "null"}, [5]),
        ({"args.rate": 0.2}, [3]),
        ({"args.rate": "0.2"}, [3]),
        ({"args.order": 2}, [4]),
        ({"args.order": 2.0}, [4]),
        ({"args.items[0].sku": "b"}, [3]),
        ({"args.items": [{"sku": "b"}]}, [3]),
        ({"args.nothing": None}, []),
        ({"result": True}, [2]),
        ({"result": 1.2}, [3]),
        ({"args.rate": {">": 0.1}}, [3]),
        ({"args.rate": {">": 0.2}}, []),
        ({"args.rate": {">=": "0.2", "<": 1}}, [3]),
        ({"args.rate": {"!=": 0.2}}, [5]),
        ({"args.rate": {"!=": None}}, [3]),
        ({"args.rate": {"type": "NoneType"}}, [5]),
        ({"args.rate": {"type": "float"}}, [3]),
        ({"args.items": {"len": 1}}, [3, 5]),
        ({"args.items": {"len": 0}}, []),
        ({"args.items": {"contains": "xxx"}}, [5]),
        ({"args.items[0].sku": {">=": "b"}}, [3]),
        ({"args.items[0]": {"==": {"sku": "b"}}}, [3]),
        ({"args.nothing": {"!=": 1}}, []),
        ({"result": {"<=": 1.2}}, [3, 6, 7]),
        ({"result": {"type": "bool"}}, [2]),
        ({"contains": '"sku": "b"'}, [3]),
        ({"contains": "rate'"}, [1, 4, 5]),
    ],
)
def test_conditions_narrow_the_calls_and_all_must_hold(project, shop, where, found) -> None:
    answer = get_calls(project.con, "shop", function="", where=where)

    assert ids(answer) == found
    assert answer.total == len(found)


def test_a_text_is_found_however_it_was_escaped(project) -> None:
    trace = project.trace()
    trace.process()
    function = trace.function("f")
    trace.call(function, args='{"name": "Zo\\u00eb \\"Z\\""}')
    trace.call(function, args='{"name": "Zoë"}')

    assert ids(get_calls(project.con, "shop", function="f", where={"contains": "Zoë"})) == [1, 2]
    assert ids(get_calls(project.con, "shop", function="f", where={"contains": '"Z"'})) == [1]
    assert ids(get_calls(project.con, "shop", function="f", where={"args.name": "Zoë"})) == [2]


def test_arguments_that_are_not_json_meet_no_condition_and_are_shown(project) -> None:
    trace = project.trace()
    trace.process()
    trace.call(trace.function("f"), args="{broken")

    assert get_calls(project.con, "shop", function="f", where={"args.x": 1}).total == 0
    assert get_calls(project.con, "shop", function="f").rows[0][2] == "?={broken"


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"colour": "red"}, r"no key 'colour'.*\n.*outcome: one of returned, raised.*args\.NAME"),
        ({"outcome": "exploded"}, "returned, raised, cancelled, unfinished"),
        ({"rate": 0.2}, r"no key 'rate'.*\n.*An argument is args\.rate\."),
        ({"args.rate": {"$gt": 0.3}}, r"cannot be compared by \$gt.*\n.*\{\">\": 0\.3"),
        ({"args.rate": {">": None}}, "a number, or a text"),
        ({"args.rate": {">": True}}, "a number, or a text"),
        ({"args.rate": {">": 10**400}}, "a number that a float can hold"),
        ({"args.rate": {"len": -1}}, "a whole number"),
        ({"args.rate": {"len": 2**63}}, "a whole number"),
        ({"args.rate": {"type": None}}, "a type's name"),
        ({"min_ms": "slow"}, "a number"),
        ({"min_ms": True}, "a number"),
        ({"call_id": 1.5}, "a whole number"),
        ({"call_id": [1]}, "a whole number"),
        ({"contains": ""}, "a text"),
        ({"args.": 1}, "args.NAME"),
        ({'args.a"b': 1}, "args.NAME"),
    ],
)
def test_an_invalid_condition_is_refused_with_the_valid_ones(project, shop, where, says) -> None:
    with pytest.raises(BreadcrumbError, match=says):
        get_calls(project.con, "shop", function="total", where=where)


def test_an_include_pattern_is_proposed_for_a_function_that_was_not_traced(project, shop) -> None:
    shop.trace.gap("convert", "shop.currency", caller=shop.total, calls=7)

    answer = get_calls(project.con, "shop", function="convert")

    assert answer.rows == []
    assert "shop.currency:convert was called 7 times but not traced" in answer.message
    assert answer.next[0] == 'edit_config(project="shop", add_include=["shop.currency"])'


def test_a_c_function_is_reported_as_one(project, shop) -> None:
    shop.trace.gap("len", "builtins", kind="c", file="", calls=3)

    assert "cannot be traced: it is a C function" in get_calls(project.con, "shop", function="len").message


def test_for_a_misspelt_name_the_recorded_one_is_proposed(project, shop) -> None:
    answer = get_calls(project.con, "shop", function="chekout")

    assert "shop.cart:checkout" in answer.message
    assert 'function="shop.cart:checkout"' in answer.next[0]


def test_conditions_without_a_match_are_distinguished_from_an_unknown_name(project, shop) -> None:
    answer = get_calls(project.con, "shop", function="total", where={"args.rate": 9})

    assert answer.message == "2 calls of 'total' were recorded, and none matches where={\"args.rate\": 9}."
    assert answer.next == [f'get_calls(project="shop", function="total", trace_id="{shop.trace.trace_id}")']


def test_process_and_thread_are_columns_only_where_there_are_several(project, shop) -> None:
    assert not {"process", "thread"} & set(get_calls(project.con, "shop", function="total").columns)
    shop.trace.process(1, thread="worker")
    shop.trace.thread(1, "pool-1")

    answer = get_calls(project.con, "shop", function="total")

    assert (answer.same["process"], answer.same["thread"]) == (0, "MainThread")
    everything = get_calls(project.con, "shop", function="*", where={"call_id": 3})
    assert everything.columns == [*COLUMNS, "process", "thread"] and everything.rows[0][-2:] == [0, "MainThread"]


def test_an_unfinished_call_has_no_result_and_no_duration(project) -> None:
    trace = project.trace()
    trace.process()
    trace.call(trace.function("f"), ms=None)

    assert get_calls(project.con, "shop", function="f").rows[0][3:6] == ["", "unfinished", None]


def test_pages_hold_every_call_once_and_within_the_size(project) -> None:
    trace = project.trace()
    trace.process()
    function = trace.function("f")
    for number in range(90):
        trace.call(function, args={"n": number, "text": "é\x00" * 900})
    found, cursor = [], None
    while True:
        answer = get_calls(project.con, "shop", function="f", where={"outcome": "returned"}, limit=40, cursor=cursor)
        assert size_of(answer) <= MAX_ANSWER_CHARS
        assert answer.total == 90
        found += ids(answer)
        cursor = answer.next_cursor
        if cursor is None:
            break

    assert found == list(range(1, 91))


def test_a_cursor_of_another_query_and_an_invalid_one_are_refused(project, shop) -> None:
    cursor = get_calls(project.con, "shop", function="shop", limit=1).next_cursor

    with pytest.raises(BreadcrumbError, match="belongs to another query"):
        get_calls(project.con, "shop", function="total", cursor=cursor)
    with pytest.raises(BreadcrumbError, match="belongs to another query"):
        get_calls(project.con, "shop", function="shop", where={"outcome": "raised"}, cursor=cursor)
    for wrong in ("", "x", "é", "e30", json.dumps([1, 2, 3])):
        if wrong:
            with pytest.raises(BreadcrumbError, match="not a cursor"):
                get_calls(project.con, "shop", function="shop", cursor=wrong)


def test_the_task_of_a_call_is_shown_where_there_are_tasks(project) -> None:
    trace = project.trace()
    trace.process()
    fetch = trace.function("fetch")
    trace.task(1, "worker-1")
    trace.call(fetch, task_id=1)
    trace.call(fetch)
    answer = get_calls(project.con, "shop", function="fetch")
    assert answer.columns == ["call_id", "ms", "task"]
    assert answer.same == {"function": "shop.pricing:fetch", "result": "None", "outcome": "returned"}
    assert [row[-1] for row in answer.rows] == ["worker-1", ""]


def test_calls_that_were_recorded_late_are_named(project) -> None:
    trace = project.trace()
    trace.process()
    hot = trace.function("hot", started_count=500_000, exact=False)
    trace.call(hot)
    late = trace.call(hot, late=True)
    answer = get_calls(project.con, "shop", function="hot")
    assert answer.functions == ["shop.pricing:hot x2 of >=500,000 shop/pricing.py:1"]
    (note,) = answer.notes
    assert note.startswith(f"{late}: recorded only after the call had begun")


def test_calls_are_found_by_the_test_that_they_ran_under(project, shop) -> None:
    shop.trace.test("tests/test_shop.py::test_good[1]", 2, 3)
    shop.trace.test("tests/test_shop.py::test_bad", 4, None, "failed")
    every = get_calls(project.con, "shop", function="total")
    assert every.columns[-1] == "test"
    assert [row[-1] for row in every.rows] == ["tests/test_shop.py::test_good[1]", "tests/test_shop.py::test_bad"]
    assert get_calls(project.con, "shop", function="*").rows[0][-1] == ""

    one = get_calls(project.con, "shop", function="total", where={"test": "test_good"})
    assert (ids(one), one.columns) == ([3], COLUMNS)
    assert ids(get_calls(project.con, "shop", function="*", where={"test": "*::test_bad"})) == [4, 5, 6, 7]
    assert ids(
        get_calls(project.con, "shop", function="total", where={"test": "test_shop.py", "outcome": "raised"})
    ) == [5]


def test_calls_of_a_process_that_a_test_started_are_calls_of_that_test(project, shop) -> None:
    shop.trace.test("test_first", 2, 3)
    shop.trace.test("test_second", 4, 7)
    worker = {"process_id": 1, "started_at": STARTED + timedelta(milliseconds=22), "parent_process_id": 0}
    shop.trace.process(**worker)
    shop.trace.process(**{**worker, "process_id": 2, "parent_process_id": 1})
    for process in (1, 2):
        total = shop.trace.function("total", process_id=process)
        shop.trace.call(total, process_id=process, call_id=process * 1_000_000_000 + 1)
    found = get_calls(project.con, "shop", function="total", where={"test": "test_second"})
    assert ids(found) == [5, 1_000_000_001, 2_000_000_001]
    every = get_calls(project.con, "shop", function="total")
    assert [row[every.columns.index("test")] for row in every.rows] == ["test_first", *["test_second"] * 3]


def test_an_unknown_test_is_refused_with_the_known_ones(project, shop) -> None:
    with pytest.raises(BreadcrumbError, match="No test was seen"):
        get_calls(project.con, "shop", function="*", where={"test": "test_bad"})
    shop.trace.test("test_good", 2, 3)
    shop.trace.test("test_bad", 4, 7, "failed")
    with pytest.raises(BreadcrumbError) as refused:
        get_calls(project.con, "shop", function="*", where={"test": "test_ugly"})
    assert "test_bad, test_good" in str(refused.value)


def test_arguments_that_are_equal_in_all_rows_leave_their_room_to_the_others(project) -> None:
    trace = project.trace()
    trace.process()
    function = trace.function("Cell.__init__", "book.cell")
    sheet = {"$type": "Worksheet", "title": "x" * 1_500}
    for number in range(30):
        style = {"$type": "Style", "items": [0] * 12 + [number]}
        trace.call(function, args={"self": {"$type": "Cell", "id": f"{number} " * 40}, "sheet": sheet, "style": style})
    page = get_calls(project.con, "shop", function="Cell.__init__", limit=30)
    rows = [str(row[page.columns.index("args")]) for row in page.rows]
    assert all(f"style=Style([{'0, ' * 12}{number}])" in text for number, text in enumerate(rows))
    assert all(text.startswith("self=Cell(") and "sheet" not in text for text in rows)
    assert max(map(len, rows)) < 140
    assert str(page.same["args.sheet"]).startswith("Worksheet(title='xxx") and len(str(page.same["args.sheet"])) <= 300
    assert any("values were cut" in note for note in page.notes)
    alone = get_calls(project.con, "shop", function="Cell.__init__", where={"call_id": 3})
    assert "x" * 1_500 in str(alone.rows[0])


def test_the_result_of_a_generator_includes_the_values_it_yielded(project) -> None:
    trace = project.trace()
    trace.process()
    numbers = trace.function("numbers", kind="generator")
    few, many, _ = (trace.call(numbers, args={"n": n}, returns="done" if n == 2 else None) for n in (2, 30, 0))
    trace.yields(few, 1, [2])
    trace.yields(many, *range(20), count=30)

    answer = get_calls(project.con, "shop", function="numbers")

    assert [row[answer.columns.index("result")] for row in answer.rows] == [
        "yielded [1, [2]], returned 'done'",
        f"yielded [{', '.join(map(str, range(20)))}, … 30 in all]",
        "yielded nothing",
    ]


def test_values_are_found_as_answers_show_them(project) -> None:
    trace = project.trace()
    trace.process()
    cache = {"$type": "Cache", "items": {"a": None}, "count": 0, "full": False}
    call = trace.call(trace.function("flush"), args={"self": cache})
    trace.call(trace.function("flush"), args={"self": {**cache, "count": 1}})
    for contains in ("count=0", "items={'a': None}, count=0, full=False", "full=False"):
        found = get_calls(project.con, "shop", function="flush", where={"contains": contains}).rows
        assert call in [row[0] for row in found], contains
    assert [row[0] for row in get_calls(project.con, "shop", function="flush", where={"contains": "count=0"}).rows] == [
        call
    ]
