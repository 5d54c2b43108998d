"""Test that exceptions are folded, ordered by importance, and shown with their calls."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from breadcrumb_server.answers.common.budget import MAX_ANSWER_CHARS, size_of
from breadcrumb_server.answers.exceptions.answer import find_exceptions
from breadcrumb_server.answers.exceptions.messages import summarize_messages
from breadcrumb_storage.errors import BreadcrumbError

HANDLED = {"handled": True, "handled_by": "shop.pricing:total:9"}


@pytest.fixture
def trace(project):
    trace = project.trace()
    trace.process()
    trace.total = trace.function("total")
    return trace


def test_equal_exceptions_are_one_entry_with_their_count_and_first_and_last_call(project, trace) -> None:
    for _ in range(3):
        call = trace.call(trace.total)
        trace.exception(call_id=call, **HANDLED)
    trace.exception(message="'other'", **HANDLED)

    answer = find_exceptions(project.con, "shop")

    assert (answer.total, answer.kinds) == (4, 2)
    folded = next(each for each in answer.exceptions if each.count == 3)
    assert (folded.message, folded.call_id, folded.last_call_id) == ("'rate'", 1, 3)
    assert folded.outcome == "handled by shop.pricing:total:9"


def test_the_lines_of_the_raising_call_are_proposed_if_one_was_traced(project, trace) -> None:
    call = trace.call(trace.total)
    trace.exception(call_id=call, **HANDLED)
    assert find_exceptions(project.con, "shop").next == [
        f'show(project="shop", what=["shop.pricing:total"], call_id={call}, trace_id="{trace.trace_id}")'
    ]
    trace.exception(message="elsewhere", call_id=None, uncaught=True)
    assert find_exceptions(project.con, "shop", include_handled=False).next == []


def test_what_several_exceptions_have_in_common_is_said_once(project, trace) -> None:
    outer = trace.call(trace.function("main", line=3), args={"n": 1})
    inner = trace.call(trace.total, outer, args={"rate": 5, "items": []})
    variables = json.dumps({"rate": 5, "items": [], "subtotal": 7})
    trace.exception("KeyError", call_id=inner, locals=variables)
    trace.exception("ValueError", call_id=inner, locals=variables)
    other = trace.call(trace.function("load"), outer)
    trace.exception("OSError", call_id=other)

    elsewhere, first, second = find_exceptions(project.con, "shop").exceptions

    # The arguments stand in the line of the call.
    assert first.locals == ["subtotal = 7"] and second.locals == []
    assert first.calls == ["shop/pricing.py:3 main(n=1)", "shop/pricing.py:1 total(rate=5, items=[])"]
    assert second.calls == ["… 2 lines as in exceptions[1]"]
    assert elsewhere.calls[0] == first.calls[0]  # a single line is no shorter if it is referred to


def test_uncaught_exceptions_come_first_then_those_that_left_the_traced_code(project, trace) -> None:
    trace.exception("Handled", **HANDLED)
    trace.exception("Escaped", handled=True, handled_by="concurrent.futures.thread:_WorkItem.run:58")
    trace.exception("Uncaught", uncaught=True, handled=False)
    trace.exception("Unknown")

    answer = find_exceptions(project.con, "shop")

    assert [(each.type, each.outcome) for each in answer.exceptions] == [
        ("Uncaught", "uncaught"),
        ("Escaped", "handled by concurrent.futures.thread:_WorkItem.run:58, which is not traced"),
        ("Unknown", "not known to have been handled"),
        ("Handled", "handled by shop.pricing:total:9"),
    ]
    without = find_exceptions(project.con, "shop", include_handled=False)
    assert [each.type for each in without.exceptions] == ["Uncaught", "Escaped", "Unknown"]


def test_equal_exceptions_with_different_outcomes_are_counted_by_outcome(project, trace) -> None:
    trace.exception(**HANDLED)
    trace.exception(uncaught=True)

    [only] = find_exceptions(project.con, "shop").exceptions

    assert only.outcome == "uncaught (1 of 2); handled by shop.pricing:total:9 (1 of 2)"


def test_control_flow_is_hidden_unless_its_type_is_named(project, trace) -> None:
    trace.exception("StopIteration", "", control_flow=True)

    assert find_exceptions(project.con, "shop").exceptions == []
    assert "StopIteration" in find_exceptions(project.con, "shop").message
    assert find_exceptions(project.con, "shop", type="StopIteration").total == 1


@pytest.mark.parametrize(
    ("type", "found"),
    [
        ("PriceError", ["shop.errors.PriceError"]),
        ("shop.errors.PriceError", ["shop.errors.PriceError"]),
        ("*Error", ["KeyError", "shop.errors.PriceError"]),
        ("Error", []),
    ],
)
def test_a_type_is_named_with_or_without_its_module_or_by_a_glob(project, trace, type, found) -> None:
    trace.exception("shop.errors.PriceError", "x")
    trace.exception("KeyError", "y")

    assert sorted(each.type for each in find_exceptions(project.con, "shop", type=type).exceptions) == found


def test_a_type_that_was_not_raised_is_answered_with_the_recorded_types(project, trace) -> None:
    trace.exception("KeyError")

    answer = find_exceptions(project.con, "shop", type="ValueError")

    assert answer.message == "No exception of this type was recorded in this trace; what was recorded: KeyError."


def test_since_searches_all_traces_and_names_the_newest_with_the_exception(project) -> None:
    start = datetime(2025, 1, 10, 12)
    for hours in (0, 5, 9):
        trace = project.trace(started_at=start + timedelta(hours=hours))
        trace.exception(raised_at=start + timedelta(hours=hours, minutes=1))

    answer = find_exceptions(project.con, "shop", since="2025-01-10T16:00")

    [only] = answer.exceptions
    assert (only.count, only.trace_id, answer.trace_id) == (2, trace.trace_id, "")
    assert find_exceptions(project.con, "shop").total == 1
    assert find_exceptions(project.con, "shop", since="2025-01-11").message == "No exception was recorded since then."


def test_the_chain_is_the_same_however_many_exceptions_share_the_page(project, trace) -> None:
    deep = trace.function("deep", "shop.deep", 3)
    for number in range(6):
        parent = None
        for level in range(40):
            parent = trace.call(deep, parent, args={"level": level}, at_ms=number * 100 + level, ms=90 - 2 * level)
        trace.exception(message=f"m{number}", call_id=parent)

    answer = find_exceptions(project.con, "shop")

    assert len(answer.exceptions) == 6
    assert answer.exceptions[0].calls[0] == "shop/deep.py:3 deep(level=0)"
    assert all("as in exceptions[0]" in each.calls[0] for each in answer.exceptions[1:])
    for each in answer.exceptions[:1]:
        assert each.calls[-2] == "shop/deep.py:3 deep(level=39)"
        assert sum(line.startswith("… ") for line in each.calls) == 1


def test_a_chain_continues_through_a_parent_that_had_already_ended(project, trace) -> None:
    creator = trace.function("creator")
    task = trace.function("task")
    first = trace.call(creator, at_ms=1, ms=1)
    second = trace.call(task, first, at_ms=50, ms=1)
    trace.exception(call_id=second)

    [only] = find_exceptions(project.con, "shop").exceptions

    assert [line.split("(")[0].split()[1] for line in only.calls[:2]] == ["creator", "task"]


def test_a_chain_with_circular_parents_ends(project, trace) -> None:
    trace.call(trace.total, 2)
    trace.call(trace.total, 1)
    trace.exception(call_id=2)

    assert len(find_exceptions(project.con, "shop").exceptions[0].calls) == 3


def test_pages_hold_every_kind_once_and_within_the_size(project, trace) -> None:
    for number in range(45):
        call = trace.call(trace.total, args={"text": "x" * 1_500})
        trace.exception(message=f"m{number} " + "y" * 3_000, call_id=call, **HANDLED)
    seen, cursor = [], None
    while True:
        answer = find_exceptions(project.con, "shop", limit=20, cursor=cursor)
        assert size_of(answer) <= MAX_ANSWER_CHARS
        assert (answer.kinds, answer.total) == (45, 45)
        seen += [each.message.split()[0] for each in answer.exceptions]
        cursor = answer.next_cursor
        if cursor is None:
            break

    assert sorted(seen) == sorted(f"m{number}" for number in range(45))


def test_an_invalid_time_is_refused(project, trace) -> None:
    with pytest.raises(BreadcrumbError, match="is not a time"):
        find_exceptions(project.con, "shop", since="recently")


def test_raises_that_were_only_counted_are_shown_beside_the_recorded_ones(project, trace) -> None:
    trace.exception(**HANDLED)
    trace.further_raises(999_800)
    trace.further_raises(7, line=99)

    answer = find_exceptions(project.con, "shop")

    assert [(each.count, each.counted_only) for each in answer.exceptions] == [(1, 999_800)]


def test_a_chain_has_calls_that_were_recorded_only_when_the_exception_passed_them(project, trace) -> None:
    outer, middle, inner = (trace.call(trace.function(name), args={"n": n}) for n, name in enumerate("abc"))
    trace.con.execute("UPDATE call_records SET parent_call_id = ? WHERE call_id <> ?", [outer, outer])
    trace.exception(call_id=inner, call_chain=[outer, middle, inner])

    [only] = find_exceptions(project.con, "shop").exceptions

    assert [line.partition(" ")[2].partition("(")[0] for line in only.calls[:3]] == ["a", "b", "c"]


def test_of_equally_frequent_handlers_the_last_one_is_named(project) -> None:
    trace = project.trace()
    for number in range(6):
        trace.exception(handled=True, handled_by=f"shop.pricing:retry_{number}:9")
    (error,) = find_exceptions(project.con, "shop").exceptions
    assert error.outcome.startswith("handled by shop.pricing:retry_5:9")


def test_failures_come_before_logged_exceptions_then_handled_ones_and_expected_ones_last(project, trace) -> None:
    worker = trace.function("worker")
    trace.function("quiet")
    trace.gap("Logger.exception", "logging", caller=worker)
    escaped = {"handled": True, "handled_by": "starlette.routing:app:76"}
    trace.exception("asyncio.exceptions.CancelledError", "", **escaped)
    trace.exception("Handled", handled=True, handled_by="shop.pricing:quiet:9")
    trace.exception("Logged", handled=True, handled_by="shop.pricing:worker:9")
    trace.exception("SystemExit", "1", uncaught=True)
    trace.exception("starlette.exceptions.HTTPException", "404", expected=True, **escaped)
    trace.exception("ModuleNotFoundError", "ujson", handled=True, handled_by="shop.json:<module>:3")
    trace.exception("Unknown")
    trace.exception("KeyError", "'zz'", **escaped)
    trace.exception("Uncaught", uncaught=True)
    trace.exception("AttributeError", "asked", expected=True, handled=True, handled_by="")

    found = find_exceptions(project.con, "shop").exceptions

    assert [each.type for each in found] == [
        "Uncaught", "KeyError", "Unknown", "Logged", "SystemExit", "Handled", "AttributeError",
        "ModuleNotFoundError", "starlette.exceptions.HTTPException", "asyncio.exceptions.CancelledError",
    ]  # fmt: skip
    outcomes = {each.type: each.outcome for each in found}
    assert outcomes["starlette.exceptions.HTTPException"] == "handled by starlette.routing:app:76, which expects it"
    assert outcomes["AttributeError"] == "expected by a built-in function such as hasattr"
    unhandled = find_exceptions(project.con, "shop", include_handled=False).exceptions
    assert [each.type for each in unhandled][:5] == ["Uncaught", "KeyError", "Unknown", "Logged", "SystemExit"]
    assert "Handled" not in [each.type for each in unhandled]


@pytest.mark.parametrize(
    ("module", "function", "logs"),
    [
        ("logging", "Logger.error", True),
        ("logging", "exception", True),
        ("logging", "LoggerAdapter.critical", True),
        ("traceback", "print_exc", True),
        ("structlog._native", "BoundLoggerBase.exception", True),
        ("sentry_sdk.api", "capture_exception", True),
        ("logging", "Logger.info", False),
        ("parser", "Parser.error", False),
        ("concurrent.futures", "Future.set_exception", False),
    ],
)
def test_a_handler_reports_what_it_catches_if_it_calls_a_function_that_logs_errors(
    project, trace, module, function, logs
) -> None:
    trace.gap(function, module, caller=trace.function("worker"))
    trace.function("quiet")
    trace.exception("Rare", handled=True, handled_by="shop.pricing:quiet:9")
    for _ in range(2):
        trace.exception("Frequent", handled=True, handled_by="shop.pricing:worker:9")

    found = [each.type for each in find_exceptions(project.con, "shop").exceptions]

    assert found == (["Frequent", "Rare"] if logs else ["Rare", "Frequent"])


def test_an_exception_that_ended_a_test_or_a_thread_is_no_expected_one(project, trace) -> None:
    failed = trace.exception("Failed", "explicit", expected=True, handled=True, handled_by="_pytest.runner:from_call:3")
    trace.exception("KeyError", handled=True, handled_by="elsewhere:f:3", raised_at=datetime(2025, 1, 11))
    trace.exception("trio.Cancelled", "", uncaught=True, raised_at=datetime(2025, 1, 11))
    trace.test("test_shop.py::test_total", 1, 1, "failed", exception_id=failed)

    found = find_exceptions(project.con, "shop").exceptions

    assert [each.type for each in found] == ["trio.Cancelled", "KeyError", "Failed"]
    assert not any("expects" in each.outcome for each in found)


def test_a_lookup_that_went_on_to_its_callers_is_a_failure(project, trace) -> None:
    lookup, view = trace.function("Table.__getitem__"), trace.function("view")
    asked = trace.exception(function_name="Table.__getitem__", handled=True, handled_by="_collections_abc:get:9")
    failed = trace.exception(
        "KeyError", "'zz'", function_name="Table.__getitem__", handled=True, handled_by="fw:serve:9"
    )
    trace.call(lookup, raises=asked)
    trace.call(lookup, trace.call(view, raises=failed), raises=failed)
    trace.exception("ValueError", "rare", handled=True, handled_by="shop.pricing:view:9")

    assert [each.message for each in find_exceptions(project.con, "shop").exceptions] == ["'zz'", "rare", "'rate'"]


def test_other_messages_from_a_line_follow_those_from_other_lines(project, trace) -> None:
    for number in range(5):
        trace.exception("ValueError", f"row {number}", handled=True, handled_by="fw:serve:9")
    trace.exception("KeyError", "'zz'", line=99, handled=True, handled_by="fw:serve:9")

    found = [each.message for each in find_exceptions(project.con, "shop").exceptions]

    assert found == ["'zz'", "row 4", "row 3", "row 2", "row 1", "row 0"]


@pytest.mark.parametrize(
    ("messages", "summary"),
    [
        (["only"], "only"),
        ([f"order {n} not found" for n in range(200)], "200 different: order {0, 1, 2, …} not found"),
        ([f"order o-1{n} not\nfound" for n in range(3)], "3 different: order {o-10, o-11, o-12} not found"),
        (["'a'", "'b'", "'ccc'", "'d'"], "4 different: 'a', 'b', 'd', …"),
        (["file not found", "file not found: b"], "2 different: file not {found, found: b}"),
        (["", "x"], "2 different: , x"),
    ],
)
def test_different_messages_are_told_by_what_they_share_and_some_of_the_rest(messages, summary) -> None:
    assert summarize_messages(messages, 80) == summary
    assert summarize_messages(messages, 80, at_least=True) == ("" if len(messages) < 2 else ">=") + summary
    assert len(summarize_messages(messages, 30)) <= 30
