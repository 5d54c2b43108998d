"""The call tree as text: in order, folded, by thread and task."""

from __future__ import annotations

import pytest

from breadcrumb_server.answers.fit import MAX_ANSWER_CHARS, size_of
from breadcrumb_server.answers.flow import get_flow
from breadcrumb_storage.errors import BreadcrumbError


@pytest.fixture
def trace(project):
    trace = project.trace()
    trace.process()
    return trace


def test_calls_stand_in_their_order_with_arguments_results_and_times(project, trace) -> None:
    main, load, save = (trace.function(name) for name in ("main", "load", "save"))
    outer = trace.call(main, ms=10, child_ns=3_000_000, returns=0)
    first = trace.call(load, outer, args={"path": "a"}, returns=[1], ms=1)
    second = trace.call(save, outer, args={"rows": [1]}, ms=1.5)
    third = trace.call(load, outer, args={"path": "b"}, returns=[2], ms=0.5)
    answer = get_flow(project.con, "shop")
    assert answer.lines == [
        f"shop.pricing:main() -> 0  10.0 ms  #{outer}",
        f"  load(path='a') -> [1]  1.0 ms  #{first}",
        f"  save(rows=[1]) -> None  1.5 ms  #{second}",
        f"  load(path='b') -> [2]  0.5 ms  #{third}",
    ]
    assert (answer.calls, answer.recorded, answer.next_cursor) == (4, 4, None)


def test_calls_that_follow_each_other_are_folded_and_so_is_what_they_called(project, trace) -> None:
    main, total, price = (trace.function(name) for name in ("main", "total", "price"))
    outer = trace.call(main, ms=100, child_ns=50_000_000)
    for number in range(5):
        one = trace.call(total, outer, ms=1 + number / 10, child_ns=300_000)
        for _ in range(3):
            trace.call(price, one, ms=0.1)
    lines = get_flow(project.con, "shop").lines
    assert lines == [
        f"shop.pricing:main() -> None  100 ms  #{outer}",
        "  total x5  1.0-1.4 ms, 6.0 ms in all  #2",
        "    price x15  0.1 ms  #3",
    ]


def test_a_loop_over_several_functions_is_folded_by_function_once_it_is_long(project, trace) -> None:
    main, read, write = (trace.function(name) for name in ("main", "read", "write"))
    outer = trace.call(main, ms=100, child_ns=50_000_000)
    for _ in range(100):
        trace.call(read, outer, ms=0.2)
        trace.call(write, outer, ms=0.3)
    lines = get_flow(project.con, "shop").lines
    assert [line.split("  #")[0] for line in lines[1:]] == [
        "  read x100  0.2 ms", "  write x100  0.3 ms",
    ]  # fmt: skip


def test_what_raised_and_what_had_not_ended_is_marked(project, trace) -> None:
    main, parse = trace.function("main"), trace.function("parse")
    outer = trace.call(main, ms=None)
    raised = trace.exception("ValueError", "no number")
    bad = trace.call(parse, outer, args={"text": "x"}, raises=raised)
    trace.call(main, outer, ms=None)
    for number in range(3):
        trace.call(parse, outer, raises=raised if number == 1 else None)
    lines = get_flow(project.con, "shop").lines
    assert lines[0] == f"shop.pricing:main()  unfinished  #{outer}"
    assert lines[1] == f"  parse(text='x') !! ValueError: no number  1.0 ms  #{bad}"
    assert lines[3].startswith("  parse x3  1.0 ms  !! raised 1")


def test_threads_and_tasks_have_a_heading_each(project, trace) -> None:
    trace.thread(1, "worker")
    trace.task(7, "Task-7")
    main, work = trace.function("main"), trace.function("work")
    trace.call(main)
    trace.call(work, thread_id=1)
    trace.call(work, task_id=7)
    lines = get_flow(project.con, "shop").lines
    assert [line for line in lines if line.endswith(":")] == ["MainThread:", "worker:", "MainThread, task Task-7:"]
    assert lines[1].startswith("  shop.pricing:main()")


def test_what_is_deeper_is_marked_and_reached_by_the_next_call(project, trace) -> None:
    calls = [None]
    for number in range(6):
        calls.append(trace.call(trace.function(f"f{number}"), calls[-1], ms=10 - number, child_ns=1_000_000))
    answer = get_flow(project.con, "shop", max_depth=3)
    assert len(answer.lines) == 3 and answer.lines[-1].endswith("…")
    assert answer.next == [f'get_flow(project="shop", trace_id="{trace.trace_id}", root_call_id={calls[3]})']
    deeper = get_flow(project.con, "shop", root_call_id=calls[3])
    assert [line.split("(")[0].strip() for line in deeper.lines] == ["shop.pricing:f2", "f3", "f4", "f5"]


def test_a_function_is_shown_from_its_outermost_calls_on(project, trace) -> None:
    main, fib = trace.function("main"), trace.function("fib")
    outer = trace.call(main, child_ns=1)
    first = trace.call(fib, outer, args={"n": 2}, child_ns=1)
    trace.call(fib, first, args={"n": 1})
    trace.call(fib, first, args={"n": 0})
    lines = get_flow(project.con, "shop", function="fib").lines
    assert lines[0].startswith("shop.pricing:fib(n=2)")
    assert lines[1].startswith("  fib x2")


def test_pages_go_on_where_the_last_one_ended_and_stay_within_the_size(project, trace) -> None:
    outer = trace.call(trace.function("main"), ms=1000, child_ns=1)
    for number in range(24):
        inner = trace.call(trace.function(f"middle_{number}"), outer, args={"text": "x" * 200}, child_ns=1)
        for deep in range(10):
            trace.call(trace.function(f"function_{number}_{deep}"), inner, args={"text": "y" * 200}, returns="z" * 200)
    lines, cursor = [], None
    while True:
        page = get_flow(project.con, "shop", cursor=cursor)
        assert size_of(page) <= MAX_ANSWER_CHARS
        lines += page.lines
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(lines) == len(set(lines)) == 1 + 24 + 240


@pytest.mark.parametrize("max_depth", [0, 13])
def test_a_depth_beyond_the_limits_is_refused(project, trace, max_depth) -> None:
    with pytest.raises(BreadcrumbError, match="max_depth"):
        get_flow(project.con, "shop", max_depth=max_depth)


def test_nothing_found_says_so_and_what_to_try(project, trace) -> None:
    trace.call(trace.function("total"))
    assert "no recorded call 99" in get_flow(project.con, "shop", root_call_id=99).message
    answer = get_flow(project.con, "shop", function="totl")
    assert "shop.pricing:total" in answer.message
