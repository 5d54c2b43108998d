"""Test that the run report shows what happened and proposes the calls that lead on."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from breadcrumb_server.answers.common.budget import MAX_ANSWER_CHARS, size_of
from breadcrumb_server.answers.exceptions.answer import find_exceptions
from breadcrumb_server.answers.performance.answer import analyze_performance
from breadcrumb_server.answers.report.answer import build_report
from breadcrumb_storage.errors import BreadcrumbError

STARTED = datetime(2025, 1, 10, 12, 0, 0)


def test_an_uncaught_exception_is_shown_with_its_place_calls_arguments_and_locals(project, shop) -> None:
    report = build_report(project.con, "shop", trace_id=shop.trace.trace_id)

    assert (report.status, report.exit_code, report.signal, report.duration_ms) == ("failed", 1, None, 1235)
    [error] = report.exceptions
    assert (error.type, error.message, error.raised_at) == ("KeyError", "'rate'", "shop/pricing.py:14 total")
    assert error.outcome == "uncaught"
    assert error.calls[:2] == ["main.py:3 <module>", "shop/cart.py:33 checkout(order=2)"]
    assert error.calls[2].startswith("shop/pricing.py:14 total(items=[{'sku': 'a', 'note': 'xxx")
    assert error.calls[2].endswith(" chars), rate=None)")
    assert error.locals == ["items = [{'sku': 'a'}]", "rate = None", "table = {}"]
    assert report.next[0] == (
        f'get_flow(project="shop", trace_id="{shop.trace.trace_id}", around_call_id={shop.failing})'
    )
    assert report.next[1] == (
        'get_calls(project="shop", function="shop.pricing:total", '
        f'trace_id="{shop.trace.trace_id}", where={{"call_id": {shop.failing}}})'
    )


def test_the_report_is_short_and_leaves_out_empty_fields_except_those_that_readers_rely_on(project, shop) -> None:
    sent = json.loads(build_report(project.con, "shop", trace_id=None).model_dump_json())

    assert {"trace_id", "status", "exit_code", "signal", "duration_ms", "traced"} <= sent.keys()
    assert not {"warnings", "open_calls", "handled_exceptions", "label"} & sent.keys()
    assert sent["traced"] == {"processes": 1, "functions": 4, "calls": 7, "exceptions": 1}
    assert len(json.dumps(sent)) < 3_000


def test_an_exception_without_traced_calls_is_shown_with_the_end_of_its_stack(project) -> None:
    trace = project.trace(status="failed", exit_code=1)
    trace.process()
    trace.exception(uncaught=True, stack_trace="\n".join(f"/work/shop/a.py:{line} in f{line}" for line in range(90)))

    [error] = build_report(project.con, "shop", trace_id=None).exceptions

    assert error.calls == []
    assert error.stack[-1] == "/work/shop/a.py:89 in f89"


def test_the_chain_of_an_exception_from_untraced_code_ends_with_its_place(project) -> None:
    trace = project.trace(status="failed", exit_code=1)
    trace.process()
    load = trace.function("load", "shop.files", 5)
    trace.exception(
        "json.JSONDecodeError", "bad", uncaught=True, call_id=1, function_name="raw_decode", module_name="json.decoder",
        file="/usr/lib/python3.12/json/decoder.py", line=355,
        stack_trace="/work/shop/shop/files.py:8 in load\n/usr/lib/python3.12/json/decoder.py:355 in raw_decode",
    )  # fmt: skip
    trace.call(load, args={"text": "{"}, raises=1)

    [error] = build_report(project.con, "shop", trace_id=None).exceptions

    assert error.calls == ["shop/files.py:8 load(text='{')", "json/decoder.py:355 raw_decode (not traced)"]


def test_an_exception_raised_in_a_gap_leads_to_tracing_that_gap_first(project) -> None:
    trace = project.trace(status="failed", exit_code=1)
    trace.process()
    tax = trace.function("tax_on", "shop.taxes", 5)
    site = "/work/shop/.venv/lib/python3.12/site-packages"
    trace.exception(
        uncaught=True, call_id=1, function_name="rate", module_name="book.rates", file=f"{site}/book/rates.py"
    )
    trace.call(tax, raises=1)
    trace.gap("f", "shop.other", caller=tax, calls=99, ms=99)
    trace.gap("rate", "book.rates", caller=tax, file=f"{site}/book/rates.py")

    report = build_report(project.con, "shop", trace_id=None)

    assert report.next[:2] == [
        'edit_config(project="shop", add_include=["book.rates"])',
        'run(project="shop", command="python main.py", timeout_seconds=60)',
    ]


def test_gaps_in_the_standard_library_are_not_in_the_report(project) -> None:
    trace = project.trace()
    trace.process()
    trace.call(trace.function("main"))
    trace.gap("loads", "json", file="/usr/lib/python3.12/json/__init__.py", ms=50)

    report = build_report(project.con, "shop", trace_id=None)

    assert (report.gaps, report.edit_config) == (None, "")
    assert report.next[-1] == f'find_gaps(project="shop", trace_id="{trace.trace_id}")'


def test_causes_are_listed_in_order_even_if_they_are_circular(project) -> None:
    trace = project.trace(status="failed", exit_code=1)
    trace.process()
    trace.exception("OSError", "disk", context_id=3)
    trace.exception("ValueError", "bad file", context_id=1)
    trace.exception("ShopError", "no prices", cause_id=2, uncaught=True)

    [error, *_] = build_report(project.con, "shop", trace_id=None).exceptions

    assert error.causes == [
        "caused by ValueError: bad file, raised at shop/pricing.py:14 total",
        "while handling OSError: disk, raised at shop/pricing.py:14 total",
    ]


def test_a_deep_recursion_is_shown_by_both_ends_with_a_count_of_the_middle(project) -> None:
    trace = project.trace(status="failed", exit_code=1)
    trace.process()
    fib = trace.function("fib", "shop.math", 2)
    trace.exception("RecursionError", "too deep", uncaught=True, call_id=900)
    parent = None
    for depth in range(900):
        parent = trace.call(fib, parent, args={"n": depth}, raises=1, at_ms=depth, ms=2_000 - 2 * depth)

    [error] = build_report(project.con, "shop", trace_id=None).exceptions

    assert error.calls[0] == "shop/math.py:2 fib(n=0)"
    assert "… 888 calls not shown: fib x888" in error.calls
    assert "fib(n=899)" in error.calls[-2]


def test_an_exception_that_a_test_runner_caught_is_shown_like_an_uncaught_one(project) -> None:
    trace = project.trace(status="failed", exit_code=1)
    trace.process()
    test = trace.function("test_total", "tests.test_pricing", 3)
    trace.exception("AssertionError", "1 != 2", call_id=1, handled=True, handled_by="_pytest.runner:from_call:341")
    trace.exception("KeyError", "'x'", call_id=1, handled=True, handled_by="tests.test_pricing:test_total:5")
    trace.call(test, raises=1)

    report = build_report(project.con, "shop", trace_id=None)

    [error] = report.exceptions
    assert (error.type, error.outcome) == (
        "AssertionError",
        "handled by _pytest.runner:from_call:341, which is not traced",
    )
    assert report.handled_exceptions is not None
    assert report.handled_exceptions.rows == [
        ["KeyError", "shop/pricing.py:14 total", 1, "'x'", "tests.test_pricing:test_total:5"]
    ]


def test_control_flow_is_no_exception_and_neither_is_a_successful_exit(project) -> None:
    trace = project.trace()
    trace.process()
    trace.function("main")
    trace.exception("StopIteration", "", control_flow=True)
    trace.exception("SystemExit", "0", uncaught=True)

    report = build_report(project.con, "shop", trace_id=None)

    assert report.exceptions == []
    assert report.traced
    assert report.traced.exceptions == 1


def test_the_exit_of_a_runner_is_left_out_if_another_exception_explains_it(project) -> None:
    trace = project.trace(status="failed", exit_code=1)
    trace.process()
    trace.exception("KeyError", "'food'", handled=True)
    trace.exception("SystemExit", "1", uncaught=True)

    report = build_report(project.con, "shop", trace_id=None)

    assert [(each.type, each.outcome) for each in report.exceptions] == [
        ("KeyError", "left the traced code; who handled it is not known")
    ]
    assert report.notes == []


def test_failed_lookups_of_names_are_left_out_if_there_are_other_exceptions(project) -> None:
    trace = project.trace(status="failed", exit_code=1)
    trace.process()
    trace.exception("KeyError", "'food'", handled=True)
    for name in ("foo", "__path__", "bar", "baz"):
        trace.exception("AttributeError", name, function_name="__getattr__", module_name="lazy", handled=True)

    report = build_report(project.con, "shop", trace_id=None)

    assert [each.type for each in report.exceptions] == ["KeyError"]
    found = find_exceptions(project.con, "shop")
    assert [each.type for each in found.exceptions] == ["KeyError"] + ["AttributeError"] * 4


def test_a_failed_lookup_that_ends_the_program_comes_first(project) -> None:
    trace = project.trace(status="failed", exit_code=1)
    trace.process()
    trace.exception("KeyError", "'food'", handled=True)
    trace.exception("AttributeError", "foo", function_name="Lazy.__getattr__", uncaught=True)

    assert [each.type for each in build_report(project.con, "shop", trace_id=None).exceptions] == [
        "AttributeError",
        "KeyError",
    ]


def test_an_exit_is_shown_if_it_is_the_only_exception(project) -> None:
    trace = project.trace(status="failed", exit_code=3)
    trace.process()
    trace.exception("SystemExit", "3", uncaught=True)

    assert build_report(project.con, "shop", trace_id=None).exceptions[0].type == "SystemExit"


def test_the_report_states_first_that_nothing_was_traced_and_why(project) -> None:
    project.trace(not_traced_reason="the interpreter was started with -I, which skips sitecustomize")

    report = build_report(project.con, "shop", trace_id=None)

    assert report.not_traced[0].startswith("NOTHING WAS TRACED")
    assert "-I" in report.not_traced[1]


def test_the_report_says_that_no_pattern_matched_and_proposes_one_from_the_gaps(project) -> None:
    trace = project.trace()
    trace.process()
    trace.gap("main", "app.start", calls=1)

    report = build_report(project.con, "shop", trace_id=None)

    assert "no code that ran matches the include patterns ['__main__', 'shop']" in report.not_traced[0]
    assert report.next[0] == 'edit_config(project="shop", add_include=["app.start"])'


def test_sampling_notices_unfinished_calls_and_killed_processes_are_reported(project) -> None:
    trace = project.trace()
    trace.process(ended=False)
    hot = trace.function("hot", started_count=54_321)
    trace.call(hot, ms=2)
    trace.call(hot, ms=None)
    trace.notice("backend", "sys.monitoring was in use by a debugger: settrace was used")

    report = build_report(project.con, "shop", trace_id=None)

    assert report.traced
    assert report.traced.calls == 2
    assert report.traced.calls_started == 54_321
    assert "shop.pricing:hot, 2 of 54,321 recorded" in report.not_traced[0]
    assert report.warnings == [
        "in a process of the program: sys.monitoring was in use by a debugger: settrace was used",
        "1 process ended without Python's exit (a signal, os._exit, or an exec of another program): 100 python main.py",
        "1 call had not ended when the recording did",
    ]
    assert report.hot is not None
    assert report.hot.rows == [["shop.pricing:hot", 54_321, 2.0, 2.0, 2]]


def test_several_processes_are_listed_with_their_parents_and_ends(project) -> None:
    trace = project.trace()
    trace.process(command="sh-like.py")
    trace.process(1, parent_process_id=0, started_by="exec", command="python main.py")
    trace.process(2, parent_process_id=1, started_by="fork", name="ForkPoolWorker-1", ended=False)
    trace.process(3, parent_process_id=1, started_by="fork")
    trace.call(trace.function("main", "__main__"), ms=None)  # of the process that exec replaced: not a fault
    work = trace.function("work", process_id=2)
    for _ in range(3):
        trace.call(work, process_id=2)

    report = build_report(project.con, "shop", trace_id=None)

    assert report.traced
    assert report.traced.processes == 4
    assert report.processes is not None
    assert report.processes.columns == ["process", "parent", "what", "calls", "end"]
    assert report.processes.rows == [
        [0, None, "sh-like.py", 1, "exec"],
        [1, 0, "exec: python main.py", 0, "exit"],
        [2, 1, "ForkPoolWorker-1", 3, "none"],
        [3, 1, "fork", 0, "exit"],
    ]
    assert report.open_calls == []
    assert [text.partition(": ")[2] for text in report.warnings] == ["102 ForkPoolWorker-1"]


def test_after_a_timeout_the_report_shows_the_open_calls_of_each_thread(project) -> None:
    trace = project.trace(status="timeout", exit_code=None, signal="SIGTERM")
    trace.process(ended=False)
    trace.thread(1, "worker")
    main = trace.function("main", "__main__", 1)
    wait = trace.function("wait", "shop.queue", 7)
    root = trace.call(main, ms=None)
    trace.call(wait, root, args={"seconds": 60}, ms=None, call_line=9)
    last = trace.call(wait, args={"seconds": 5}, ms=None, thread_id=1)

    report = build_report(project.con, "shop", trace_id=None)

    assert report.open_calls == [
        "worker:",
        "shop/queue.py:7 wait(seconds=5)",
        "MainThread:",
        "main.py:9 main()",
        "shop/queue.py:7 wait(seconds=60)",
    ]
    assert f'where={{"call_id": {last}}}' in report.next[0]


def test_the_report_on_a_running_program_shows_its_progress_and_proposes_to_wait_or_stop(project) -> None:
    trace = project.trace(status="running", exit_code=None, duration_ms=None)
    trace.process(ended=False)
    trace.call(trace.function("serve", "shop.app", 40), args={"port": 80}, ms=None)

    report = build_report(project.con, "shop", trace_id=None)

    assert report.traced
    assert report.traced.calls == 1
    assert report.open_calls == ["shop/app.py:40 serve(port=80)"]
    assert report.next[0] == f'wait_for_run(project="shop", trace_id="{trace.trace_id}", wait_seconds=45)'
    assert report.next[2].startswith("stop_run(")


@pytest.mark.parametrize(
    ("status", "by_function"),
    [("running", False), ("running", True), ("stopped", False), ("stopped", True), ("timeout", False)],
)
def test_of_a_server_the_flow_is_proposed_and_not_the_script_that_started_it(project, status, by_function) -> None:
    trace = project.trace(status=status, exit_code=None, duration_ms=None)
    trace.process(ended=False)
    script = trace.call(trace.function("<module>", "__main__", kind="module"), ms=None)
    if by_function:  # as in manage.py
        trace.call(trace.function("main", "__main__"), script, args={}, ms=None)
    trace.thread(1, "worker")
    trace.call(trace.function("view"), thread_id=1)

    proposed = build_report(project.con, "shop", trace_id=None).next

    assert f'get_flow(project="shop", trace_id="{trace.trace_id}")' in proposed
    assert not [each for each in proposed if "__main__" in each or "around_call_id" in each]


def test_of_a_stopped_server_with_an_exception_the_flow_around_that_is_proposed(project) -> None:
    trace = project.trace(status="stopped", exit_code=None)
    trace.process()
    trace.call(trace.function("<module>", "__main__", kind="module"), ms=None)
    trace.thread(1, "worker")
    view = trace.call(trace.function("view"), thread_id=1)
    trace.exception("KeyError", "'zz'", call_id=view, handled=True, handled_by="gunicorn.workers:handle:9")

    proposed = build_report(project.con, "shop", trace_id=None).next

    assert [each.partition("(")[0] for each in proposed[:2]] == ["get_flow", "get_calls"]
    assert f"around_call_id={view}" in proposed[0]


def test_time_of_a_recursive_function_is_not_counted_twice(project) -> None:
    trace = project.trace()
    trace.process()
    main, fact = trace.function("main"), trace.function("fact")
    root = trace.call(main, ms=12, child_ns=10_000_000)
    outer = trace.call(fact, root, ms=10, child_ns=8_000_000)
    trace.call(fact, outer, ms=8)

    report = build_report(project.con, "shop", trace_id=None)

    assert report.hot is not None
    assert report.hot.rows == [["shop.pricing:fact", 2, 10.0, 10.0], ["shop.pricing:main", 1, 12.0, 2.0]]


def test_time_of_mutually_recursive_functions_is_not_counted_twice(project) -> None:
    trace = project.trace()
    trace.process()
    parse, rule = trace.function("parse"), trace.function("rule")
    for thread in (0, 1):  # concurrent calls in two threads both count
        outer = trace.call(parse, at_ms=10, ms=20, child_ns=18_000_000, thread_id=thread)
        within = trace.call(rule, outer, at_ms=11, ms=18, child_ns=15_000_000, thread_id=thread)
        trace.call(parse, within, at_ms=12, ms=10, child_ns=0, thread_id=thread)
        trace.call(parse, within, at_ms=23, ms=5, thread_id=thread)
    trace.call(parse, at_ms=40, ms=3)

    report = build_report(project.con, "shop", trace_id=None)

    assert report.hot is not None
    totals = {row[0]: row[2] for row in report.hot.rows}
    assert totals == {"shop.pricing:parse": 43.0, "shop.pricing:rule": 36.0}


@pytest.mark.parametrize("size", [1, 3_000, 100_000])
def test_the_report_fits_and_names_the_exception_however_long_its_parts_are(project, size) -> None:
    trace = project.trace(
        status="failed", exit_code=1, label="é" * size, command="python " + "x" * size,
        stdout_tail="\x1b" * size, stderr_tail='"\\' * size,
    )  # fmt: skip
    for number in range(4):
        trace.process(number, ended=False)
    for number in range(12):
        name = f"f{number}" + "y" * size
        trace.function(name, "shop.m" + "z" * size)
        trace.notice(f"n{number}", "w" * size)
        trace.gap(name, f"gap{number}" + "g" * size, calls=number + 1)
        trace.exception(
            f"Error{number}" + "e" * size, "m" * size, call_id=number + 1, uncaught=number < 6,
            handled=number >= 6, handled_by=f"shop.m{'z' * size}:{name}:1",
            locals=json.dumps({f"v{number}{'n' * size}": "\x00" * size}), stack_trace="s" * size,
        )  # fmt: skip
        trace.call(number + 1, number or None, args=json.dumps({"a" * size: "\ud800" * size}), raises=number + 1)
        trace.call(number + 1, ms=None)

    report = build_report(project.con, "shop", trace_id=None)

    assert size_of(report) <= MAX_ANSWER_CHARS
    assert report.trace_id == trace.trace_id
    assert report.exceptions[0].type.startswith("Error")


def test_an_unknown_trace_is_an_error_that_names_the_newest_trace(project, shop) -> None:
    with pytest.raises(BreadcrumbError, match=shop.trace.trace_id):
        build_report(project.con, "shop", trace_id="20990101")


def test_lower_bounds_and_raises_that_were_only_counted_are_reported(project) -> None:
    trace = project.trace()
    trace.process()
    hot = trace.function("hot", started_count=150_000, exact=False, counted_ns=3_000_000)
    trace.call(hot, ms=1)
    trace.exception(call_id=1, handled=True, handled_by="shop.pricing:hot:9")
    trace.further_raises(999_999)

    report = build_report(project.con, "shop", trace_id=None)

    assert report.hot is not None and report.handled_exceptions is not None
    assert report.hot.rows == [["shop.pricing:hot", ">=150000", 4.0, 4.0, 1]]
    assert report.traced
    assert report.traced.calls_started == ">=150000"
    assert report.not_traced[0].startswith(">=149,999 calls of 1 function were counted but not recorded")
    assert "switched off" in report.not_traced[0] and "shop.pricing:hot" in report.not_traced[0]
    assert report.handled_exceptions.rows[0][2] == 1_000_000
    assert report.traced
    assert report.traced.exceptions == 1_000_000


def test_a_failed_run_leads_to_a_comparison_with_the_last_completed_run_of_its_command(project) -> None:
    def run(command: str, status: str, *, calls: int = 1) -> str:
        trace = project.trace(command=command, status=status)
        trace.process()
        for _ in range(calls):
            trace.call(trace.function("main"))
        return trace.trace_id

    run("python main.py", "completed")
    passed = run("python main.py", "completed")
    run("python main.py", "completed", calls=0)  # nothing to compare with
    run("python other.py", "completed")
    failed = run("python main.py", "failed")
    proposed = f'compare_traces(project="shop", base_trace_id="{passed}", trace_id="{failed}")'

    assert proposed in build_report(project.con, "shop", trace_id=failed).next
    for trace_id in (passed, run("python third.py", "failed")):
        assert "compare_traces" not in str(build_report(project.con, "shop", trace_id=trace_id).next)


def test_after_a_failed_assertion_of_the_program_the_flow_that_led_to_it_is_proposed_first(project) -> None:
    trace = project.trace(status="failed", exit_code=1)
    trace.process()
    main = trace.call(trace.function("main"), ms=400)
    trace.exception("AssertionError", "1 != 2", call_id=main, uncaught=True)

    report = build_report(project.con, "shop", trace_id=None)

    assert report.next[0] == f'get_flow(project="shop", trace_id="{trace.trace_id}", root_call_id={main})'
    assert not [proposed for proposed in report.next if proposed.startswith("analyze_performance")]


@pytest.mark.parametrize(("kind", "message"), [("AssertionError", "1 != 2"), ("SystemExit", "revenue 63, ledger 19")])
def test_the_flow_to_a_failed_check_begins_at_the_caller_of_a_function_that_only_checks(project, kind, message) -> None:
    trace = project.trace(status="failed", exit_code=1)
    trace.process()
    report_call = trace.call(trace.function("make_report"), ms=400, child_ns=300_000_000)
    trace.call(trace.function("revenue"), report_call, ms=299)
    check = trace.call(trace.function("check"), report_call, ms=1)
    trace.exception(kind, message, call_id=check, uncaught=True)

    report = build_report(project.con, "shop", trace_id=None)

    assert report.next[0] == f'get_flow(project="shop", trace_id="{trace.trace_id}", root_call_id={report_call})'


def test_an_exit_with_a_number_is_no_failed_check(project) -> None:
    trace = project.trace(status="failed", exit_code=3)
    trace.process()
    main = trace.call(trace.function("main"), ms=400)
    trace.exception("SystemExit", "3", call_id=main, uncaught=True)

    report = build_report(project.con, "shop", trace_id=None)

    assert report.next[0] == f'get_flow(project="shop", trace_id="{trace.trace_id}", around_call_id={main})'


@pytest.mark.parametrize(("others", "first"), [(3, "edit_config"), (4, "get_flow")])
def test_a_package_is_traced_before_the_flow_is_read_only_if_hardly_any_own_functions_are(
    project, others, first
) -> None:
    trace = project.trace(status="failed", exit_code=1, config={"include": ["__main__"]})
    trace.process()
    main = trace.function("main", "__main__")
    call = trace.call(main, ms=9, child_ns=3_000_000)
    for number in range(others):
        trace.call(trace.function(f"step_{number}", "__main__"), call)
    trace.exception("AssertionError", "accuracy 0.80", call_id=call, module_name="__main__", uncaught=True)
    site = "/work/shop/.venv/lib/python3.12/site-packages"
    trace.gap("Pipeline.fit", "sklearn.pipeline", caller=main, file=f"{site}/sklearn/pipeline.py", ms=900)

    report = build_report(project.con, "shop", trace_id=None)

    assert report.next[0].startswith(f"{first}(")


def test_the_exception_of_a_cell_comes_before_that_of_the_program_that_executed_the_notebook(project) -> None:
    trace = project.trace(status="failed", exit_code=1, config={"workspace": "/work/shop", "include": ["__main__"]})
    trace.process(0)
    site = "/work/shop/.venv/lib/python3.12/site-packages"
    kernel = trace.function("<module>", "__main__", kind="module", file=f"{site}/ipykernel_launcher.py")
    cell = trace.call(trace.function("total", "__main__", file="In [3]"), trace.call(kernel))
    trace.exception(
        "ZeroDivisionError", "division by zero", call_id=cell, function_name="total", module_name="__main__",
        file="In [3]", handled=True, handled_by="IPython.core.interactiveshell:InteractiveShell.run_code:9",
    )  # fmt: skip
    launcher = trace.call(
        trace.function("<module>", "__main__", kind="module", file=f"{site}/nbclient/__main__.py"), ms=500
    )
    trace.exception(
        "nbclient.exceptions.CellExecutionError", "An error occurred", call_id=launcher, uncaught=True,
        function_name="NotebookClient._check", module_name="nbclient.client", file=f"{site}/nbclient/client.py",
    )  # fmt: skip

    report = build_report(project.con, "shop", trace_id=None)

    assert [each.type for each in report.exceptions] == ["ZeroDivisionError", "nbclient.exceptions.CellExecutionError"]
    assert report.next[0] == f'get_flow(project="shop", trace_id="{trace.trace_id}", around_call_id={cell})'


def test_untraced_own_code_is_included_before_the_flow_to_a_failed_assertion_is_proposed(project) -> None:
    trace = project.trace(status="failed", exit_code=1)
    trace.process()
    main = trace.function("main")
    trace.exception("AssertionError", "1 != 2", call_id=trace.call(main), uncaught=True)
    trace.gap("convert", "shop.currency", caller=main)

    report = build_report(project.con, "shop", trace_id=None)

    assert [proposed.partition("(")[0] for proposed in report.next] == ["edit_config", "run", "get_flow"]


@pytest.mark.parametrize(
    ("ms", "others_ms", "place", "tool"),
    [(400, 300, 0, "analyze_performance"), (400, 500, 1, "get_calls"), (50, 1, 1, "get_calls")],
)
def test_the_performance_of_a_function_that_took_most_of_a_run_is_proposed_before_the_flow(
    project, ms, others_ms, place, tool
) -> None:
    trace = project.trace()
    trace.process()
    trace.call(trace.function("<module>"), ms=others_ms)
    trace.call(trace.function("total"), ms=ms)

    report = build_report(project.con, "shop", trace_id=None)

    proposed = f'{tool}(project="shop", function="shop.pricing:total", trace_id="{trace.trace_id}")'
    flow = f'get_flow(project="shop", trace_id="{trace.trace_id}")'
    assert report.next[:2] == ([flow, proposed] if place else [proposed, flow])


def test_the_module_of_a_test_runner_is_neither_in_the_hot_functions_nor_in_chains(project) -> None:
    trace = project.trace(status="failed", exit_code=1)
    trace.process()
    runner = "/env/lib/python3.12/site-packages/pytest/__main__.py"
    started = trace.call(trace.function("<module>", module="__main__", file=runner), ms=9_000)
    call = trace.call(trace.function("total", line=12), started, ms=3)
    trace.exception(call_id=call, uncaught=True)

    report = build_report(project.con, "shop", trace_id=None)
    assert report.hot is not None
    assert [row[0] for row in report.hot.rows] == ["shop.pricing:total"]
    assert report.exceptions[0].calls == ["shop/pricing.py:12 total()"]
    performance = analyze_performance(project.con, "shop")
    assert [(row[0], row[4]) for row in performance.functions.rows] == [("shop.pricing:total", "100%")]
    assert "pytest/__main__.py" in performance.notes[0]
    asked = analyze_performance(project.con, "shop", function="__main__:<module>")
    assert [row[0] for row in asked.functions.rows] == ["__main__:<module>"]


def test_calls_whose_ends_were_missed_near_the_recursion_limit_are_not_shown_as_open(project) -> None:
    trace = project.trace(status="failed", exit_code=1)
    trace.process()
    dive = trace.function("dive")
    outer = trace.call(dive, ms=5)
    trace.call(dive, outer, ms=None)
    trace.notice("recursion_limit", "near the recursion limit the tracer had no room to run")

    report = build_report(project.con, "shop", trace_id=None)
    assert report.open_calls == []
    assert report.warnings[-1] == "1 call ended unseen (shown as unfinished)"


def trace_with_lines(project, *functions: str, **columns):
    trace = project.trace(config={"capture": {"lines": list(functions)}}, **columns)
    trace.process()
    return trace


def test_calls_with_recorded_lines_are_proposed_first(project) -> None:
    trace = trace_with_lines(project, "shop.pricing:total", "never_called")
    total = trace.call(trace.function("total"), ms=1)
    trace.lines(total, (5, {}), (None, {"rate": 0}))
    main = trace.function("main", "__main__")
    trace.call(main, ms=99)
    trace.gap("convert", "shop.currency", caller=main)

    report = build_report(project.con, "shop", trace_id=None)

    assert report.next[0] == f'get_calls(project="shop", function="shop.pricing:total", trace_id="{trace.trace_id}")'
    assert report.next[1] == 'edit_config(project="shop", add_include=["shop.*"])'
    # The proposed run records the same lines as this one.
    assert report.next[2].endswith('capture={"lines": ["shop.pricing:total", "never_called"]})')


def test_the_function_with_lines_that_is_next_to_the_exception_is_proposed(project) -> None:
    trace = trace_with_lines(project, "shop.pricing:*", status="failed", exit_code=1)
    outer, inner, other = (trace.function(name) for name in ("outer", "inner", "other"))
    trace.call(other, ms=500)
    first = trace.call(outer, ms=9)
    last = trace.call(inner, first, ms=2)
    raising = trace.call(trace.function("check", "shop.checks"), last)
    trace.exception(
        "ValueError", "bad", call_id=raising, uncaught=True, function_name="check", module_name="shop.checks"
    )

    report = build_report(project.con, "shop", trace_id=None)

    assert report.next[0] == (
        f'get_calls(project="shop", function="shop.pricing:inner", trace_id="{trace.trace_id}", '
        f'where={{"call_id": {last}}})'
    )


def swallowed(trace, **columns) -> int:
    row = {"handled": True, "handled_by": "shop.pricing:total:9", "message": "bad", **columns}
    return trace.exception(row.pop("type", "ValueError"), **row)


def test_a_failed_assertion_of_a_script_leads_to_the_exceptions_that_were_handled_before(project) -> None:
    trace = project.trace(status="failed", exit_code=1)
    trace.process()
    trace.function("<module>", "__main__", kind="module")
    main = trace.call(trace.function("total"), ms=400)
    trace.exception("AssertionError", "1 != 2", call_id=main, uncaught=True)
    swallowed(trace, type="ImportError", handled_by="__main__:<module>:3")
    found = f'find_exceptions(project="shop", trace_id="{trace.trace_id}")'

    assert found not in build_report(project.con, "shop", trace_id=None).next[:2]  # an optional import swallows nothing
    swallowed(trace)
    assert build_report(project.con, "shop", trace_id=None).next[1] == found


def test_handled_exceptions_are_ranked_by_how_instructive_they_are(project) -> None:
    trace = project.trace(status="failed", exit_code=1)
    trace.process()
    body = trace.function("<module>", "shop.compat", kind="module")
    trace.call(body, at_ms=0.5, ms=4)
    total = trace.function("total")
    test = trace.call(total)
    swallowed(trace, type="ImportError", module_name="shop.compat", line=2)  # while the module was imported
    swallowed(trace, type="LookupError", module_name="shop.compat", line=3)
    later = STARTED + timedelta(milliseconds=6)
    for _ in range(3):
        swallowed(trace, type="OftenError", raised_at=later)
    swallowed(trace, type="RareError", raised_at=later)
    for _ in range(2):
        swallowed(trace, type="UnderTestError", raised_at=STARTED + timedelta(milliseconds=12))
    trace.test("test_shop.py::test_total", test, test, "failed", message="assert 0")

    report = build_report(project.con, "shop", trace_id=None)

    assert report.handled_exceptions is not None
    ranked = ["UnderTestError", "RareError", "OftenError", "LookupError", "ImportError"]
    assert [row[0] for row in report.handled_exceptions.rows] == ranked
    assert [each.type for each in find_exceptions(project.con, "shop").exceptions] == ranked


def test_the_recorded_flow_comes_before_another_package_once_one_package_is_traced(project) -> None:
    site = "/work/shop/.venv/lib/python3.12/site-packages"
    trace = project.trace(status="failed", exit_code=1, config={"include": ["__main__", "sheets.*"]})
    trace.process()
    main = trace.function("main", "__main__")
    root = trace.call(main, ms=50)
    trace.exception("AssertionError", "1 != 2", call_id=root, uncaught=True)
    trace.gap("xmlfile", "et_xmlfile.writer", caller=main, file=f"{site}/et_xmlfile/writer.py", ms=9)
    edit = 'edit_config(project="shop", add_include=["et_xmlfile.writer"])'

    assert build_report(project.con, "shop", trace_id=None).next[0] == edit
    trace.call(trace.function("save", "sheets.book", file=f"{site}/sheets/book.py"), root)
    report = build_report(project.con, "shop", trace_id=None)
    assert report.next[0].startswith("get_flow(")
    assert report.edit_config == edit


def test_the_rest_of_a_partly_traced_package_is_proposed_after_the_recorded_calls(project) -> None:
    site = "/work/shop/.venv/lib/python3.12/site-packages"
    trace = project.trace(config={"include": ["__main__", "sheets.book"]})
    trace.process()
    trace.call(trace.function("main", "__main__"), ms=50)
    save = trace.function("save", "sheets.book", file=f"{site}/sheets/book.py")
    trace.exception("ValueError", "bad", call_id=trace.call(save), handled=True)
    trace.gap("write", "sheets.writer", caller=save, file=f"{site}/sheets/writer.py", ms=9)

    report = build_report(project.con, "shop", trace_id=None)

    assert [proposed.partition("(")[0] for proposed in report.next[:2]] == ["get_flow", "get_calls"]
    assert report.next[2] == 'edit_config(project="shop", add_include=["sheets.*"])'


def test_a_gap_names_its_most_frequent_caller_and_the_number_of_others(project) -> None:
    trace = project.trace()
    trace.process()
    for name, calls in (("first", 3), ("second", 40), ("third", 1)):
        trace.gap("convert", "shop.currency", caller=trace.function(name), calls=calls)

    report = build_report(project.con, "shop", trace_id=None)

    assert report.gaps is not None
    assert report.gaps.rows == [["shop.currency:convert", "shop.pricing:second and 2 more", 44, None, "shop.currency"]]


SITE = "/work/shop/.venv/lib/python3.12/site-packages"


def busy_run(project, *, calls: int, library: str | None = SITE, **columns):
    """Make a run with this number of calls of a library."""
    trace = project.trace(exit_code=None, **columns)
    trace.process(ended=False)
    file = {"file": f"{library}/finder/matching.py"} if library else {}
    trace.call(trace.function("main", "__main__"), ms=None)
    trace.call(trace.function("Matcher.next", "finder.matching", started_count=calls * 3 // 4, **file))
    trace.call(trace.function("Index.get", "finder.index", started_count=calls // 4, **file))
    return trace


def test_a_timeout_leads_to_excluding_the_busiest_module_of_a_library(project) -> None:
    trace = busy_run(project, calls=4_000_000, status="timeout", signal="SIGTERM")

    report = build_report(project.con, "shop", trace_id=None)

    assert report.next == [
        f'get_calls(project="shop", function="__main__:main", trace_id="{trace.trace_id}", where={{"call_id": 1}})',
        'edit_config(project="shop", add_exclude=["finder.matching"])',
        'run(project="shop", command="python main.py", timeout_seconds=240)',
    ]
    assert "3,000,000 of the 4,000,001 calls are of finder.matching" in report.notes[-1]


def test_a_timeout_in_own_code_leads_to_a_longer_timeout(project) -> None:
    trace = busy_run(project, calls=4_000_000, library=None, status="timeout")
    trace.gap("convert", "shop.currency", calls=9, caller=1)

    assert build_report(project.con, "shop", trace_id=None).next[1:] == [
        'edit_config(project="shop", add_include=["shop.*"])',
        'run(project="shop", command="python main.py", timeout_seconds=240)',
    ]


def test_a_long_run_can_be_stopped_and_repeated_with_less_tracing(project) -> None:
    trace = busy_run(project, calls=4_000_000, status="running", duration_ms=45_000)

    assert build_report(project.con, "shop", trace_id=None).next == [
        f'wait_for_run(project="shop", trace_id="{trace.trace_id}", wait_seconds=45)',
        f'stop_run(project="shop", trace_id="{trace.trace_id}")',
        'edit_config(project="shop", add_exclude=["finder.matching"])',
    ]


@pytest.mark.parametrize(
    "run",
    [
        {"calls": 4_000_000, "status": "running", "duration_ms": 5_000},  # no trouble yet
        {"calls": 4_000, "status": "timeout"},  # it waits
        {"calls": 4_000_000, "status": "timeout", "library": None},  # one's own code
        {"calls": 4_000_000, "status": "completed"},
    ],
)
def test_no_exclusion_is_proposed_for_a_run_that_no_library_slows_down(project, run) -> None:
    busy_run(project, **run)

    report = build_report(project.con, "shop", trace_id=None)

    assert "add_exclude" not in str(report.next)
    assert report.notes == []


def test_an_exception_with_several_handlers_names_one_and_counts_the_others(project) -> None:
    trace = project.trace()
    trace.process()
    call = trace.call(trace.function("load"))
    trace.function("other")
    for handler in ("shop.pricing:load:5", "shop.pricing:load:5", "shop.pricing:other:9"):
        trace.exception("ValueError", "no", call_id=call, handled=True, handled_by=handler)
    handled = build_report(project.con, "shop", trace_id=None).handled_exceptions
    assert handled is not None
    assert [row[-1] for row in handled.rows] == ["shop.pricing:load:5 and 1 more"]


SITE = "/work/shop/.venv/lib/python3.12/site-packages"


def test_packages_are_not_proposed_where_own_code_raised(project, shop) -> None:
    shop.trace.gap("get", "requests.api", ms=40, file=f"{SITE}/requests/api.py", caller=shop.total)
    report = build_report(project.con, "shop", trace_id=None)
    assert report.edit_config == "" and not [text for text in report.next if "edit_config" in text]
    assert report.gaps is not None and report.gaps.rows[0][0] == "requests.api:get"

    shop.trace.gap("convert", "shop.money", caller=shop.total)
    assert 'add_include=["shop.*"]' in build_report(project.con, "shop", trace_id=None).edit_config


@pytest.mark.parametrize(
    "raised",
    [
        {"exception_type": "AssertionError"},
        {"module_name": "requests.api", "function_name": "get", "file": f"{SITE}/requests/api.py"},
    ],
)
def test_packages_are_proposed_where_the_cause_may_be_in_them(project, raised) -> None:
    trace = project.trace(status="failed", exit_code=1, config={"include": ["__main__"]})
    trace.process()
    main = trace.function("main", "__main__", file="/work/shop/main.py")
    own = {"module_name": "__main__", "function_name": "main", "file": "/work/shop/main.py"}
    error = trace.exception(**{**own, **raised}, call_id=1, uncaught=True, handled=False)
    trace.call(main, raises=error)
    trace.gap("get", "requests.api", caller=main, file=f"{SITE}/requests/api.py")

    assert build_report(project.con, "shop", trace_id=None).edit_config == (
        'edit_config(project="shop", add_include=["requests.api"])'
    )


def test_a_whole_package_is_proposed_with_its_price(project) -> None:
    trace = project.trace(config={"include": ["__main__", "requests.api"]})
    trace.process()
    main = trace.function("main", "__main__", file="/work/shop/main.py")
    trace.call(main, ms=5)
    trace.gap("send", "requests.sessions", caller=main, file=f"{SITE}/requests/sessions.py")

    report = build_report(project.con, "shop", trace_id=None)

    assert 'add_include=["requests.*"]' in report.edit_config
    assert report.notes == [
        "requests.*: a whole package that is not yours can make a run more than 10 times slower; "
        "a single module costs less"
    ]


@pytest.mark.parametrize(
    ("name", "module", "file", "is_generated"),
    [
        ("__create_fn__.<locals>.__init__", "shop.models", "<string>", True),
        ("__create_fn__.<locals>.__init__", "__main__", "<string>", True),
        ("__init__", "shop.models", "<attrs generated init shop.models.Order>", True),
        ("total", "__main__", "<string>", False),  # python -c
        ("total", "__main__", "<ipython-input-3-abc>", False),
        ("total", "shop.models", "/work/shop/shop/models.py", False),
    ],
)
def test_lines_of_generated_functions_are_not_proposed(project, name, module, file, is_generated) -> None:
    trace = project.trace(status="failed", exit_code=1)
    trace.process()
    function = trace.function(name, module, file=file)
    error = trace.exception(module_name=module, function_name=name, file=file, call_id=1, uncaught=True, handled=False)
    trace.call(function, raises=error)
    texts = build_report(project.con, "shop", trace_id=None).next
    assert bool([text for text in texts if '"lines"' in text]) is not is_generated, texts


def test_messages_from_one_line_are_one_exception_with_a_summary_of_the_others(project) -> None:
    trace = project.trace()
    trace.process()
    for number in range(200):
        trace.exception("ValueError", f"order {number} not found", handled=True, handled_by="fw:serve:9")
    trace.exception("KeyError", "'zz'", line=99, handled=True, handled_by="fw:serve:9")
    trace.further_raises(50, exception_type="ValueError")

    report = build_report(project.con, "shop", trace_id=None)

    assert [(each.type, each.message, each.other_messages) for each in report.exceptions] == [
        ("KeyError", "'zz'", ""),
        ("ValueError", "order 199 not found", ">=199 different: order {0, 1, 2, …} not found"),
    ]
    assert report.notes == []


def test_different_messages_of_handled_exceptions_are_summarized(project) -> None:
    trace = project.trace()
    trace.process()
    for number in range(200):
        swallowed(trace, message=f"order {number} not found")
    trace.function("total")
    row = ["ValueError", "shop/pricing.py:14 total", 200]
    for summary in ("200 different: order {0, 1, 2, …} not found", ">=200 different: order {0, 1, 2, …} not found"):
        handled = build_report(project.con, "shop", trace_id=None).handled_exceptions
        assert handled is not None
        assert handled.rows == [[*row, summary, "shop.pricing:total:9"]]
        trace.further_raises(800, exception_type="ValueError")
        row[-1] = 1_000


def test_expected_exceptions_are_named_beside_the_failures_and_shown_where_a_run_failed_without_any(project) -> None:
    trace = project.trace()
    trace.process()
    trace.exception("KeyError", "'zz'", handled=True, handled_by="starlette.middleware:call:9")
    refused = {"expected": True, "handled": True, "handled_by": "starlette.routing:app:76"}
    for _ in range(2):
        trace.exception("starlette.HTTPException", "404", **refused)
    trace.exception("trio.Cancelled", "", **refused)
    trace.exception("AttributeError", "asked", expected=True, handled=True, handled_by="")

    report = build_report(project.con, "shop", trace_id=None)

    assert [each.type for each in report.exceptions] == ["KeyError"]
    assert report.notes == ["expected by the code that caught them: starlette.HTTPException (2): find_exceptions"]

    trace = project.trace(status="failed", exit_code=2)
    trace.process()
    trace.exception("click.UsageError", "no such option", expected=True, handled=True, handled_by="click.core:main:9")
    trace.exception("SystemExit", "2", uncaught=True)

    report = build_report(project.con, "shop", trace_id=None)

    assert [each.type for each in report.exceptions] == ["click.UsageError", "SystemExit"]
    assert report.notes == []


@pytest.mark.parametrize("status", ["running", "stopped"])
def test_expected_exceptions_do_not_explain_a_server_that_did_not_fail(project, status) -> None:
    trace = project.trace(status=status, exit_code=None)
    trace.process()
    trace.exception("werkzeug.NotFound", "404", expected=True, handled=True, handled_by="flask.app:dispatch:9")
    trace.exception("SystemExit", "0", uncaught=True)

    report = build_report(project.con, "shop", trace_id=None)

    assert report.exceptions == []
    assert report.notes == ["expected by the code that caught them: werkzeug.NotFound (1): find_exceptions"]
    assert not [each for each in report.next if each.startswith("get_calls(")]


def test_an_exception_that_own_code_logged_is_shown_in_full(project) -> None:
    trace = project.trace()
    trace.process()
    worker = trace.function("worker")
    trace.gap("Logger.exception", "logging", caller=worker, file="/usr/lib/python3.12/logging/__init__.py")
    job = trace.call(trace.function("job"), trace.call(worker))
    trace.exception("ValueError", "bad job", call_id=job, handled=True, handled_by="shop.pricing:worker:9")

    report = build_report(project.con, "shop", trace_id=None)

    assert [(each.type, each.outcome) for each in report.exceptions] == [
        ("ValueError", "handled by shop.pricing:worker:9")
    ]
    assert report.handled_exceptions is None
    assert f"around_call_id={job}" in report.next[0]


def test_the_report_says_that_generated_functions_have_no_lines(project) -> None:
    trace = project.trace(config={"capture": {"lines": ["Order.__init__"]}})
    trace.process()
    trace.call(trace.function("Order.__init__", "shop.models", file="<string>"))

    assert build_report(project.con, "shop", trace_id=None).warnings == [
        "no lines for 'Order.__init__': the program generated shop.models:Order.__init__, which has no source"
    ]
