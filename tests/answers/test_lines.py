"""The lines of a call are shown with their changes and with loops folded, and omitted lines can be asked for."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breadcrumb_server.answers.calls.answer import CallList, get_calls
from breadcrumb_server.answers.calls.table import COLUMNS
from breadcrumb_server.answers.common.budget import MAX_ANSWER_CHARS, size_of
from breadcrumb_server.answers.report.answer import build_report
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.traces import get_trace

SOURCE = """\
def total(items, rate):
    subtotal = 0
    for price in items:
        if price is None:
            continue
        subtotal += price
    if rate: token = "abc-123-def"
    return subtotal
"""


class Traced:
    """A trace with one function, whose file holds SOURCE."""

    def __init__(self, project, folder: Path, **columns: Any) -> None:
        self.project = project
        self.trace = project.trace(**{"config": {"capture": {"lines": ["total"]}}, **columns})
        self.trace.process()
        self.file = folder / "pricing.py"
        self.file.write_text(SOURCE)
        started = get_trace(project.con, self.trace.trace_id).started_at.replace(tzinfo=UTC).timestamp()
        os.utime(self.file, (started - 60, started - 60))
        self.function = self.trace.function("total", "shop.pricing", 1, file=str(self.file))

    def call(self, *lines: tuple[int | None, dict[str, Any] | None], **columns: Any) -> int:
        number = self.trace.call(self.function, **{"args": {"items": [1, None, 2], "rate": 0}, **columns})
        self.trace.lines(number, *lines)
        return number

    def ask(self, **where: Any) -> CallList:
        return get_calls(self.project.con, "shop", function="total", where=where)

    def loop(self, prices: list[Any], **columns: Any) -> int:
        """Record a call of ``total`` with a round for each price, as the tracer would."""
        lines: list[tuple[int | None, dict[str, Any] | None]] = [(2, {}), (3, {"subtotal": 0})]
        subtotal, price_before = 0, ...
        changed: dict[str, Any] = {}
        for price in prices:
            lines.append((4, {} if price == price_before else {"price": price}))
            price_before = price
            lines.append((5 if price is None else 6, {}))
            subtotal += price or 0
            changed = {"subtotal": subtotal} if price else {}
            lines.append((3, changed))
        return self.call(*lines, (7, {}), (8, {}), (None, {}), **{"returns": subtotal, **columns})


@pytest.fixture
def traced(project, tmp_path: Path) -> Traced:
    return Traced(project, tmp_path)


def test_each_line_is_shown_with_its_source_and_what_it_changed(traced: Traced) -> None:
    call = traced.loop([1, None, 2])
    answer = traced.ask()
    assert answer.columns == [*COLUMNS, "lines"] and answer.rows[0][-1] == 13
    assert answer.lines == [
        f"call {call} of shop.pricing:total, 13 lines executed:",
        "   2  subtotal = 0   -> subtotal=0",
        "   3  for price in items:   -> price=1",
        "   4      if price is None:",
        "   6      subtotal += price   -> subtotal=1",
        "   3  for price in items:   -> price=None",
        "   4      if price is None:",
        "   5          continue",
        "   3  for price in items:   -> price=2",
        "   4      if price is None:",
        "   6      subtotal += price   -> subtotal=3",
        "   3  for price in items:",
        '   7  if rate: token = "[REDACTED]"',
        "   8  return subtotal   -> returned 3",
    ]
    assert "lines" not in json.dumps(answer.next)  # all are shown


def test_a_thousand_rounds_are_folded_around_those_that_stand_out(traced: Traced) -> None:
    prices: list[Any] = [5, 6] * 250
    prices[300] = -7
    prices[400] = None
    call = traced.loop(prices)
    text = "\n".join(traced.ask().lines)
    assert len(text) < 2500
    odd = re.findall(r"from step ([\d,]+): (.*)", text)
    assert ("902", "subtotal fell, else it only rises") in odd or ("901", "subtotal fell, else it only rises") in odd
    assert any(why == "price is None, else a number" for _, why in odd)
    assert "-> price=-7" in text and "continue" in text
    folded = re.findall(r"… ([\d,]+) more rounds? \(step ([\d,]+) to ([\d,]+)\)", text)
    shown = text.count("for price in items") + sum(int(count.replace(",", "")) for count, _, _ in folded)
    assert shown == len(prices) + 1
    first_hidden = int(folded[0][1].replace(",", ""))
    assert traced.ask().next[0].endswith(f'where={{"call_id": {call}, "lines": {first_hidden}}})')


@pytest.mark.slow
def test_from_a_step_on_as_many_lines_are_shown_as_fit(traced: Traced) -> None:
    traced.loop([5, 6] * 250)
    position, seen = 1, []
    while True:
        answer = traced.ask(lines=position)
        assert size_of(answer) <= MAX_ANSWER_CHARS
        assert f"from step {position:,} on" in answer.lines[0]
        seen += [line for line in answer.lines[1:] if "more step" not in line]
        (more,) = re.findall(r'"lines": (\d+)', "".join(answer.next[:1])) or [None]
        if more is None:
            break
        assert int(more) > position
        position = int(more)
    assert len(seen) == 500 * 3 + 3  # all but the step before the first
    assert seen[-1].endswith("-> returned 2750")


def test_the_history_of_a_variable_is_its_changes(traced: Traced) -> None:
    traced.loop([5, None, 7, 8])
    assert traced.ask(lines="subtotal").lines[1:] == [
        "   2  subtotal = 0   -> subtotal=0",
        "   6      subtotal += price   -> subtotal=5",
        "   6      subtotal += price   -> subtotal=12",
        "   6      subtotal += price   -> subtotal=20",
    ]
    (line,) = traced.ask(lines="sutotal").lines
    assert line.endswith("none changed sutotal, but subtotal, price")


def test_without_lines_the_values_are_shown_whole(traced: Traced) -> None:
    call = traced.loop([1], args=json.dumps({"items": ["x" * 5000]}))
    assert traced.ask().notes == [f'values were cut; where={{"call_id": {call}, "lines": False}} shows them whole']
    without = traced.ask(lines=False, call_id=call)
    assert (without.lines, without.notes) == ([], [])
    assert "x" * 5000 in str(without.rows[0]) and without.rows[0][-1] == 7


@pytest.mark.parametrize("value", [-1, 1.5, "", " ", [3], None, {}])
def test_a_value_that_is_no_step_and_no_variable_is_refused(traced: Traced, value: object) -> None:
    traced.loop([1])
    with pytest.raises(BreadcrumbError, match="a step to begin at, a variable"):
        traced.ask(lines=value)


def test_a_long_call_without_loops_is_shown_with_its_beginning_and_its_end(traced: Traced) -> None:
    lines = [(100 + k, {f"variable_{k}": "x" * 60}) for k in range(400)]
    traced.call((99, {}), *lines, (None, {"variable_400": 1}), returns=3)
    answer = traced.ask()
    assert size_of(answer) <= MAX_ANSWER_CHARS and not any("cut to fit" in note for note in answer.notes)
    assert answer.lines[1].startswith("  99") and answer.lines[-1] == " 499   -> variable_400=1   -> returned 3"
    ((index, hidden, step),) = [
        (index, int(found[1]), int(found[2]))
        for index, line in enumerate(answer.lines)
        if (found := re.search(r"… (\d+) more lines left out, from step (\d+) on", line))
    ]
    assert 10 < len(answer.lines) - index < index - 1  # most of the lines shown are at the beginning
    assert len(answer.lines) - 2 + hidden == 401
    assert answer.lines[index - 1].startswith(f" {99 + step - 1}")
    assert f'"lines": {step}}}' in answer.next[0]


def headings(answer: CallList) -> list[str]:
    return [line for line in answer.lines if line.startswith("call ")]


Line = tuple[int | None, dict[str, Any] | None]
USUAL: list[Line] = [(2, {}), (3, {"subtotal": 0}), (6, {"price": 1}), (7, {}), (8, {}), (None, {})]
ODD: list[Line] = [(2, {}), (3, {"subtotal": 0}), (4, {"price": None}), (5, {}), (7, {}), (8, {}), (None, {})]


def test_each_path_is_shown_once_the_rarest_first_and_of_equally_rare_ones_the_failed(traced: Traced) -> None:
    usual = [traced.call(*USUAL, returns=number) for number in range(8)]
    loops = [traced.loop([number, None] * number) for number in (40, 2)]  # the number of rounds makes no other path
    failed = traced.call(*USUAL, raises=traced.trace.exception("KeyError", "'x'"))  # the usual lines with another end
    odd = [traced.call(*ODD, returns=0) for _ in range(1)]

    answer = traced.ask()

    name = "of shop.pricing:total"
    assert headings(answer) == [
        f"call {failed} {name}, 5 lines executed; no other of 12 calls took this path:",
        f"call {odd[0]} {name}, 6 lines executed; no other of 12 calls took this path:",
        f"call {loops[0]} {name}, 244 lines executed; path of 2 of 12 calls: {loops[0]}, {loops[1]}:",
        f"call {usual[0]} {name}, 5 lines executed; path of 8 of 12 calls: {', '.join(map(str, usual[:6]))}, …:",
    ]
    assert "   8  return subtotal   -> raised KeyError: 'x'" in answer.lines
    assert not any("path" in note or "more call" in note for note in answer.notes)
    assert size_of(answer) <= MAX_ANSWER_CHARS


def test_of_calls_with_one_path_the_first_is_shown_and_none_is_proposed(traced: Traced) -> None:
    calls = [traced.call(*USUAL, returns=number) for number in range(3)]
    answer = traced.ask()
    ids = ", ".join(map(str, calls))
    assert headings(answer) == [f"call {calls[0]} of shop.pricing:total, 5 lines executed; path of all 3 calls: {ids}:"]
    assert not any("call_id" in proposed for proposed in answer.next)


def test_paths_that_do_not_fit_are_counted_and_the_rarest_of_them_is_proposed(traced: Traced) -> None:
    def long(first: int) -> list[tuple[int | None, dict[str, Any] | None]]:
        return [(first + k, {f"variable_{k}": "x" * 100}) for k in range(20)]

    for number in range(5):
        for _ in range(3 + number):
            traced.call(*long(100 * number), (None, {}))
    short = [traced.call(*USUAL, returns=0) for _ in range(20)]
    answer = traced.ask()
    assert size_of(answer) <= MAX_ANSWER_CHARS
    shown = [int(line.split()[1]) for line in headings(answer)]
    assert short[0] in shown and 1 in shown  # a call that is too long is skipped
    (note,) = [note for note in answer.notes if "not shown here" in note]
    found = re.fullmatch(r"(\d) more paths not shown here: where={\"call_id\": (\d+)} shows the rarest of them", note)
    assert found and int(found[1]) == 6 - len(shown) and int(found[2]) not in shown
    assert answer.next[0].endswith(f'where={{"call_id": {found[2]}}})')
    alone = traced.ask(call_id=int(found[2]))
    assert headings(alone)[0].endswith("20 lines executed:")


def test_the_paths_are_those_of_all_calls_that_meet_the_conditions(traced: Traced) -> None:
    for number in range(6):
        traced.call(*(ODD if number == 2 else USUAL), returns=number)
    assert len(headings(traced.ask())) == 2
    (heading,) = headings(traced.ask(outcome="returned", result={">": 2}))
    assert heading == "call 4 of shop.pricing:total, 5 lines executed; path of all 3 calls: 4, 5, 6:"
    page = get_calls(traced.project.con, "shop", function="total", limit=1)  # calls on later pages count as well
    assert len(headings(page)) == 2
    later = get_calls(traced.project.con, "shop", function="total", limit=1, cursor=page.next_cursor)
    assert headings(later) == ["call 2 of shop.pricing:total, 5 lines executed:"]


def test_odd_calls_are_not_proposed_if_their_lines_are_shown(traced: Traced) -> None:
    for number in range(12):
        odd = number == 7
        traced.call(*(ODD if odd else USUAL), args={"rate": 5 if odd else 0}, returns=0)
    answer = traced.ask()
    assert answer.distribution[1].startswith("rate: 0 x11, 5 x1")
    assert headings(answer)[0].startswith("call 8 ")
    assert not any("args.rate" in proposed for proposed in answer.next)
    assert any("args.rate" in proposed for proposed in traced.ask(lines=False).next)


TRIES = [(2, {}), (3, {"subtotal": 0}), (4, {"price": 1}), (5, {}), (7, {}), (8, {}), (None, {})]


def test_a_line_shows_the_exception_that_it_received_from_a_call(traced: Traced) -> None:
    convert = traced.trace.function("convert", "shop.currency")
    calls: list[int] = []
    for number, raised in enumerate(["KeyError", "KeyError", "TypeError"]):
        at = 100 * number
        calls.append(traced.trace.call(traced.function, args={}, returns=0, at_ms=at, ms=70))
        traced.trace.lines(calls[-1], *TRIES, at_ms=[at + 10 * step for step in range(len(TRIES))])
        stop = traced.trace.exception("StopIteration", "", control_flow=True)
        traced.trace.call(convert, calls[-1], raises=stop, at_ms=at + 1, ms=1)
        error = traced.trace.exception(raised, "no rate")
        traced.trace.call(convert, calls[-1], raises=error, at_ms=at + 22, ms=5)
    answer = traced.ask()
    assert headings(answer) == [  # the same lines, but another exception
        f"call {calls[2]} of shop.pricing:total, 6 lines executed; no other of 3 calls took this path:",
        f"call {calls[0]} of shop.pricing:total, 6 lines executed; path of 2 of 3 calls: {calls[0]}, {calls[1]}:",
    ]
    assert [line for line in answer.lines if "!!" in line] == [
        "   4      if price is None:   !! TypeError: no rate",
        "   4      if price is None:   !! KeyError: no rate",
    ]


def test_an_exception_that_leaves_the_call_is_shown_once_and_apart_from_caught_ones(traced: Traced) -> None:
    convert = traced.trace.function("convert", "shop.currency")
    caught = [traced.trace.exception("KeyError", f"'{name}'") for name in "ab"]
    error = traced.trace.exception("ValueError", "wrong")
    call = traced.trace.call(traced.function, args={}, raises=error, at_ms=0, ms=40)
    traced.trace.lines(call, (2, {}), (3, {}), (4, {}), (None, {}), at_ms=[0, 10, 20, 40])
    for exception, at in ((caught[0], 11), (caught[1], 13), (error, 25)):
        traced.trace.call(convert, call, raises=exception, at_ms=at, ms=1)
    assert traced.ask(call_id=call).lines[2:] == [
        "   3  for price in items:   !! KeyError: 'b' (the last of 2)",
        "   4      if price is None:   -> raised ValueError: wrong",
    ]


def test_a_round_that_received_an_exception_stands_out(traced: Traced) -> None:
    convert = traced.trace.function("convert", "shop.currency")
    call = traced.trace.call(traced.function, args={}, returns=0, at_ms=0, ms=300)
    steps: list[tuple[int | None, dict[str, Any] | None]] = [(3, {}), (4, {})] * 100
    traced.trace.lines(call, *steps, (None, {}), at_ms=[float(step) for step in range(201)])
    error = traced.trace.exception("KeyError", "'tea'")
    traced.trace.call(convert, call, raises=error, at_ms=121.2, ms=0.5)
    lines = traced.ask(call_id=call).lines
    odd = lines.index("  from step 120: KeyError is rare here (1 of 100)")
    assert lines[odd + 2] == "   4      if price is None:   !! KeyError: 'tea'"


def test_an_unfinished_call_shows_where_the_recording_ended(traced: Traced) -> None:
    traced.call((2, {}), (3, {"subtotal": 0}), ms=None)
    assert traced.ask().lines[-1] == "   3  for price in items:   <- here when the recording ended"


def test_a_running_call_shows_where_it_is_now(project, tmp_path: Path) -> None:
    running = Traced(project, tmp_path, status="running")
    running.call((2, {}), ms=None)
    assert running.ask().lines[-1] == "   2  subtotal = 0   <- here now"


def test_lines_that_are_not_recorded_are_counted_and_the_end_is_shown(traced: Traced) -> None:
    call = traced.trace.call(traced.function, args={"items": "…", "rate": 0}, returns=9)
    traced.trace.lines(call, (2, {}), (3, {"subtotal": 0}), (6, {"price": 1}))
    traced.trace.lines(call, (3, {"subtotal": 4, "price": 2}), first=400)
    traced.trace.lines(call, (6, None), (3, None), (8, None), (None, {"subtotal": 9}), first=790)
    assert traced.ask().lines == [
        f"call {call} of shop.pricing:total, 793 lines executed:",
        "   2  subtotal = 0   -> subtotal=0",
        "   3  for price in items:   -> price=1",
        "   6      subtotal += price",
        "  … 397 lines not recorded   -> subtotal=4, price=2",
        "   3  for price in items:",
        "  … 389 lines not recorded",
        "   6      subtotal += price",
        "   3  for price in items:",
        "   8  return subtotal   -> returned 9",
        "  at the end, since the last look at the variables   -> subtotal=9",
    ]


def test_variables_from_outside_the_function_are_shown_first(traced: Traced) -> None:
    traced.call((2, {"limit": 10}), (8, {"subtotal": 0}), (None, {}), returns=0)
    assert traced.ask().lines[1:3] == [
        "  from outside the function   -> limit=10",
        "   2  subtotal = 0   -> subtotal=0",
    ]


def test_the_source_of_a_file_that_was_changed_is_not_shown(traced: Traced) -> None:
    traced.loop([1])
    os.utime(traced.file)
    answer = traced.ask()
    assert answer.lines[1] == "   2   -> subtotal=0"
    assert any("changed since the run" in note for note in answer.notes)


def test_a_secret_name_of_the_project_is_redacted_in_the_source(traced: Traced) -> None:
    traced.file.write_text(SOURCE.replace("subtotal = 0", 'my_house = "hunter2"'))
    os.utime(traced.file, (1, 1))
    traced.call((2, {}), (None, {"my_house": "[REDACTED]"}))
    answer = get_calls(traced.project.con, "shop", function="total", redact=["my_*"])
    assert answer.lines[1].startswith('   2  my_house = "[REDACTED]"   -> my_house=[REDACTED]')


@pytest.mark.slow
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_path_through_the_lines_is_answered_within_the_size(traced: Traced, data: st.DataObject) -> None:
    value = st.sampled_from(
        [1, None, "x" * 400, [1, 2] * 30, {"$deleted": True}, {"$type": "C", "a": "y" * 200}, {"$float": "nan"}]
    )
    line = st.tuples(
        st.integers(1, 9),
        st.one_of(st.none(), st.dictionaries(st.sampled_from(["a", "b", "self", "long" * 20]), value, max_size=3)),
    )
    path = data.draw(st.lists(line, max_size=12)) * data.draw(st.sampled_from([1, 3, 40]))
    call = traced.call(*path, *([(None, {})] * data.draw(st.integers(0, 1))))
    for lines in (True, 0, len(path) // 2, "a", False):
        answer = get_calls(traced.project.con, "shop", function="total", where={"call_id": call, "lines": lines})
        assert size_of(answer) <= MAX_ANSWER_CHARS
        assert answer.total == 1
    assert size_of(get_calls(traced.project.con, "shop", function="total")) <= MAX_ANSWER_CHARS


def capture_lines(*patterns: str) -> dict[str, Any]:
    return {"capture": {"lines": list(patterns)}}


def test_a_lines_pattern_without_a_function_is_reported_with_a_similar_name_or_a_reason(project) -> None:
    trace = project.trace(
        config=capture_lines("shop.pricing.total", "totl", "convert", "json.loads", "nothing.like.it")
    )
    trace.process()
    total = trace.function("total")
    trace.call(total)
    trace.gap("convert", "shop.currency", caller=total, calls=7)
    trace.gap("loads", "json", kind="c", file="", calls=3)
    assert build_report(project.con, "shop", trace_id=None).warnings == [
        "no lines for 'totl': no traced function of that name ran; near it: shop.pricing:total",
        "no lines for 'convert': shop.currency:convert ran, but it is not traced; include pattern shop.currency "
        "traces it",
        "no lines for 'json.loads': json:loads ran, but it is written in C",
        "no lines for 'nothing.like.it': no traced function of that name ran",
    ]


def test_while_the_program_runs_a_lines_pattern_without_a_function_is_not_reported(project) -> None:
    trace = project.trace(status="running", config=capture_lines("later"))
    trace.process(ended=False)
    assert build_report(project.con, "shop", trace_id=None).warnings == []


def test_a_report_on_an_exception_proposes_to_record_lines_unless_they_were(project, shop) -> None:
    expected = 'capture={"lines": ["shop.pricing:total"]}'
    assert any(expected in text for text in build_report(project.con, "shop", trace_id=shop.trace.trace_id).next)
    config = json.dumps({"workspace": "/work/shop", **capture_lines("total")})
    project.con.execute("UPDATE traces SET config = ?", [config])
    assert not any("capture" in text for text in build_report(project.con, "shop", trace_id=shop.trace.trace_id).next)


def test_lines_that_few_calls_executed_are_shown_first(project, tmp_path) -> None:
    traced = Traced(project, tmp_path)
    calls = [traced.call(*(ODD if number in (20, 25) else USUAL)) for number in range(30)]

    answer = traced.ask()

    assert answer.distribution[0] == f"lines 4-5 ran in 2 of 30 calls only, first in call {calls[20]}"
    assert headings(answer)[0].endswith(f"path of 2 of 30 calls: {calls[20]}, {calls[25]}:")
    assert not [line for line in traced.ask(call_id=calls[20]).distribution if "ran in" in line]
