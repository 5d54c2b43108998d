"""Test which calls adaptive capture records, and how it counts the others."""

from __future__ import annotations

import pytest

from breadcrumb import record_format
from spool_reader import Trace, program


@pytest.mark.smoke
def test_adaptive_mode_counts_all_and_records_the_first_and_a_thinning_sample(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        "def f(n): return n\nfor i in range(1, 1001): f(i)\n",
        mode="adaptive",
        capture={"calls_per_function": 10},
    )
    recorded = [c.value for c in spool.named("f") if not c.late]
    assert recorded == [*range(1, 12), 22, 44, 88, 176, 352, 704]
    assert spool.count("f") == (1000, True)


def test_a_sample_rate_thins_out_evenly_in_both_modes(python: str, trace: Trace) -> None:
    for mode in ("full", "adaptive"):
        spool = trace(
            python,
            "def f(n): return n\nfor i in range(1, 201): f(i)\n",
            mode=mode,
            capture={"sample_rate": 0.1},
        )
        assert [c.value for c in spool.named("f") if not c.late] == list(range(10, 201, 10))
        assert spool.count("f") == (200, True)


def test_an_exception_in_a_call_that_was_only_counted_is_recorded(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def f(n):
                if n == 700: raise ValueError("at 700")
            for i in range(1000):
                try: f(i)
                except ValueError: pass
        """),
        mode="adaptive",
        capture={"calls_per_function": 5},
    )
    (raised,) = spool.of("exception")
    assert (raised["type"], raised["message"], raised["function"]) == ("ValueError", "at 700", "f")
    assert '"n": 700' in raised["locals"]


def test_counted_calls_are_timed(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import time
            def f(n):
                until = time.perf_counter_ns() + 20_000
                while time.perf_counter_ns() < until: pass
            for i in range(300): f(i)
        """),
        mode="adaptive",
        capture={"calls_per_function": 5},
    )
    counted = 300 - len(spool.named("f"))
    assert counted > 200
    assert spool.counted_ns("f") >= counted * 20_000


def test_a_slow_call_is_recorded_although_it_was_only_counted(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import time
            def f(n):
                if n in (700, 800): time.sleep(0.1 * (n - 690) / 10)
                if n == 800: raise ValueError(n)
                return n
            for i in range(1000):
                try: f(i)
                except ValueError: pass
        """),
        mode="adaptive",
        capture={"calls_per_function": 5},
    )
    slow = {call.args["n"]: call for call in spool.named("f") if call.late}
    assert slow[700].ended_ns is not None and slow[800].ended_ns is not None
    assert (slow[700].value, slow[700].outcome) == (700, record_format.OUTCOME_RETURNED)
    assert slow[700].ended_ns - slow[700].started_ns >= 100_000_000
    assert slow[800].outcome == record_format.OUTCOME_RAISED
    assert slow[800].ended_ns - slow[800].started_ns >= 1_000_000_000
    assert spool.count("f") == (1000, True)


def test_a_slow_coroutine_is_recorded_although_it_was_only_counted(monitoring_python: str, trace: Trace) -> None:
    spool = trace(
        monitoring_python,
        program("""
            import asyncio
            async def f(n):
                await asyncio.sleep(0.1 if n == 50 else 0)
                return n
            async def main():
                for i in range(100): await f(i)
            asyncio.run(main())
        """),
        mode="adaptive",
        capture={"calls_per_function": 5},
    )
    (slow,) = [call for call in spool.named("f") if call.args["n"] == 50]
    assert slow.late and slow.value == 50
    assert slow.ended_ns is not None and slow.ended_ns - slow.started_ns >= 100_000_000


def test_counted_calls_that_led_to_an_exception_are_recorded(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def inner(n, text):
                if n == 700: raise ValueError(text)
                return n
            def generate(n):
                yield inner(n, "at %d" % n)
            def outer(n):
                try: return list(generate(n))
                except ValueError: return None
            for i in range(1000): outer(i)
        """),
        mode="adaptive",
        capture={"calls_per_function": 5},
    )
    (raised,) = spool.of("exception")
    by_id = {call.call: call for call in spool.calls}
    chain = [by_id[raised["call"]]]
    while chain[-1].parent:
        chain.append(by_id[chain[-1].parent])
    assert [(call.function, call.args.get("n"), call.late) for call in chain] == [
        ("inner", 700, True), ("generate", 700, True), ("outer", 700, True), ("<module>", None, False),
    ]  # fmt: skip
    assert [call.outcome for call in chain] == [
        record_format.OUTCOME_RAISED, record_format.OUTCOME_RAISED,
        record_format.OUTCOME_RETURNED, record_format.OUTCOME_RETURNED,
    ]  # fmt: skip
    assert chain[0].args["text"] == "at 700"


def test_the_chain_of_an_exception_names_counted_calls_between_recorded_ones(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def inner(n):
                raise ValueError(n)
            def middle(n):
                if n == 700: inner(n)
            def outer():
                for i in range(1000): middle(i)
            try: outer()
            except ValueError: pass
        """),
        mode="adaptive",
        capture={"calls_per_function": 5},
    )
    (raised,) = spool.of("exception")
    names = {call.call: (call.function, call.args.get("n")) for call in spool.calls}
    assert [names[call] for call in raised["calls"]] == [
        ("<module>", None), ("outer", None), ("middle", 700), ("inner", 700),
    ]  # fmt: skip
    assert all(call.outcome is not None for call in spool.calls)


def test_a_million_raises_are_bounded_and_counted(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def fails(n): raise ValueError(n)
            import sys
            for n in range(1_000_000 if sys.version_info >= (3, 15) else 20_000):
                try: fails(n)
                except ValueError: pass
        """),
        mode="adaptive",
    )
    true_count, exact = spool.count("fails")
    assert len(spool.of("exception")) == 200
    (folded,) = spool.of("raises")
    assert (folded["type"], folded["function"], folded["line"]) == ("ValueError", "fails", 1)
    assert 200 + spool.counters[folded["process"]][2 * folded["slot"]] in (1_000_000, 20_000)
    assert true_count <= 1_000_000 and (exact or true_count < 1_000_000)


HOT = """
    import time
    def hot(n):
        if n == -1: raise ValueError("hot")
        return n
    def tick(): pass
    def loop(count):
        for i in range(count): hot(i)
"""


def test_a_function_that_is_too_hot_is_switched_off_and_its_count_is_a_lower_bound(
    monitoring_python: str, trace: Trace
) -> None:
    spool = trace(monitoring_python, program(HOT + "    loop(1_000_000)\n    print(hot(5))"), mode="adaptive")
    count, exact = spool.count("hot")
    assert spool.stdout == "5\n"
    assert 1_000 <= count < 1_000_000 and not exact
    assert spool.count("loop") == (1, True)


def test_a_function_that_is_switched_off_is_observed_again_later(monitoring_python: str, trace: Trace) -> None:
    spool = trace(
        monitoring_python,
        program(
            HOT
            + """
    loop(400_000)
    end = time.monotonic() + 2
    n = 1_000_000
    while time.monotonic() < end:
        if n % 1000 == 0: tick()  # so seldom that it is not switched off, and lets the tracer look at the others
        hot(n)
        n += 1
    """
        ),
        mode="adaptive",
    )
    late = [call.args["n"] for call in spool.named("hot") if call.args["n"] >= 1_000_000 and not call.late]
    assert len(late) >= 8


FIB = "def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\nprint(fib(%d))\n"


def test_a_call_that_runs_while_its_function_is_switched_off_has_an_end(monitoring_python: str, trace: Trace) -> None:
    spool = trace(monitoring_python, FIB % 20, mode="adaptive")
    assert spool.stdout == "6765\n"
    outermost = next(call for call in spool.named("fib") if call.args["n"] == 20)
    assert outermost.value == 6765
    assert [call for call in spool.calls if call.outcome is None] == []


def test_ends_are_awaited_as_long_as_the_budget_allows_and_a_notice_tells_which_are_not(
    monitoring_python: str, trace: Trace
) -> None:
    spool = trace(monitoring_python, FIB % 27 + "def later(): pass\nlater()\n", mode="adaptive")
    assert spool.stdout == "196418\n"
    assert not spool.count("fib")[1]
    unended = [call for call in spool.calls if call.outcome is None]
    assert bool(unended) == any(notice["code"] == "ends_unseen" for notice in spool.of("notice"))
    assert {call.function for call in unended} <= {"fib"}
    assert spool.one("later").parent == spool.one("<module>").call  # and not one of those that have ended unseen


def test_an_exception_in_a_function_that_is_switched_off_is_recorded_with_its_call(
    monitoring_python: str, trace: Trace
) -> None:
    spool = trace(
        monitoring_python,
        program(
            HOT
            + """
    loop(300_000)
    try: hot(-1)
    except ValueError: pass
    """
        ),
        mode="adaptive",
    )
    (raised,) = spool.of("exception")
    call = next(call for call in spool.calls if call.call == raised["call"])
    assert (call.function, call.args, call.outcome, call.late) == (
        "hot", {"n": -1}, record_format.OUTCOME_RAISED, True,
    )  # fmt: skip


def test_a_forked_child_observes_functions_that_its_parent_had_switched_off(
    monitoring_python: str, trace: Trace
) -> None:
    spool = trace(
        monitoring_python,
        program(
            HOT
            + """
    import os
    loop(300_000)
    if os.fork() == 0:
        hot(7)
        os._exit(0)
    os.wait()
    """
        ),
        mode="adaptive",
    )
    child = next(p["process"] for p in spool.of("process") if p["parent"])
    assert [call.args for call in spool.named("hot") if call.process == child] == [{"n": 7}]


def test_switching_off_leaves_other_tools_as_they_are(monitoring_python: str, trace: Trace) -> None:
    spool = trace(
        monitoring_python,
        program(
            HOT
            + """
    import sys
    monitoring = sys.monitoring
    monitoring.use_tool_id(monitoring.COVERAGE_ID, "cov")
    seen = []
    def start(code, offset):
        seen.append(code.co_name)
        return monitoring.DISABLE
    monitoring.register_callback(monitoring.COVERAGE_ID, monitoring.events.PY_START, start)
    monitoring.set_events(monitoring.COVERAGE_ID, monitoring.events.PY_START)
    loop(300_000)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        tick()
        hot(1)
    print(seen.count("hot"), seen.count("tick"))
    """
        ),
        mode="adaptive",
    )
    assert spool.stdout == "1 1\n"


def test_code_that_is_compiled_again_is_counted_as_one_function(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            for i in range(50):
                exec("def f(n): return n\\nf(1)\\nf(2)")
        """),
        mode="adaptive",
        capture={"calls_per_function": 10},
    )
    assert spool.count("f") == (100, True)
