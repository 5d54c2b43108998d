"""The history of a name is told in the order of time: writes with their values, reads folded, up to the failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from breadcrumb_server.answers.common.budget import size_of
from breadcrumb_server.answers.find.answer import find
from breadcrumb_storage.errors import BreadcrumbError
from priced_program import SOURCE, Program, rates


@pytest.fixture
def program(project, tmp_path: Path) -> Program:
    return Program(project, tmp_path)


def test_a_variable_is_told_from_the_argument_over_its_writes_with_the_reads_between_them(program: Program) -> None:
    call = program.big()
    assert program.text(name="amount")[:5] == [
        "amount: 1 write, 3 reads, 1 argument",
        f"#{call} discounted shop/pricing.py:19 called with amount=126",
        "  read at :21, read at :23",
        f"#{call} discounted shop/pricing.py:22  amount = round(  # amount: 126 -> 114",
        "  read at :25",
    ]


def test_a_line_that_sets_an_equal_value_and_one_that_raised_say_so(program: Program) -> None:
    error = program.trace.exception("TypeError", "no", line=30, uncaught=True)
    program.call(
        "total",
        {"rates": rates(), "order": {"a": 1}},
        (29, {}),
        (30, {"total": 0}),
        (31, {"key": "a", "amount": 1}),
        (None, {}),
        raises=error,
    )
    text = program.find(name="total", of="shop.pricing:total").text
    assert "total = 0  # total=0" in text
    assert "total += discounted(amount, rate=rates.of(key))  # total=0, not set: the line raised" in text
    program.call("discounted", {"amount": 1, "rate": 0.2}, (20, {}), (21, {}), (25, {}), (None, {}))
    assert "rate = rate or 0.1  # rate=0.2 as before" in program.find(name="rate", of="discounted").text


def test_repeated_writes_of_a_line_are_one_entry_with_their_values_of_many_the_ends(program: Program) -> None:
    lines: list[tuple[int | None, Any]] = [(29, {}), (30, {"total": 0})]
    for number in range(1, 6):
        lines += [(31, {"key": "k", "amount": number}), (30, {"total": 10 * number})]
    call = program.call("total", {"rates": rates(), "order": {}}, *lines, (32, {}), (None, {}))
    assert program.text(name="total")[2:4] == [
        f"#{call} total shop/pricing.py:31 x5  total += discounted(amount, rate=rates.of(key))"
        "  # total=10 | 20 | 30 | 40 | 50",
        "  read at :32",
    ]
    many = [(30, {"total": number}) for number in range(1, 40) for _ in (0,)]
    lines = [row for each in many for row in ((31, {}), each)]
    call = program.call("total", {"rates": rates(), "order": {}}, *lines, (None, {}))
    assert f"#{call} total shop/pricing.py:31 x39" in program.find(name="total").text
    assert "# total=1 | 2 | … | 39" in program.find(name="total").text


def test_of_a_container_what_came_and_went_is_told_with_the_object_that_has_it(program: Program) -> None:
    init = program.call(
        "Rates.__init__", {"self": {"$type": "Rates", "$object": 1}}, (7, {}), (None, {"self": rates(1)})
    )
    add = program.call(
        "Rates.of", {"self": rates(1), "key": "tea"}, (10, {}), (11, {}), (12, {"self": rates(1, tea=3)}), (13, {})
    )
    program.call("Rates.of", {"self": rates(2), "key": "milk"}, (10, {}), (11, {}), (12, {"self": rates(2, milk=4)}))
    clear = program.call("Rates.reset", {"self": rates(1, tea=3)}, (16, {}), (None, {"self": rates(1)}))
    assert program.text(name="self._cached", of="Rates#1") == [
        "self._cached of Rates#1: 3 writes, 2 reads",
        f"#{init} Rates.__init__ shop/pricing.py:7  self._cached = {{}}  # Rates#1._cached={{}}",
        f"  read at Rates.of shop/pricing.py:10 #{add}",
        f"#{add} Rates.of shop/pricing.py:11  self._cached[key] = len(key)  # Rates#1._cached: +'tea': 3",
        "  read at :13",
        f"#{clear} Rates.reset shop/pricing.py:16  self._cached.clear()  # Rates#1._cached: -'tea'",
    ]
    assert "Rates#2._cached: +'milk': 4" in program.find(name="_cached", of="Rates").text


def test_a_change_is_told_where_it_was_made_and_not_again_by_the_callers(program: Program) -> None:
    caller = program.call(
        "total",
        {"rates": rates(1), "order": {"tea": 1}},
        (29, {}),
        (30, {"total": 0}),
        (31, {"key": "tea", "amount": 1}),
        (30, {"rates": rates(1, tea=3)}),
    )
    program.call(
        "Rates.of",
        {"self": rates(1), "key": "tea"},
        (11, {}),
        (12, {"self": rates(1, tea=3)}),
        parent=caller,
    )
    # The callee ended before the line of its caller did.
    program.con.execute("UPDATE line_records SET at_ns = at_ns - 3500000 WHERE call_id = 2")
    program.con.execute("UPDATE call_records SET started_ns = started_ns - 3500000 WHERE call_id = 2")
    text = program.find(name="_cached").text
    assert text.count("+'tea': 3") == 1 and "self._cached[key] = len(key)  # Rates#1._cached: +'tea': 3" in text


def test_another_object_in_the_same_variable_is_no_change_of_the_first_one(program: Program) -> None:
    program.call(
        "total",
        {"rates": rates(1, tea=1), "order": {}},
        (30, {}),
        (31, {"rates": rates(2, milk=2)}),
        (30, {"rates": "<Rates#1>"}),
        (32, {"rates": rates(1, tea=1)}),
        (None, {}),
    )
    assert program.text(name="_cached")[1:3] == [
        "#1 total shop/pricing.py:28 called when Rates#1._cached={'tea': 1}",
        "#1 total shop/pricing.py:30  for key, amount in order.items():  # Rates#2._cached={'milk': 2}",
    ]
    assert program.find(name="_cached").text.startswith("_cached: 1 write, 1 argument\n")


def test_what_a_callee_without_lines_changed_is_told_at_the_line_that_called_it(program: Program) -> None:
    program.call(
        "total", {"rates": rates(1), "order": {}}, (31, {}), (32, {"rates": rates(1, tea=3)}), (None, {}), returns=1
    )
    assert "# Rates#1._cached: +'tea': 3 (by what it called)" in program.find(name="_cached").text


def test_of_a_global_whose_value_is_not_recorded_the_values_that_went_into_it_are_told(program: Program) -> None:
    for key in ("tea", "milk"):
        program.call("Rates.of", {"self": rates(), "key": key}, (10, {}), (12, {}), (13, {}), (None, {}))
    assert program.text(name="seen")[1] == ("#1…#2 Rates.of shop/pricing.py:12 x2  seen.add(key)  # key='tea' | 'milk'")


def test_a_key_beyond_the_recorded_part_of_a_large_dict_is_told_by_the_variable_that_was_the_key(
    program: Program,
) -> None:
    before = {"$type": "Rates", "_cached": {"a": 1, "…": "+80 items"}}
    after = {"$type": "Rates", "_cached": {"a": 1, "…": "+81 items"}}
    program.call("Rates.of", {"self": before, "key": "tea"}, (11, {}), (12, {"self": after}), (None, {}))
    assert "# Rates._cached: len 81 -> 82; key='tea'" in program.find(name="_cached").text


def test_calls_without_lines_tell_arguments_and_fields_that_changed_from_call_to_call(program: Program) -> None:
    for cached in ({}, {}, {"tea": 3}, {"tea": 3}):
        program.call("Rates.of", {"self": rates(7, **cached), "key": "tea"})
    assert program.text(name="_cached")[:2] == [
        "_cached: 2 arguments",
        "#1…#3 Rates.of shop/pricing.py:9 x2 called when Rates#7._cached: {} | +'tea': 3",
    ]
    assert program.text(name="key")[1] == "#1…#4 Rates.of shop/pricing.py:9 x4 called with key='tea'"


def test_of_several_objects_without_numbers_each_value_is_told_once(program: Program) -> None:
    for _ in range(5):
        program.call("total", {"rates": [rates(tea=1), rates(tea=2)]})
        program.call("total", {"rates": rates(tea=2)})
        program.call("total", {"rates": rates(tea=1)})
    assert program.text(name="_cached")[1:3] == [
        "#1 total shop/pricing.py:28 called when Rates._cached={'tea': 1}",
        "#1 total shop/pricing.py:28 called when Rates._cached={'tea': 2}",
    ]
    assert program.find(name="_cached").text.startswith("_cached: 2 arguments\n")


def test_the_last_before_the_failure_is_marked_and_what_came_later_follows(program: Program) -> None:
    program.big(200, 180)
    last = program.big(126, 114)
    test = program.trace.exception("AssertionError", "114 == 126", line=8)
    program.con.execute(
        "UPDATE exceptions SET raised_at = make_timestamp_ns(?)", [1_736_510_400_000_000_000 + int(program.now * 1e6)]
    )
    program.trace.test("tests/test_pricing.py::test_total", 1, last, "failed", exception_id=test)
    program.now += 5
    later = program.big(300, 270)
    text = program.text(name="amount")
    marked = [line for line in text if "<- last before the failure" in line]
    assert marked == [
        f"#{last} discounted shop/pricing.py:22  amount = round(  # amount: 126 -> 114  <- last before the failure"
    ]
    assert "the failure is AssertionError at /work/shop/shop/pricing.py:8" in text[0]
    assert any(line.startswith(f"#{later} ") for line in text[text.index(marked[0]) :])


def test_a_long_history_keeps_its_first_value_and_what_led_to_the_failure_and_has_pages_of_all(
    program: Program,
) -> None:
    for number in range(60):
        program.big(200 + number, 100 + number)
    answer = program.find(name="amount", limit=8)
    lines = answer.text.split("\n")
    assert lines[1] == "#1 discounted shop/pricing.py:19 called with amount=200"
    assert "amount: 259 -> 159" in answer.text and "… 231 more entries" in answer.text
    assert answer.notes == ["232 entries of 240 left out: next_cursor lists all from the first one; of= narrows"]
    told: list[str] = []
    cursor = answer.next_cursor
    while cursor:
        page = program.find(name="amount", limit=8, cursor=cursor)
        told += [line for line in page.text.split("\n") if line.startswith("#")]
        cursor = page.next_cursor
    assert told == [
        line
        for number in range(60)
        for line in (
            f"#{number + 1} discounted shop/pricing.py:19 called with amount={200 + number}",
            f"#{number + 1} discounted shop/pricing.py:22  amount = round(  # amount: {200 + number} -> {100 + number}",
        )
    ]


def test_the_answer_has_at_most_4000_characters_and_says_what_it_left_out(program: Program) -> None:
    for number in range(60):
        cached = {f"{number} {key} {'x' * 40}": key for key in range(15)}
        program.call("Rates.of", {"self": rates(number + 1, **cached), "key": '"' * 300})
    answer = program.find(name="_cached", limit=200)
    assert size_of(answer) <= 4_000 and "left out" in str(answer.notes)
    assert size_of(program.find(name="key", limit=200)) <= 4_000


def test_without_recorded_lines_the_places_in_the_source_are_told_and_their_functions_are_asked_for(
    program: Program,
) -> None:
    program.call("Rates.of", {"key": "tea"})
    answer, without_lines = program.found(name="self._cached")
    assert answer.text.split("\n") == [
        "self._cached: no line with it was recorded, and no call has it as an argument. The source has it in",
        "  Rates.__init__ shop/pricing.py: set or changed at 7",
        "  Rates.of shop/pricing.py: set or changed at 11; read at 10, 13",
        "  Rates.reset shop/pricing.py: set or changed at 16",
    ]
    assert without_lines == ["shop.pricing:Rates.__init__", "shop.pricing:Rates.of", "shop.pricing:Rates.reset"]
    assert answer.next and answer.next[0].startswith("run(")


def test_functions_that_change_the_name_and_have_no_lines_are_told_below_the_history(program: Program) -> None:
    program.call("Rates.of", {"self": rates(1), "key": "a"}, (11, {}), (12, {"self": rates(1, a=1)}), (None, {}))
    answer, without_lines = program.found(name="_cached", of="Rates")
    assert answer.text.split("\n")[-3:] == [
        "also changed in functions without recorded lines:",
        "  Rates.__init__ shop/pricing.py: set or changed at 7",
        "  Rates.reset shop/pricing.py: set or changed at 16",
    ]
    assert without_lines == ["shop.pricing:Rates.__init__", "shop.pricing:Rates.reset"]


def test_an_unknown_name_is_answered_with_the_nearest_ones_and_where_they_are(program: Program) -> None:
    program.big()
    text = program.find(name="amuont").text
    assert "The nearest: amount (shop/pricing.py:19)" in text
    assert program.found(name="amuont")[1] == []


def test_source_that_changed_since_the_run_is_not_searched_and_recorded_values_are(program: Program) -> None:
    program.big()
    program.file.write_text(SOURCE.replace("amount", "sum_"))
    answer = find(program.con, "shop", name="amount")[0]
    assert "#1 discounted shop/pricing.py:22  amount: 126 -> 114" in answer.text and "sum_" not in answer.text
    assert answer.notes == ["shop/pricing.py changed since the run: recorded values are searched, not its source"]
    program.file.unlink()
    assert "shop/pricing.py cannot be read" in find(program.con, "shop", name="amount")[0].notes[0]


def test_secrets_in_the_source_are_redacted(program: Program) -> None:
    program.file.write_text(SOURCE.replace("rate = rate or 0.1", 'rate = rate; password = "hunter2-long"'))
    program.big()
    text = program.find(name="rate").text
    assert "hunter2" not in text and "[REDACTED]" in text


@pytest.mark.parametrize(
    "of", ["discounted", "shop.pricing:discounted", "shop.pricing", "pricing.py", "shop/pricing.py"]
)
def test_it_is_narrowed_by_function_module_or_file(program: Program, of: str) -> None:
    program.big()
    other = program.trace.function("other", "shop.other", 1, file="/gone/other.py")
    program.trace.call(other, args={"amount": 77})
    assert "amount=77" in program.find(name="amount").text
    text = program.find(name="amount", of=of).text
    assert "126 -> 114" in text and "77" not in text


def test_an_ambiguous_owner_is_answered_for_all_with_their_files(program: Program) -> None:
    program.big()
    other = program.trace.function("discounted", "vendor.prices", 1, file="/x/site-packages/vendor/prices.py")
    program.trace.call(other, args={"amount": 77})
    answer = program.find(name="amount", of="discounted")
    assert "amount=77" in answer.text and "126 -> 114" in answer.text
    assert (
        "of='discounted' names shop.pricing:discounted (shop/pricing.py), vendor.prices:discounted (vendor/prices.py)"
        in answer.notes[0]
    )


@pytest.mark.parametrize(
    ("of", "hint"),
    [
        ("discuonted", "discounted (shop/pricing.py)"),
        ("Rate", "Rates (shop/pricing.py)"),
        ("Rates#9", "There are: Rates#1"),
    ],
)
def test_an_owner_that_nothing_has_is_refused_with_the_nearest_ones(program: Program, of: str, hint: str) -> None:
    program.big()
    program.call("Rates.of", {"self": rates(1), "key": "tea"})
    with pytest.raises(BreadcrumbError, match="of=") as refused:
        program.find(name="_cached", of=of)
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "exactly one of name, value and exception: none was given"),
        ({"name": "a", "value": "b"}, "exactly one of name, value and exception: name and value were given"),
        ({"name": "a", "value": 0, "exception": "b"}, "name and value and exception were given"),
        ({"name": " "}, "name is empty"),
        ({"value": ""}, "value is empty"),
        ({"exception": ""}, "exception is empty"),
        ({"name": "prices['tea']"}, "is not the name of a variable"),
        ({"name": "for"}, "is not the name of a variable"),
        ({"name": "amount", "of": " "}, "of is empty"),
        ({"name": "amount", "limit": 0}, "limit must be at least 1"),
        ({"name": "amount", "cursor": "?"}, "not a cursor"),
        ({"name": "amount", "trace_id": "nope"}, "nope"),
    ],
)
def test_wrong_arguments_are_refused(program: Program, arguments: dict[str, Any], problem: str) -> None:
    program.big()
    with pytest.raises(BreadcrumbError, match=problem):
        program.find(**arguments)


def test_what_a_running_program_recorded_so_far_is_told(project, tmp_path: Path) -> None:
    program = Program(project, tmp_path, status="running", duration_ms=None, exit_code=None)
    program.call("discounted", {"amount": 1, "rate": None}, (20, {}), ms=None)
    answer = program.find(name="amount")
    assert "called with amount=1" in answer.text
    assert "the run has not ended: this is what it recorded so far" in answer.notes


def test_damaged_values_lose_only_themselves(program: Program) -> None:
    program.big()
    program.con.execute("UPDATE call_records SET args = '{\"amount\": [' WHERE call_id = 1")
    assert "amount=114" in program.find(name="amount").text


def test_names_as_keys_keywords_and_in_other_bindings_are_mentions(program: Program) -> None:
    lines = (
        'order = {"sku": 1}', 'if "sku" in order: pass', 'f(sku=2)', 'for sku in (3,): pass', 'with f() as sku: pass',
        'del order["sku"]', 'sku += 1', '(sku := 4)', 'x.sku.append(5)', 'setattr(x, "sku", 6)', 'skus = "sku"',
    )  # fmt: skip
    program.file.write_text("def g(sku):\n" + "".join(f"    {line}\n" for line in lines))
    number = program.trace.function("g", "shop.pricing", 1, file=str(program.file))
    program.trace.call(number, args={"x": 1})
    text = program.find(name="sku").text
    assert "g shop/pricing.py: defined at 1; set or changed at 5, 6, 7, 8, 9, 10, …; read at 2, 3, 4" in text
    assert "12" not in text.replace("set or changed", "")
