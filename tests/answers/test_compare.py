"""compare_traces finds known differences between two traces."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from breadcrumb_server.answers.common.budget import MAX_ANSWER_CHARS, size_of
from breadcrumb_server.answers.compare import scope as compare_scope
from breadcrumb_server.answers.compare.answer import Comparison, compare_traces
from breadcrumb_server.answers.compare.limits import LIMITS
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.compare import functions as compare_queries

BASE, THIS = "20250110-120001-0001", "20250110-120002-0002"


@dataclass(frozen=True)
class Call:
    """A call to record. It takes a millisecond, and two more for each call below it."""

    name: str
    args: dict[str, Any] = field(default_factory=dict)
    returns: Any = None
    calls: Sequence[Call] = ()
    raises: str | None = None  # a KeyError with this message
    ended: bool = True
    thread: int = 0
    task: int | None = None
    process: int = 0

    @property
    def size(self) -> int:
        return 1 + sum(call.size for call in self.calls)


class Player:
    """A recorder of trees of calls in a trace, in the order of time."""

    def __init__(self, trace: Any) -> None:
        self.trace = trace
        self.functions: dict[tuple[str, int], int] = {}
        self.ids: list[int] = []
        self.now_ms = 0

    def play(self, *calls: Call, parent: int | None = None) -> Player:
        for call in calls:
            began = self.now_ms
            self.now_ms += 1
            error = self.trace.exception(message=call.raises) if call.raises else None
            number = self.trace.call(
                self._function(call),
                parent,
                args=call.args,
                returns=call.returns,
                raises=error,
                at_ms=began,
                ms=2 * call.size - 1 if call.ended else None,
                thread_id=call.thread,
                task_id=call.task,
                process_id=call.process,
                call_line=7,
            )
            self.ids.append(number)
            self.play(*call.calls, parent=number)
            self.now_ms += 1
        return self

    def _function(self, call: Call) -> int:
        key = (call.name, call.process)
        if key not in self.functions:
            self.functions[key] = self.trace.function(call.name, "shop.pricing", process_id=call.process)
        return self.functions[key]


class Shop:
    """Two traces of one program, and their comparison."""

    def __init__(self, project: Any) -> None:
        self.project = project

    def trace(self, trace_id: str, *calls: Call, **columns: Any) -> Player:
        trace = self.project.trace(trace_id, **columns)
        trace.process()
        return Player(trace).play(*calls)

    def compare(self, base: Sequence[Call], this: Sequence[Call]) -> Comparison:
        self.trace(BASE, *base)
        self.trace(THIS, *this, status="failed", exit_code=1)
        return self.answer()

    def answer(self) -> Comparison:
        answer = compare_traces(self.project.con, "shop", base_trace_id=BASE, trace_id=THIS)
        assert size_of(answer) <= MAX_ANSWER_CHARS
        return answer


@pytest.fixture
def shop(project: Any) -> Shop:
    return Shop(project)


def main(*calls: Call, **fields: Any) -> Call:
    return Call("main", calls=calls, **fields)


def test_the_call_that_went_wrong_is_first_and_calls_around_it_are_consequences(shop: Shop) -> None:
    base = main(
        Call("total", {"order": 1}, 2.4, [Call("rate", {"name": "tax"}, 0.2), Call("price", {"rate": 0.2}, 1.2)]),
        Call("show", {"total": 2.4}),
        returns=2.4,
    )
    this = main(
        Call("total", {"order": 1}, None, [Call("rate", {"name": "tax"}, None), Call("price", {"rate": None}, None)]),
        Call("show", {"total": None}),
        returns=None,
    )
    answer = shop.compare([base], [this])
    first = answer.first
    assert first is not None
    assert (first.function, first.base_call_id, first.call_id) == ("shop.pricing:rate", 3, 3)
    assert first.differs == ["result: 0.2 -> None"]
    assert (first.base, first.this) == ("rate(name='tax') -> 0.2", "rate(name='tax') -> None")
    assert "look into this function" in first.what
    assert first.chain == [
        "shop/pricing.py:7 main()",
        "shop/pricing.py:7 total(order=1)",
        "shop/pricing.py:1 rate(name='tax')",
    ]
    assert [line.split(":")[1] for line in answer.passed_on] == ["total calls 2 / 2", "main calls 1 / 1"]
    assert answer.others == [
        "shop.pricing:price calls 4 / 4: args.rate: 0.2 -> None; result: 1.2 -> None",
        "shop.pricing:show calls 5 / 5: args.total: 2.4 -> None",
    ]
    assert (
        "rate (calls 3 / 3). 2 calls around it ended differently because of it. 2 further differences" in answer.verdict
    )
    assert answer.compared == "all recorded calls: 5 and 5"
    assert [line[:4] for line in answer.runs] == ["base", "this"]
    assert answer.notes == []
    assert answer.next == [f'show(project="shop", what=["shop.pricing:rate"], call_id=3, trace_id="{THIS}")']


def test_other_arguments_point_to_the_caller(shop: Shop) -> None:
    base = main(Call("load"), Call("price", {"item": {"sku": "a", "rate": 0.2}, "n": 1}, 1.2))
    this = main(Call("load"), Call("price", {"item": {"sku": "a", "rate": 0.3}, "n": 1}, 1.3))
    first = shop.compare([base], [this]).first
    assert first is not None
    assert first.differs == ["args.item['rate']: 0.2 -> 0.3", "result: 1.2 -> 1.3"]
    assert first.what.startswith("other arguments: they come from its caller")


def generated(player: Player, *rows: Any, count: int | None = None) -> None:
    """Record a loop over a generator that passes each value to price before the generator ends."""
    trace = player.trace
    main_call = trace.call(trace.function("main"), at_ms=0, ms=200)
    read = trace.call(trace.function("read", kind="generator"), main_call, args={"path": "a.csv"}, at_ms=1, ms=100)
    trace.yields(read, *rows, count=count, at_ms=10)
    price = trace.function("price")
    for position, row in enumerate(rows):
        trace.call(price, main_call, args={"row": row}, returns=position, at_ms=10.5 + position, ms=0.1)


def test_another_yield_comes_before_the_calls_that_use_its_value(shop: Shop) -> None:
    generated(shop.trace(BASE), {"sku": "a", "rate": 0.2}, {"sku": "b", "rate": 0.2}, {"sku": "c", "rate": 0.1})
    generated(shop.trace(THIS), {"sku": "a", "rate": 0.2}, {"sku": "b", "rate": None}, {"sku": "c", "rate": 0.1})
    answer = shop.answer()
    assert answer.first is not None
    assert (answer.first.function, answer.first.differs) == (
        "shop.pricing:read",
        ["yielded[1]['rate']: 0.2 -> None"],
    )
    assert answer.first.what == (
        "same arguments, and all that it called is equal, but other yields: look into this function"
    )
    assert answer.first.this.startswith("read(path='a.csv') -> yielded [{'sku': 'a', 'rate': 0.2}, ")
    assert [line.partition(" calls ")[0] for line in answer.others] == ["shop.pricing:price"]


@pytest.mark.parametrize(
    ("base", "this", "differs"),
    [
        ({"rows": (1, 2, 3)}, {"rows": (1, 2)}, "yielded: 3 values -> 2 values"),
        ({"rows": (1, 2), "count": 40}, {"rows": (1, 2), "count": 41}, "yielded: 40 values -> 41 values"),
        ({"rows": (1, 2)}, {"rows": ()}, "yielded: 2 values -> 0 values"),
    ],
)
def test_the_number_of_yielded_values_is_compared(
    shop: Shop, base: dict[str, Any], this: dict[str, Any], differs: str
) -> None:
    for trace_id, side in ((BASE, base), (THIS, this)):
        generated(shop.trace(trace_id), *side["rows"], count=side.get("count"))
    assert any(f"shop.pricing:read calls 2 / 2: {differs}" in line for line in difference_lines(shop.answer()))


def difference_lines(answer: Comparison) -> list[str]:
    first = answer.first
    assert first is not None
    return [
        f"{first.function} calls {first.base_call_id} / {first.call_id}: {'; '.join(first.differs)}",
        *answer.others,
    ]


def test_noise_in_yielded_values_is_not_a_difference(shop: Shop) -> None:
    for trace_id, sent in ((BASE, "2025-01-10 12:00:01"), (THIS, "2025-01-10 12:00:09")):
        generated(shop.trace(trace_id), {"sent": sent})
    assert shop.answer().first is None


def test_a_missing_call_is_part_of_the_call_that_did_not_make_it(shop: Shop) -> None:
    discount = Call("discount", {"n": 1})
    base = main(Call("total", {"n": 1}, 9, [Call("price"), discount]), Call("show"))
    this = main(Call("total", {"n": 1}, 10, [Call("price")]), Call("show"))
    answer = shop.compare([base], [this])
    assert answer.first is not None
    assert (answer.first.function, answer.first.base_call_id) == ("shop.pricing:total", 2)
    assert answer.first.differs == [
        "called only in the base from line 7: shop.pricing:discount(n=1), call 4",
        "result: 9 -> 10",
    ]
    assert "same arguments, but it called other functions" in answer.first.what
    assert answer.others == []  # show still has its partner
    assert answer.only_in_base == ["shop.pricing:discount x1"]
    assert "get_flow" in answer.next[0]


def test_an_additional_call_without_effect_is_not_first(shop: Shop) -> None:
    fill = Call("fill_cache")
    base = main(Call("load", {"n": 1}, [1, 2], [fill, Call("read")]), Call("rate", {"n": 1}, 1))
    this = main(Call("load", {"n": 1}, [1, 2], [Call("read")]), Call("rate", {"n": 1}, 2))
    answer = shop.compare([base], [this])
    assert answer.first is not None and answer.first.function == "shop.pricing:rate"
    assert len(answer.without_effect) == 1 and "fill_cache" in answer.without_effect[0]


def test_an_additional_call_in_a_loop_leaves_later_calls_equal(shop: Shop) -> None:
    steps = [Call("step", {"n": number}, number) for number in range(20)]
    this = [*steps[:5], Call("step", {"n": 99}, 99), *steps[5:]]
    answer = shop.compare([main(*steps)], [main(*this)])
    assert answer.first is not None
    assert answer.first.differs == ["called only in this trace from line 7: shop.pricing:step(n=99), call 7"]
    assert (answer.passed_on, answer.others) == ([], [])
    assert answer.counts is not None and answer.counts.rows == [["shop.pricing:step", "20", "21"]]


def test_an_exception_in_only_one_run_is_shown_with_its_message(shop: Shop) -> None:
    base = main(Call("total", {"n": 1}, 1, [Call("rate", {"n": 1}, 0.2), Call("price")]))
    this = main(Call("total", {"n": 1}, None, [Call("rate", {"n": 1}, raises="'tax'")], raises="'tax'"), raises="'tax'")
    answer = shop.compare([base], [this])
    assert answer.first is not None
    assert answer.first.differs == ["end: returned 0.2 -> raised KeyError: 'tax'"]
    assert answer.first.this == "rate(n=1) raised KeyError: 'tax'"
    assert answer.only_in_base == ["shop.pricing:price x1"]


def test_another_exception_message_is_a_difference_and_noise_in_it_is_not(shop: Shop) -> None:
    base = main(Call("a", raises="no /tmp/tmpa1b2c3d4/x"), Call("b", raises="'rate'"))
    this = main(Call("a", raises="no /tmp/tmpz9y8x7w6/x"), Call("b", raises="'tax'"))
    answer = shop.compare([base], [this])
    assert answer.first is not None
    assert answer.first.differs == ["end: raised KeyError: 'rate' -> raised KeyError: 'tax'"]
    assert answer.compared == "all recorded calls: 3 and 3; 1 pair differ by times, ids or temporary names only"


def test_the_innermost_call_that_did_not_end_is_where_a_run_hangs(shop: Shop) -> None:
    base = main(Call("serve", {}, 1, [Call("wait", {"n": 1}, 1)]))
    this = main(Call("serve", {}, None, [Call("wait", {"n": 1}, ended=False)], ended=False), ended=False)
    answer = shop.compare([base], [this])
    assert answer.first is not None
    assert answer.first.function == "shop.pricing:wait"
    assert answer.first.differs == ["end: returned 1 -> not ended"]
    assert "only one of the two calls ended" in answer.first.what
    assert len(answer.passed_on) == 2


def test_order_and_numbers_of_threads_are_not_a_difference(shop: Shop) -> None:
    def job(number: int, thread: int, result: int | None = None) -> Call:
        inner = Call("inner", {"n": number}, number if result is None else result, thread=thread)
        return Call("job", {"n": number}, number, [inner], thread=thread)

    base = shop.trace(BASE, job(1, 1), job(2, 2), job(3, 1), job(4, 2))
    this = shop.trace(THIS, job(4, 3), job(1, 4), job(3, 3), job(2, 4, result=7))
    for trace, threads in ((base.trace, (1, 2)), (this.trace, (3, 4))):
        for number in threads:
            trace.thread(number, f"ThreadPoolExecutor-{number}_{number - 1}")
    answer = shop.answer()
    assert answer.first is not None
    assert (answer.first.base_call_id, answer.first.call_id, answer.first.differs) == (4, 8, ["result: 2 -> 7"])
    assert (answer.others, answer.passed_on) == ([], [])


def test_order_and_names_of_tasks_are_not_a_difference(shop: Shop) -> None:
    def fetch(number: int, task: int, result: int) -> Call:
        return Call("fetch", {"n": number}, result, task=task)

    base = shop.trace(BASE, main(fetch(1, 2, 1), fetch(2, 3, 2), task=1))
    this = shop.trace(THIS, main(fetch(2, 7, 2), fetch(1, 8, -1), task=6))
    for trace, tasks in ((base.trace, (1, 2, 3)), (this.trace, (6, 7, 8))):
        for number in tasks:
            trace.task(number, f"Task-{number}")
    answer = shop.answer()
    assert answer.first is not None
    assert (answer.first.base_call_id, answer.first.call_id) == (2, 3)
    assert answer.others == []


def test_jobs_of_a_pool_are_compared_whichever_process_did_them(shop: Shop) -> None:
    def job(number: int, process: int, result: int) -> Call:
        return Call("job", {"n": number}, result, process=process)

    for trace_id, jobs in ((BASE, [job(1, 1, 1), job(2, 2, 2)]), (THIS, [job(2, 1, 2), job(1, 2, 5)])):
        player = shop.trace(trace_id)
        for process in (1, 2):
            player.trace.process(process, name=f"ForkPoolWorker-{process}")
        for each in jobs:
            function = player._function(each)
            player.trace.call(
                function, args=each.args, returns=each.returns, process_id=each.process,
                call_id=each.process * 1_000_000_000 + 1,
            )  # fmt: skip
    answer = shop.answer()
    assert answer.first is not None
    assert (answer.first.base_call_id, answer.first.call_id) == (1_000_000_001, 2_000_000_001)
    assert answer.first.differs == ["result: 1 -> 5"]
    assert answer.others == []


def test_noise_is_shown_but_is_not_a_difference(shop: Shop) -> None:
    def stamped(uuid: str, total: int) -> Call:
        return main(Call("save", {"id": uuid, "n": 1}, total))

    base = stamped("7d63cfce-7c9c-4572-91b9-af37cd7f0c6a", 1)
    this = stamped("64a5d50e-1431-4d0f-a9d8-1e1bf5bc0aa5", 2)
    answer = shop.compare([base], [this])
    assert answer.first is not None
    assert answer.first.differs == ["result: 1 -> 2"]
    assert "64a5d50e" in answer.first.this


def test_equal_runs_have_no_first_difference(shop: Shop) -> None:
    tree = main(Call("a", {"n": 1}, 1))
    answer = shop.compare([tree], [tree])
    assert answer.first is None
    assert answer.verdict.startswith("No call went differently, though the runs ended differently")
    assert "find_gaps" in answer.next[0]


def test_a_lone_strand_is_a_difference(shop: Shop) -> None:
    tree = main(Call("a", {"n": 1}, 1))
    answer = shop.compare([tree], [tree, Call("cleanup", {"n": 1})])
    assert answer.first is not None
    assert (answer.first.function, answer.first.base_call_id, answer.first.call_id) == ("shop.pricing:cleanup", None, 3)
    assert answer.first.what.startswith("only this trace made this call")


def test_a_pytest_run_is_compared_by_the_tests_that_ended_differently(shop: Shop) -> None:
    def test(name: str, seed: int, result: int) -> Call:
        return Call(name, calls=[Call("seed", {}, seed), Call("total", {"n": 1}, result)])

    # One test ran in one run only, and one passed in both with other values.
    base = shop.trace(BASE, test("test_a", 1, 1), test("test_b", 5, 5))
    this = shop.trace(THIS, test("test_0", 1, 1), test("test_a", 2, 1), test("test_b", 5, 6))
    for player, names, failed in ((base, ["test_a", "test_b"], ""), (this, ["test_0", "test_a", "test_b"], "test_b")):
        for index, name in enumerate(names):
            player.trace._insert(
                "tests",
                {
                    "process_id": 0, "test_id": index + 1, "node_id": f"tests/test_shop.py::{name}", "thread_id": 0,
                    "outcome": "failed" if name == failed else "passed", "first_call_id": index * 3 + 1,
                    "last_call_id": index * 3 + 3,
                },
            )  # fmt: skip
    answer = shop.answer()
    assert answer.tests is not None
    assert answer.tests.rows == [["tests/test_shop.py::test_b", "passed", "failed"]]
    assert answer.first is not None
    assert (answer.first.base_call_id, answer.first.call_id, answer.first.differs) == (6, 9, ["result: 5 -> 6"])
    assert answer.others == []
    assert "tests/test_shop.py::test_b" in answer.notes[0]
    assert answer.compared == "3 of 6 and 3 of 9 recorded calls, one by one"


def test_a_missing_call_of_a_sampled_function_is_no_difference(shop: Shop) -> None:
    hot = [Call("hot", {"n": number}, number) for number in range(6)]
    base = shop.trace(BASE, main(*hot, Call("final", {}, 1)))
    this = shop.trace(THIS, main(*hot[:3], hot[5], Call("final", {}, 2)))
    for player in (base, this):
        player.trace.con.execute(
            "UPDATE functions SET started_count = 900 WHERE trace_id = ? AND function_name = 'hot'",
            [player.trace.trace_id],
        )
    answer = shop.answer()
    assert answer.first is not None and answer.first.function == "shop.pricing:final"
    assert answer.others == [] and answer.without_effect == []
    assert answer.counts is None
    assert "1 function recorded in part (shop.pricing:hot)" in answer.notes[0]


def test_calls_of_a_sampled_function_with_other_arguments_are_not_paired(shop: Shop) -> None:
    hot = [Call("hot", {"n": number}, number) for number in range(40)]
    capture = {"capture": {"calls_per_function": 3, "sample_rate": 1.0}}
    # After the first three calls, one run recorded call 8, and the other one call 9. Call 2 has another result.
    base = shop.trace(BASE, main(*hot[:3], hot[8], returns=1), config=capture)
    this = shop.trace(THIS, main(*hot[:2], Call("hot", {"n": 2}, -1), hot[9], returns=2), config=capture)
    for player in (base, this):
        player.trace.con.execute("UPDATE functions SET started_count = 40 WHERE function_name = 'hot'")
    answer = shop.answer()
    assert answer.first is not None
    assert answer.first.differs == ["result: 2 -> -1"]
    assert answer.others == [] and len(answer.passed_on) == 1
    assert "not every call was recorded" in answer.first.what
    assert 'capture={"mode": "full"}' in answer.next[-1]


def test_functions_traced_in_only_one_run_are_passed_over(shop: Shop) -> None:
    rate = Call("rate", {"n": 1}, 0.2)
    base = main(Call("total", {"n": 1}, 1, [rate, Call("log")]), Call("show"))
    this = main(
        Call("total", {"n": 1}, 2, [Call("helper", {}, 1, [replace(rate, returns=None)]), Call("log")]), Call("show")
    )
    shop.trace(BASE, base)
    shop.trace(THIS, this, config={"include": ["__main__", "shop", "helpers"]})
    answer = shop.answer()
    assert answer.first is not None
    assert (answer.first.function, answer.first.differs) == ("shop.pricing:rate", ["result: 0.2 -> None"])
    assert [line.split(" calls ")[0] for line in answer.passed_on] == ["shop.pricing:total"]
    assert (answer.others, answer.without_effect) == ([], [])
    assert answer.only_in_this == ["shop.pricing:helper x1"]
    assert "functions that only one of them traced are skipped" in answer.notes


def test_a_recursion_that_passes_a_result_on_is_one_line(shop: Shop) -> None:
    def nested(result: int) -> Call:
        tree = Call("leaf", {}, result)
        for level in range(50):
            tree = Call("fold", {"level": level}, result, [tree])
        return main(tree)

    answer = shop.compare([nested(1)], [nested(2)])
    assert answer.first is not None and answer.first.function == "shop.pricing:leaf"
    (line,) = answer.passed_on
    assert line == "shop.pricing:fold calls 51 / 51: result: 1 -> 2 (and 49 more around it)"


def test_notes_name_other_reasons_for_differences(shop: Shop) -> None:
    shop.trace(BASE, main())
    shop.trace(THIS, main(ended=False), status="running", command="python other.py", config={"include": ["__main__"]})
    notes = "\n".join(shop.answer().notes)
    assert "this trace is still running" in notes
    assert "the commands differ" in notes
    assert 'include differs: ["__main__", "shop"] -> ["__main__"]' in notes


def test_a_note_says_that_a_trace_has_no_calls(shop: Shop) -> None:
    shop.trace(BASE)
    shop.trace(THIS, main())
    answer = shop.answer()
    assert answer.notes == ["the base recorded no call: get_trace says why"]
    assert answer.only_in_this == ["shop.pricing:main x1"]


def test_changed_counts_and_times_are_shown(shop: Shop) -> None:
    shop.trace(BASE, main(Call("slow"), Call("often"), Call("often")))
    shop.trace(THIS, main(Call("slow"), Call("often")))
    con = shop.project.con
    con.execute(
        "UPDATE call_records SET duration_ns = 90000000 WHERE trace_no = (SELECT max(trace_no) FROM traces) AND function_id IN "
        "(SELECT function_id FROM functions WHERE trace_id = ? AND function_name = 'slow')",
        [THIS],
    )
    answer = shop.answer()
    assert answer.counts is not None and answer.counts.rows == [["shop.pricing:often", "2", "1"]]
    assert answer.times is not None and answer.times.rows == [["shop.pricing:slow", 1.0, 90.0]]


@pytest.mark.parametrize("block_calls", [8, 1 << 14])  # the calls are in many blocks, or in one
def test_large_traces_are_compared_around_the_first_call_without_an_equal(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, block_calls: int
) -> None:
    monkeypatch.setattr(compare_queries, "BLOCK_CALLS", block_calls)
    monkeypatch.setattr(compare_scope, "LIMITS", replace(LIMITS, max_aligned=40, max_focused=20))
    jobs = [
        Call("job", {"n": n}, n, [Call("inner", {"n": n, "at": f"2025-01-10T12:00:{n % 60:02}"}, n)])
        for n in range(100)
    ]
    changed = list(jobs)
    changed[80] = replace(jobs[80], returns=-1, calls=[replace(jobs[80].calls[0], returns=-1)])
    changed[5] = replace(jobs[5], calls=[replace(jobs[5].calls[0], args={"n": 5, "at": "2026-11-22T09:00:00"})])
    answer = shop.compare(jobs, changed)
    assert answer.first is not None
    assert (answer.first.function, answer.first.base_call_id, answer.first.call_id) == ("shop.pricing:inner", 162, 162)
    assert len(answer.passed_on) == 1
    assert "large traces" in answer.notes[0] and "around the first" in answer.notes[0]
    assert "20 calls of each are compared one by one" in answer.notes[0]
    assert answer.compared.startswith("21 of 200 and 21 of 200")


@pytest.mark.parametrize("block_calls", [8, 1 << 14])
def test_large_traces_without_other_values_are_compared_from_their_beginning(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, block_calls: int
) -> None:
    monkeypatch.setattr(compare_queries, "BLOCK_CALLS", block_calls)
    monkeypatch.setattr(compare_scope, "LIMITS", replace(LIMITS, max_aligned=40))
    jobs = [Call("job", {"n": n}, n) for n in range(100)]
    answer = shop.compare(jobs, [*jobs[:60], jobs[70], *jobs[60:70], *jobs[71:]])
    assert answer.first is None
    assert "the first ones; over all calls, arguments or results differ in 0 functions" in answer.notes[0]


def test_results_that_changed_places_are_found_in_large_traces(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_scope, "LIMITS", replace(LIMITS, max_aligned=40, max_focused=20))
    jobs = [Call("job", {"n": n}, n) for n in range(100)]
    swapped = [*jobs[:60], replace(jobs[60], returns=61), replace(jobs[61], returns=60), *jobs[62:]]
    answer = shop.compare(jobs, swapped)
    assert answer.first is not None
    assert (answer.first.function, answer.first.base_call_id, answer.first.call_id) == ("shop.pricing:job", 61, 61)


def test_many_large_differences_make_a_short_answer(shop: Shop) -> None:
    def tree(mark: str) -> Call:
        deep = Call("leaf", {"text": mark * 3_000, "n": 1}, mark * 3_000)
        for level in range(30):
            deep = Call(f"level_{level}", {"text": "x" * 2_000}, mark * 2_000, [deep])
        return main(deep, *[Call(f"function_{n}", {"text": mark * 500}, mark * 500) for n in range(60)])

    answer = shop.compare([tree("a")], [tree("b")])
    assert answer.first is not None and answer.first.function == "shop.pricing:leaf"
    assert any("more" in line for line in answer.others)


def test_a_trace_is_not_compared_with_itself_or_with_one_that_does_not_exist(shop: Shop) -> None:
    shop.trace(BASE, main())
    with pytest.raises(BreadcrumbError, match="name the same trace") as refused:
        compare_traces(shop.project.con, "shop", base_trace_id=BASE, trace_id=BASE[-4:])
    assert "list_traces" in refused.value.hint
    with pytest.raises(BreadcrumbError, match="no trace 'nosuch'"):
        compare_traces(shop.project.con, "shop", base_trace_id=BASE, trace_id="nosuch")


class RandomRuns:
    """A random tree of calls in two threads, and the same tree with one change."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0
        self.jobs = [self._tree(4, thread) for thread in (1, 2, 1, 2)]

    def _tree(self, depth: int, thread: int) -> Call:
        self.count += 1
        number = self.count
        calls = [self._tree(depth - 1, thread) for _ in range(self.random.randrange(depth))]
        return Call(self.random.choice("fgh"), {"n": self.random.randrange(3)}, number, calls, thread=thread)

    def changed(self, call: Call, number: int, change: str) -> Call:
        """Return the tree with one call changed, and with other results of all calls around it."""
        if call.returns == number:
            if change == "result":
                return replace(call, returns=-number)
            if change == "arguments":
                return replace(call, args={"n": 99})
            place = self.random.randint(0, len(call.calls))
            more = Call("extra", {}, 0, thread=call.thread)
            return replace(call, returns=-number, calls=[*call.calls[:place], more, *call.calls[place:]])
        calls = [self.changed(each, number, change) for each in call.calls]
        return call if calls == list(call.calls) else replace(call, calls=calls, returns=-call.returns)


@pytest.mark.parametrize("change", ["result", "arguments", "call"])
@pytest.mark.parametrize("seed", range(4))
def test_the_only_change_in_any_tree_is_found_first(shop: Shop, seed: int, change: str) -> None:
    runs = RandomRuns(seed)
    number = runs.random.randint(1, runs.count)
    jobs = [runs.changed(job, number, change) for job in runs.jobs]
    runs.random.shuffle(jobs)
    answer = shop.compare(runs.jobs, jobs)
    assert answer.first is not None
    ((result,),) = shop.project.con.execute(
        "SELECT return_value FROM call_records WHERE trace_no = (SELECT min(trace_no) FROM traces) AND call_id = ?",
        [answer.first.base_call_id],
    ).fetchall()
    assert int(result) == number
    expected = {
        "result": "look into this function",
        "arguments": "other arguments",
        "call": "it called other functions",
    }
    assert expected[change] in answer.first.what
    assert answer.others == []
