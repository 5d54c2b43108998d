"""The call tree as text: in order, with equal calls folded, by thread and task, around a call or a moment."""

from __future__ import annotations

import random
import re

import pytest

from breadcrumb_server.answers.common.budget import DEFAULT_ANSWER_CHARS, MAX_ANSWER_CHARS, size_of
from breadcrumb_server.answers.flow.answer import Flow, FlowView
from breadcrumb_server.answers.flow.answer import get_flow as build_flow
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.flow import arguments as flow_arguments
from breadcrumb_storage.queries.flow import calls as flow_calls
from breadcrumb_storage.queries.flow import totals as totals


@pytest.fixture
def trace(project):
    trace = project.trace()
    trace.process()
    return trace


@pytest.fixture
def get_flow(project):
    def get(cursor: str | None = None, max_depth: int | None = None, **view) -> Flow:
        return build_flow(project.con, "shop", view=FlowView(**view), max_depth=max_depth, cursor=cursor)

    return get


@pytest.fixture
def as_totals(monkeypatch):
    """Pretend that there are too many calls to fetch."""
    monkeypatch.setattr(flow_calls, "MAX_CALLS", 0)
    monkeypatch.setattr(flow_calls, "_MAX_ROOTS", 0)


def test_calls_are_in_order_with_arguments_results_and_times(get_flow, trace) -> None:
    main, load, save = (trace.function(name) for name in ("main", "load", "save"))
    outer = trace.call(main, ms=10, child_ns=3_000_000, returns=0)
    first = trace.call(load, outer, args={"path": "a"}, returns=[1], ms=1)
    second = trace.call(save, outer, args={"rows": [1], "text": "x" * 500}, ms=1.5)
    third = trace.call(trace.function("load", "shop.disk"), outer, args={"path": "b"}, returns=[2], ms=0.5)
    answer = get_flow()
    assert answer.lines == [
        f"shop.pricing:main() -> 0  10.0 ms  #{outer}",
        f"  load(path='a') -> [1]  1.0 ms  #{first}",
        f"  save(rows=[1], text='{'x' * 121}…) -> None  1.5 ms  #{second}",
        f"  shop.disk:load(path='b') -> [2]  0.5 ms  #{third}",
    ]
    assert (answer.calls, answer.recorded, answer.next_cursor) == (4, 4, None)


def test_equal_calls_are_folded_with_their_callees(get_flow, trace) -> None:
    main, total, price = (trace.function(name) for name in ("main", "total", "price"))
    outer = trace.call(main, ms=100, child_ns=50_000_000)
    for number in range(7):
        one = trace.call(total, outer, args={"n": number}, returns=number, ms=1 + number / 10, child_ns=300_000)
        for _ in range(4 + number):
            trace.call(price, one, ms=0.1)
    assert get_flow().lines == [
        f"shop.pricing:main() -> None  100 ms  #{outer}",
        "  total x7  (n=0) -> 0 … (n=6) -> 6  1.0-1.6 ms, 9.1 in all  #2..47",
        "    price x49  -> None  0.1 ms, 4.9 in all  #3..57",
    ]


def with_imports(trace) -> tuple[int, int, int]:
    """Record a script that imports a package, whose import makes many calls, and then calls one of its functions."""
    script = trace.call(trace.function("<module>", "__main__"), ms=900)
    package = trace.call(trace.function("<module>", "shop"), script, ms=800, child_ns=1)
    inner = trace.call(trace.function("<module>", "shop.pricing"), package, ms=700, child_ns=1)
    for number in range(100):
        trace.call(trace.function(f"decorate_{number}"), inner, ms=5)
    trace.call(trace.function("total"), script, args={"n": 3}, returns=6, ms=1)
    return script, package, inner


@pytest.mark.parametrize("totals_only", [False, True])
def test_an_import_is_one_line_unless_it_is_asked_for(
    get_flow, trace, totals_only, request: pytest.FixtureRequest
) -> None:
    script, package, inner = with_imports(trace)
    if totals_only:
        request.getfixturevalue("as_totals")
    answer = get_flow()
    assert answer.lines == [
        f"__main__:<module>  900 ms  #{script}",
        f"  shop:<module>  800 ms  #{package}  …",
        f"  shop.pricing:total(n=3) -> 6  1.0 ms  #{inner + 101}",
    ]
    assert answer.calls == 104
    assert not [each for each in answer.next if "root_call_id" in each]
    assert get_flow(root_call_id=inner).lines[:2] == [
        f"shop.pricing:<module>  700 ms  #{inner}",
        f"  decorate_0() -> None  5.0 ms  #{inner + 1}",
    ]
    assert get_flow(function="shop:<module>").lines[2] == f"    decorate_0() -> None  5.0 ms  #{inner + 1}"
    assert len(get_flow(around_call_id=inner + 50).lines) > 10


def test_an_import_that_failed_or_is_the_only_call_is_shown_with_its_callees(get_flow, trace) -> None:
    script = trace.call(trace.function("<module>", "__main__"), ms=900)
    module = trace.call(trace.function("<module>", "shop"), script, ms=800, child_ns=1)
    loaded = trace.call(trace.function("load"), module, ms=1)
    assert get_flow().lines[2] == f"    shop.pricing:load() -> None  1.0 ms  #{loaded}"
    trace.call(trace.function("main"), script, ms=1)
    assert get_flow().lines[1] == f"  shop:<module>  800 ms  #{module}  …"
    failed = trace.call(trace.function("<module>", "tax"), script, ms=1, child_ns=1, outcome=1)
    parsed = trace.call(trace.function("parse"), failed, ms=1)
    assert get_flow().lines[-1] == f"    shop.pricing:parse() -> None  1.0 ms  #{parsed}"


def test_the_body_of_a_class_is_not_shown_as_a_call(get_flow, trace) -> None:
    script = trace.call(trace.function("<module>", "__main__", kind="module"), ms=900)
    body = trace.call(trace.function("Cart", "__main__", kind="class"), script, ms=1)
    assert get_flow().lines[1] == f"  class Cart  1.0 ms  #{body}"


def test_a_rare_result_is_shown_with_its_call(get_flow, trace) -> None:
    outer = trace.call(trace.function("main"), ms=100)
    check = trace.function("check")
    calls = [trace.call(check, outer, args={"n": n}, returns=None if n == 7 else True, ms=1) for n in range(20)]
    answer = get_flow()
    assert answer.lines[1] == (
        f"  check x20  (n=0) … (n=7) -> True x19, None x1 (#{calls[7]})  1.0 ms, 20.0 in all  #{calls[0]}..{calls[-1]}"
    )
    assert answer.next == [
        f'show(project="shop", what=["shop.pricing:check"], call_id={calls[7]}, trace_id="{trace.trace_id}")'
    ]


@pytest.mark.parametrize(("exit_code", "names"), [(0, []), (3, ["__main__:<module>"])])
def test_the_exit_of_a_program_is_looked_into_only_if_it_failed(get_flow, project, exit_code, names) -> None:
    trace = project.trace(exit_code=exit_code)
    trace.process()
    error = trace.exception("SystemExit", str(exit_code))
    body = trace.call(trace.function("<module>", "__main__", kind="module"), ms=100, raises=error)
    rate = trace.function("rate")
    for number in range(3):
        trace.call(rate, body, args={"kind": number}, returns=number)
    assert re.findall(r'what=\["(.*?)"\]', "".join(get_flow().next)) == names


def test_a_rare_argument_is_shown_with_its_call(get_flow, trace) -> None:
    outer = trace.call(trace.function("main"), ms=100)
    total = trace.function("total")
    calls = [
        trace.call(total, outer, args={"n": n, "rate": None if n == 13 else 0.2, "kind": "ab"[n % 2]}, returns=n, ms=1)
        for n in range(20)
    ]
    answer = get_flow()
    assert answer.lines[1] == (
        f"  total x20  (n=0, rate=0.2, kind='a') -> 0 … (n=19, rate=0.2, kind='b') -> 19  "
        f"rate=0.2 x19, None x1 (#{calls[13]})  1.0 ms, 20.0 in all  #{calls[0]}..{calls[-1]}"
    )
    assert f"call_id={calls[13]}," in answer.next[0]


def parser(trace, caught_by: dict[int, str], calls: int) -> list[int]:
    """Record calls of ``optional`` that call ``parse``. Those in ``caught_by`` catch an exception of that type."""
    outer = trace.call(trace.function("main"), at_ms=0, ms=1_000, child_ns=1)
    optional, parse = trace.function("optional"), trace.function("parse")
    steps = [trace.function(f"step_{number}") for number in range(4)]
    ids = []
    some = random.Random(7)  # calls of different shapes can only be folded by function
    for number in range(calls):
        at = 10 * number + 1
        ids.append(trace.call(optional, outer, args={"n": number}, returns=number, at_ms=at, ms=9, child_ns=1))
        error = trace.exception(caught_by[number], "bad") if number in caught_by else None
        trace.call(parse, ids[-1], at_ms=at + 1, ms=1, raises=error)
        for step in some.sample(steps, some.randrange(5)):
            trace.call(step, ids[-1], at_ms=at + 3, ms=1)
    return ids


def test_a_call_that_caught_an_exception_is_marked(get_flow, trace) -> None:
    calls = parser(trace, {1: "shop.errors.SyntaxProblem"}, calls=3)
    lines = get_flow().lines
    assert f"  optional(n=1) -> 1  caught SyntaxProblem  9.0 ms  #{calls[1]}" in lines
    assert sum("caught" in line for line in lines) == 1


def test_the_rarest_exception_that_a_group_caught_is_shown_and_proposed(get_flow, trace) -> None:
    caught_by = dict.fromkeys(range(0, 120, 2), "ParseError") | {31: "shop.errors.SyntaxProblem"}
    calls = parser(trace, caught_by, calls=120)
    answer = get_flow(max_depth=2)
    assert f"  1 caught SyntaxProblem (#{calls[31]})  " in answer.lines[1]
    assert f'get_flow(project="shop", trace_id="{trace.trace_id}", root_call_id={calls[31]})' in answer.next


def test_a_hidden_call_that_caught_an_exception_is_noted_and_proposed(get_flow, trace) -> None:
    calls = parser(trace, {**dict.fromkeys(range(0, 30, 2), "ParseError"), 7: "shop.errors.SyntaxProblem"}, calls=30)
    answer = get_flow(max_depth=1)
    assert len(answer.lines) == 1
    assert answer.notes == [f"further down, not shown here: shop.pricing:optional caught SyntaxProblem (#{calls[7]})"]
    assert answer.next[0] == f'get_flow(project="shop", trace_id="{trace.trace_id}", root_call_id={calls[7]})'


def test_an_import_error_that_an_import_caught_is_marked_but_not_proposed(get_flow, trace) -> None:
    outer = trace.call(trace.function("main"), at_ms=0, ms=100, child_ns=1)
    module = trace.call(trace.function("<module>", "shop.speedups"), outer, at_ms=1, ms=9, child_ns=1)
    trace.call(trace.function("<module>", "shop._fast"), module, at_ms=2, ms=1, raises=trace.exception("ImportError"))
    answer = get_flow(max_depth=2)
    assert f"  shop.speedups:<module>  caught ImportError  9.0 ms  #{module}  …" in answer.lines
    assert answer.notes == [] and not [each for each in answer.next if "root_call_id" in each]


def test_an_exception_that_most_calls_catch_is_not_proposed(get_flow, trace) -> None:
    calls = parser(trace, dict.fromkeys(range(5, 120), "ParseError"), calls=120)
    answer = get_flow(max_depth=2)
    assert f"  115 caught ParseError (#{calls[5]})  " in answer.lines[1]
    assert not [each for each in answer.next if f"root_call_id={calls[5]})" in each]
    trace.further_raises(7, exception_type="ParseError")
    assert f"  >=115 caught ParseError (#{calls[5]})  " in get_flow(max_depth=2).lines[1]


def test_only_exceptions_of_direct_callees_count_as_caught(get_flow, trace) -> None:
    """Ends of iterations do not count, nor exceptions raised later, in another task, or further in, or passed on."""
    main, step = trace.function("main"), trace.function("step")
    stop, error = trace.exception("StopIteration", "", control_flow=True), trace.exception()
    iterating = trace.call(main, at_ms=0, ms=10)
    trace.call(step, iterating, at_ms=1, ms=1, raises=stop)
    handing_out = trace.call(main, at_ms=20, ms=10)
    trace.call(step, handing_out, at_ms=25, ms=10, raises=error)
    starting = trace.call(main, at_ms=40, ms=10, task_id=1)
    trace.call(step, starting, at_ms=41, ms=1, raises=error, task_id=2)
    passing_on = trace.call(main, at_ms=60, ms=10, raises=error)
    trace.call(step, passing_on, at_ms=61, ms=1, raises=error)
    assert not [line for line in get_flow().lines if "caught" in line]
    outside = trace.call(main, at_ms=80, ms=10)
    catching = trace.call(step, outside, at_ms=81, ms=5)
    trace.call(step, catching, at_ms=82, ms=1, raises=error)
    assert [line.rpartition("#")[2] for line in get_flow().lines if "caught KeyError" in line] == [str(catching)]


def test_a_group_shows_the_arguments_that_differ(get_flow, trace) -> None:
    outer = trace.call(trace.function("main"), ms=100)
    parse = trace.function("Opt.parse")
    owner = {"$type": "Opt", "pattern": "p" * 300}
    calls = [
        trace.call(parse, outer, args={"self": owner, "text": "t" * 300, "at": n, "deep": n}, returns=n, ms=1)
        for n in range(9)
    ]
    line = get_flow().lines[1]
    assert line == (
        f"  Opt.parse x9  (at=0, deep=0, …) -> 0 … (at=8, deep=8, …) -> 8  1.0 ms, 9.0 in all  #{calls[0]}..{calls[-1]}"
    )


def test_self_is_cut_before_the_other_arguments(get_flow, trace) -> None:
    owner = {"$type": "Cart", "items": "i" * 500}
    trace.call(trace.function("Cart.add"), args={"self": owner, "sku": "s" * 50, "tags": ["t" * 20]})
    trace.call(trace.function("Cart.total"), args={"self": owner})
    add, total = get_flow().lines
    assert re.search(r"\(tags=\['t{20}'\], sku='s{50}', self=Cart\(items='i+…\) ->", add)
    assert f"(self=Cart(items='{'i' * 100}" in total


def test_values_side_by_side_lose_their_common_beginning(get_flow, trace) -> None:
    outer = trace.call(trace.function("main"), ms=100)
    path = "/srv/shops/north/orders/2024/05/06" + "/part" * 20
    for n in range(7):
        result = f"{path}/{'late' if n == 4 else 'done'}"
        trace.call(trace.function("move"), outer, args={"to": result}, returns=result, ms=1)
    for n in range(9):
        whole = {"$type": "Order", "note": "x" * 400, "number": n}
        trace.call(trace.function("check"), outer, args={"order": whole}, returns=whole, ms=1)
    move, check = get_flow().lines[1:]
    assert re.search(r"to=…\S*/done' x6, …\S*/late' x1 \(#6\)", move)
    assert re.search(r"-> …\S*/done' x6, …\S*/late' x1 \(#6\)", move)
    assert re.search(r"\(order=….*number=0\)\) -> ….*number=0\) … \(order=….*number=8\)\) -> ….*number=8\)  ", check)


def test_a_rare_argument_is_only_shown_if_all_calls_were_read(get_flow, trace, monkeypatch) -> None:
    outer = trace.call(trace.function("main"), ms=100)
    parse, other = trace.function("parse"), trace.function("other")
    calls = [
        trace.call(parse, outer, args={"text": "x" * (5_000 if n < 6 else 5), "strict": n != 7}, returns=n, ms=1)
        for n in range(18)
    ]
    for n in range(8):  # one call has no arguments
        trace.call(other, outer, args={"kind": n == 3} if n != 6 else {}, returns=n, ms=1)
    parsed, others = get_flow().lines[1:]
    assert f"strict=True x17, False x1 (#{calls[7]})" in parsed
    assert "kind=False x" not in others
    monkeypatch.setattr(flow_arguments, "MAX_CHARS", 5_000)
    assert "strict=True x" not in get_flow().lines[1]


def test_a_call_with_other_callees_is_not_folded_with_the_others(get_flow, trace) -> None:
    main, handle, retry = (trace.function(name) for name in ("main", "handle", "retry"))
    outer = trace.call(main, ms=100)
    for number in range(30):
        one = trace.call(handle, outer, args={"n": number}, ms=1)
        if number == 12:
            trace.call(retry, one, ms=0.5)
    lines = [line.split("  ")[1] for line in get_flow().lines[1:]]
    assert [line.strip() for line in lines] == ["handle x12", "handle(n=12) -> None", "", "handle x17"]


def test_a_loop_over_several_functions_is_shown_as_rounds(get_flow, trace) -> None:
    main, read, part, write = (trace.function(name) for name in ("main", "read", "part", "write"))
    outer = trace.call(main, ms=100, child_ns=50_000_000)
    for number in range(100):
        trace.call(read, outer, ms=0.2)
        for _ in range(1 + number % 3):
            trace.call(part, outer, ms=0.1)
        trace.call(write, outer, ms=0.3)
    lines = get_flow().lines
    assert [line.split("  -> ")[0] for line in lines[1:]] == [
        "  100 rounds of:", "    read x100", "    part x199", "    write x100",
    ]  # fmt: skip


def test_many_different_calls_are_folded_by_function_so_that_all_fit(get_flow, trace) -> None:
    main, handle, steps = trace.function("main"), trace.function("handle"), [trace.function(f"s{n}") for n in range(4)]
    outer = trace.call(main, ms=100)
    for number in range(60):
        one = trace.call(handle, outer, args={"n": number}, ms=1, raises=trace.exception() if number == 33 else None)
        for step in range(4):
            if number >> step & 1:
                trace.call(steps[step], one, ms=0.1)
    answer = get_flow()
    assert answer.calls == 61 + sum(bin(number & 15).count("1") for number in range(60))
    assert size_of(answer) < MAX_ANSWER_CHARS and answer.next_cursor is None
    assert sum(" !! KeyError: 'rate'" in line for line in answer.lines) == 1


def test_a_recursion_is_shown_by_its_first_and_its_last_call(get_flow, trace) -> None:
    call = None
    fact = trace.function("fact")
    for n in range(2_000, -1, -1):
        call = trace.call(fact, call, args={"n": n}, returns=n, ms=n + 1)
    assert [line.split("  2")[0].split("  1")[0] for line in get_flow().lines] == [
        "shop.pricing:fact(n=2000) -> 2000",
        "  … 1,999 levels of it, each called by the one above",
        "    fact(n=0) -> 0",
    ]


def test_calls_that_raised_or_had_not_ended_are_marked(get_flow, trace) -> None:
    main, parse = trace.function("main"), trace.function("parse")
    outer = trace.call(main, ms=None)
    raised = trace.exception("ValueError", "no number")
    bad = trace.call(parse, outer, args={"text": "x"}, raises=raised)
    late = trace.call(parse, outer, args={"text": "y"}, late=True)
    for _ in range(4):
        trace.call(parse, outer, raises=raised)
    trace.call(main, outer, ms=None)
    answer = get_flow()
    assert [line.strip() for line in answer.lines] == [
        f"shop.pricing:main()  unfinished  #{outer}",
        f"parse(text='x') !! ValueError: no number  1.0 ms  #{bad}",
        f"parse(text='y') -> None  1.0 ms  late  #{late}",
        f"parse x4  !! ValueError: no number  1.0 ms, 4.0 in all  #{late + 1}..{late + 4}",
        f"main()  unfinished  #{late + 5}",
    ]
    assert f"call_id={late + 1}," in answer.next[0]


def test_threads_have_headings_and_equal_ones_share_a_lane(get_flow, trace) -> None:
    main, work = trace.function("main"), trace.function("work")
    trace.call(main)
    for number in range(1, 41):
        trace.thread(number, f"worker-{number}")
        trace.call(work, thread_id=number, args={"n": number})
    lines = get_flow().lines
    assert [line.split("  (")[0].split("  1.0")[0] for line in lines] == [
        "MainThread:", "  shop.pricing:main() -> None", "40 threads, worker-1 … worker-40:", "  shop.pricing:work x40",
    ]  # fmt: skip
    assert [line.split("  1.0")[0] for line in get_flow(thread="worker-7").lines] == [
        "shop.pricing:work(n=7) -> None",
    ]  # fmt: skip


def test_a_task_has_the_call_that_created_it_unless_that_is_its_caller(get_flow, trace) -> None:
    main, spawn, fetch = trace.function("main"), trace.function("spawn"), trace.function("fetch")
    outer = trace.call(main)
    creator = trace.call(spawn, outer)
    trace.task(1, "Task-1", created_by=outer)
    trace.task(2, "Task-2", created_by=creator)
    trace.call(fetch, outer, task_id=1, args={"url": "a"})
    trace.call(spawn, outer)
    trace.call(fetch, outer, task_id=2, args={"url": "b"})
    lines = [line for line in get_flow().lines if "fetch" in line]
    assert "[Task-1]" in lines[0] and f"[Task-2, by #{creator}]" in lines[1]


def test_another_task_and_another_process_are_named(get_flow, trace) -> None:
    trace.process(1, name="Worker-1", started_by="fork")
    for number in range(1, 5):
        trace.task(number, f"Task-{number}")
    main, fetch = trace.function("main"), trace.function("fetch")
    outer = trace.call(main, task_id=1)
    alone = trace.call(fetch, outer, task_id=2)
    trace.call(main, outer, task_id=1)
    for number in (3, 4, 3, 4):
        trace.call(fetch, outer, task_id=number)
    trace.call(trace.function("run", process_id=1), process_id=1)
    lines = [line.strip() for line in get_flow().lines]
    assert lines[0] == "process 0, MainThread:" and lines[-2] == "process 1 (Worker-1), MainThread:"
    assert lines[1].startswith("shop.pricing:main() -> None  [Task-1]  1.0 ms")
    assert lines[2].startswith("fetch() -> None  [Task-2]") and lines[2].endswith(f"#{alone}")
    assert "[" not in lines[3]
    assert lines[4].startswith("fetch x4  -> None  [2 tasks]")
    assert [line.strip()[:5] for line in get_flow(thread="Task-3").lines] == ["shop."] * 2


@pytest.mark.parametrize("totals_only", [False, True])
def test_one_process_of_many_is_shown_alone(get_flow, trace, totals_only, request: pytest.FixtureRequest) -> None:
    main = trace.function("main")
    trace.call(main, at_ms=0, ms=50)
    for number in (1, 2):
        trace.process(number, name=f"Worker-{number}", started_by="fork")
        run, step = trace.function("run", process_id=number), trace.function("step", process_id=number)
        outer = trace.call(run, process_id=number, args={"n": number}, at_ms=10, ms=30, child_ns=1)
        trace.call(step, outer, process_id=number, args={"n": number}, at_ms=20, ms=10)
    if totals_only:
        request.getfixturevalue("as_totals")

    def shown(**view) -> list[str]:
        return [line.strip().partition("  ")[0] for line in get_flow(**view).lines]

    alone = ["shop.pricing:run(n=2) -> None", "step(n=2) -> None"]
    assert shown(process_id=2) == shown(process_id=2, thread="MainThread") == alone
    assert shown(process_id=2, function="step") == ["shop.pricing:step(n=2) -> None"]
    assert shown(process_id=2, at_ms=25) == [alone[0], "=> " + alone[1]]
    assert get_flow(process_id=2, function="main").message == "No call of 'main' was recorded in process 2."
    assert get_flow(process_id=7).message == "No call was recorded in process 7."
    assert (
        get_flow(process_id=7, at_ms=25).message == "No call had begun 25 ms after the start of the run in process 7."
    )


@pytest.mark.parametrize("many", [False, True])
def test_hidden_callees_are_marked_and_proposed(get_flow, trace, request, many) -> None:
    if many:
        request.getfixturevalue("as_totals")
    calls = [None]
    for number in range(6):
        calls.append(trace.call(trace.function(f"f{number}"), calls[-1], ms=10 - number, child_ns=1_000_000))
    answer = get_flow(max_depth=3)
    assert len(answer.lines) == 3 and answer.lines[-1].endswith("…")
    assert answer.next == []  # how to go deeper is plain
    deeper = get_flow(root_call_id=calls[3])
    assert [line.split("(")[0].strip() for line in deeper.lines] == ["shop.pricing:f2", "f3", "f4", "f5"]


@pytest.mark.parametrize("many", [False, True])
def test_the_flow_of_a_function_begins_at_its_outermost_calls(get_flow, trace, request, many) -> None:
    if many:
        request.getfixturevalue("as_totals")
    main, fib = trace.function("main", "shop.app"), trace.function("fib")
    outer = trace.call(main, child_ns=1)
    first = trace.call(fib, outer, args={"n": 2}, child_ns=1)
    for n in range(2):
        trace.call(fib, first, args={"n": n})
    for view in ({"function": "fib"}, {"module": "shop.pricing"}, {"module": "shop.p*", "function": "fib"}):
        lines = get_flow(**view).lines
        assert lines[0].startswith("shop.pricing:fib(n=2)")
        assert [line.split("  1.0")[0] for line in lines[1:]] == (
            ["  fib x2  (n=0) -> None … (n=1) -> None"] if many else ["  fib(n=0) -> None", "  fib(n=1) -> None"]
        )


def test_totals_keep_the_order_of_single_calls_and_show_loops(get_flow, trace, as_totals, monkeypatch) -> None:
    main, load, read, write = (trace.function(name) for name in ("main", "load", "read", "write"))
    outer = trace.call(main, ms=100, child_ns=1)
    trace.call(load, outer, args={"path": "a"}, returns=[1])
    for _ in range(30):
        trace.call(read, outer)
        trace.call(write, outer)
    assert [line.split("  1.0")[0] for line in get_flow().lines[1:]] == [
        "  load(path='a') -> [1]",
        "  30 rounds of:",
        "    read x30  () -> None",
        "    write x30  () -> None",
    ]
    monkeypatch.setattr(totals, "MAX_IN_ORDER", 20)
    assert [line.split("  ")[1] for line in get_flow().lines[1:3]] == [
        "30 rounds of (in the order of the first 20 calls):", "",
    ]  # fmt: skip


@pytest.mark.parametrize("many", [False, True])
def test_the_flow_of_a_test_is_the_calls_under_it(get_flow, trace, request, many) -> None:
    if many:
        request.getfixturevalue("as_totals")
    runner, test, total = trace.function("runner"), trace.function("test_total"), trace.function("total")
    outer = trace.call(runner, child_ns=1)
    for number in range(3):
        call = trace.call(test, outer, args={"n": number}, child_ns=1)
        trace.call(total, call, returns=number)
        trace.test(f"test_cart.py::test_total[{number}]", call, call + 1)
    assert [line.split("  1.0")[0] for line in get_flow(test="test_total[1]").lines] == [
        "shop.pricing:test_total(n=1) -> None", "  total() -> 1",
    ]  # fmt: skip
    assert get_flow(test="test_cart", function="shop.pricing:total").calls == 3
    with pytest.raises(BreadcrumbError, match="no test 'test_none'"):
        get_flow(test="test_none")


def test_around_a_call_its_callers_and_neighbours_are_shown(get_flow, trace) -> None:
    main, step, part = trace.function("main"), trace.function("step"), trace.function("part")
    outer = trace.call(main, ms=1000)
    calls = []
    for number in range(200):
        calls.append(trace.call(step, outer, args={"n": number}))
        trace.call(part, calls[-1])
    answer = get_flow(around_call_id=calls[100])
    lines = [line.strip() for line in answer.lines]
    assert (
        lines[0].startswith("shop.pricing:main()")
        and lines[1] == "… 90 calls before"
        and lines[-1] == "… 89 calls after"
    )
    here = lines.index(f"=> step(n=100) -> None  1.0 ms  #{calls[100]}")
    assert lines[here + 1].startswith("part() -> None")
    assert size_of(answer) < 3_000
    assert answer.next == []


def test_the_flow_around_an_exception_is_around_the_call_that_raised_it(get_flow, trace) -> None:
    main, parse = trace.function("main"), trace.function("parse")
    outer = trace.call(main)
    for _ in range(3):
        trace.call(parse, outer)
    error = trace.exception("ValueError", "no number", call_id=5)
    bad = trace.call(parse, outer, raises=error)
    lines = get_flow(exception_id=error).lines
    assert [line.strip() for line in lines if "=>" in line] == [f"=> parse() !! ValueError: no number  1.0 ms  #{bad}"]
    nowhere = trace.exception("ValueError", "elsewhere", call_id=None)
    with pytest.raises(BreadcrumbError, match="No traced call was running"):
        get_flow(exception_id=nowhere)
    assert "no exception 99" in get_flow(exception_id=99).message


def test_the_flow_at_a_moment_shows_the_current_call_of_each_thread(get_flow, trace) -> None:
    trace.thread(1, "worker")
    main, step, work = trace.function("main"), trace.function("step"), trace.function("work")
    outer = trace.call(main, at_ms=0, ms=100)
    steps = [trace.call(step, outer, at_ms=10 * n, ms=9) for n in range(1, 9)]
    busy = trace.call(work, thread_id=1, at_ms=45, ms=50)
    answer = get_flow(at_ms=52.0)
    marked = [line.strip() for line in answer.lines if "=>" in line]
    assert [line.rpartition("#")[2] for line in marked] == [str(steps[4]), str(busy)]
    assert get_flow(at_ms=-5).message == "No call had begun -5 ms after the start of the run."
    assert get_flow(at_ms=1e300).lines == get_flow(at_ms=10_000).lines != []


def test_a_given_depth_is_shown_completely_in_pages(get_flow, trace) -> None:
    outer = trace.call(trace.function("main"), ms=1000, child_ns=1)
    for number in range(300):
        trace.call(trace.function(f"function_with_a_rather_long_name_{number}"), outer, args={"text": "x" * 500})
    whole = get_flow()
    assert whole.next_cursor is None and size_of(whole) <= MAX_ANSWER_CHARS
    assert whole.lines[-1].endswith(f" calls: root_call_id={outer}, max_depth=2 shows all")
    assert get_flow(root_call_id=outer, max_depth=2).lines[0] == whole.lines[0]
    lines, cursor = [], None
    while True:
        page = get_flow(max_depth=2, cursor=cursor)
        assert size_of(page) <= MAX_ANSWER_CHARS
        lines += page.lines
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(lines) == 301
    assert all(f"name_{number}(" in line for number, line in enumerate(lines[1:]))


def test_the_first_page_shows_the_last_call_too(get_flow, trace) -> None:
    """The first call may have done much."""
    outer = trace.call(trace.function("bind_cells"), ms=1_000, child_ns=1)
    first = trace.call(trace.function("parse_all_of_the_sheet"), outer, ms=900, child_ns=1)
    for number in range(70):
        args = {f"parameter_with_a_long_name_{n}": "x" * 100 for n in range(4)}
        trace.call(trace.function(f"part_{number}_of_the_sheet_{'very_' * 12}long"), first, args=args, returns=args)
    last = trace.call(trace.function("bind"), outer, ms=1, returns=8)
    answer = get_flow(function="bind_cells")
    assert size_of(answer) <= MAX_ANSWER_CHARS and answer.next_cursor is None
    assert answer.lines[-1] == f"  bind() -> 8  1.0 ms  #{last}"
    assert re.fullmatch(rf"    … \d+ more, \d+ calls: root_call_id={first}, max_depth=2 shows all", answer.lines[-2])
    assert len(answer.lines) > 12


def test_calls_that_were_only_counted_are_mentioned(get_flow, trace) -> None:
    trace.call(trace.function("hot", started_count=150_000, exact=False))
    assert get_flow().notes == [
        "calls that were only counted are not in the tree; recorded: shop.pricing:hot 1 of >=150,000"
    ]


def test_messages_name_what_does_not_exist_and_conflicting_places_are_refused(get_flow, trace) -> None:
    assert get_flow().message == "No call was recorded in this trace."
    trace.call(trace.function("total"))
    assert "shop.pricing:total" in get_flow(function="totl").message
    assert get_flow(root_call_id=77).message == "This trace has no recorded call 77."
    assert get_flow(around_call_id=77).message == "This trace has no recorded call 77."
    assert "'shop.none'" in get_flow(module="shop.none").message
    assert "'nobody'" in get_flow(thread="nobody").message
    with pytest.raises(BreadcrumbError, match="from 1 to 50"):
        get_flow(max_depth=0)
    with pytest.raises(BreadcrumbError, match="function and at_ms exclude each other"):
        get_flow(function="total", at_ms=5)


def handlers(trace, count: int) -> int:
    """Record calls that each make an object, ask it for two things, and then do something."""
    outer = trace.call(trace.function("main"), ms=100)
    trace.call(trace.function("is_ready"), outer, args={"n": 1}, returns=True)
    for n in range(count):
        one = trace.call(trace.function(f"handle_{n}"), outer, args={"n": n}, returns=n)
        cart = {"$type": "Cart", "n": n}
        trace.call(trace.function("Cart.__init__"), one, args={"self": cart, "n": n})
        trace.call(trace.function("Cart.size"), one, args={"self": cart}, returns=n)
        trace.call(trace.function("load"), one, args={"self": cart}, returns=None)
        trace.call(trace.function("is_open"), one, args={"cart": cart, "n": n}, returns=False)
        for _ in range(2):
            trace.call(trace.function("price"), one, args={"n": n}, returns=n + 0.5)
            trace.call(trace.function("store"), one, args={"n": n}, returns={"n": n})
    return outer


def names(lines: list[str]) -> list[str]:
    return [re.split(r"\(|  ", line.strip())[0] for line in lines]


def test_calls_that_say_little_are_shown_where_there_is_room(get_flow, trace) -> None:
    handlers(trace, 4)
    each = ["Cart.__init__", "Cart.size", "load", "is_open", "price", "store", "price", "store"]
    assert names(get_flow().lines)[2:] == [name for n in range(4) for name in (f"handle_{n}", *each)]


def test_where_room_is_short_trivial_calls_are_left_out_first_and_counted_in_one_line(get_flow, trace) -> None:
    handlers(trace, 9)
    answer = get_flow()
    # What the tree begins with is whole, and a call that returns nothing does something.
    assert names(answer.lines)[:-1] == [
        "shop.pricing:main", "is_ready", *(name for n in range(9) for name in (f"handle_{n}", "load", "price", "store"))
    ]  # fmt: skip
    assert answer.lines[-1] == (
        "… left out: 45 trivial calls (Cart.__init__ x9, Cart.size x9, is_open x9, price x9, …)"
    )
    assert size_of(answer) <= DEFAULT_ANSWER_CHARS and answer.calls == 83


def test_a_call_that_raised_or_is_looked_around_is_never_trivial(get_flow, trace) -> None:
    outer = handlers(trace, 9)
    one = trace.call(trace.function("last"), outer)
    made = trace.call(trace.function("Cart.__init__"), one, outcome=1)
    assert f"#{made}" in get_flow().text
    assert "=> Cart.__init__" in get_flow(around_call_id=made).text


def test_a_few_calls_are_folded_only_if_their_results_are_equal(get_flow, trace) -> None:
    outer = trace.call(trace.function("main"), ms=100)
    for n in range(6):
        trace.call(trace.function("differs"), outer, args={"n": n}, returns=n)
    for n in range(6):
        trace.call(trace.function("same"), outer, args={"n": n}, returns="ok")
    for n in range(7):
        trace.call(trace.function("many"), outer, args={"n": n}, returns=n)
    assert names(get_flow().lines)[1:] == [*["differs"] * 6, "same x6", "many x7"]
    few = trace.call(trace.function("other"), ms=100)
    for n in range(3):  # equal themselves, but not what they called
        one = trace.call(trace.function("outer"), few, returns="ok", child_ns=1)
        trace.call(trace.function("inner"), one, returns=n)
    assert names(get_flow(root_call_id=few).lines)[1:] == ["outer", "inner"] * 3


def test_times_too_short_to_matter_are_not_shown(get_flow, trace) -> None:
    outer = trace.call(trace.function("main"), ms=2)
    short = trace.call(trace.function("short"), outer, ms=0.099)
    assert get_flow().lines == [
        f"shop.pricing:main() -> None  2.0 ms  #{outer}", f"  short() -> None  #{short}"
    ]  # fmt: skip


def test_what_stands_out_is_proposed_in_one_call_and_nothing_where_nothing_does(get_flow, trace) -> None:
    outer = trace.call(trace.function("main"), ms=1_000, child_ns=1)
    for n in range(9):
        trace.call(trace.function("lookup"), outer, args={"n": n}, returns=n % 3, ms=1)
    trace.call(trace.function("slow"), outer, ms=900, child_ns=1)
    assert get_flow().next == []
    checks = [trace.call(trace.function("check"), outer, args={"n": n}, returns=n != 6, ms=1) for n in range(9)]
    (proposed,) = get_flow().next
    assert f'what=["shop.pricing:check"], call_id={checks[6]},' in proposed
    bad = trace.call(trace.function("parse"), outer, raises=trace.exception("ValueError"))
    assert f'what=["shop.pricing:parse"], call_id={bad},' in get_flow().next[0]
