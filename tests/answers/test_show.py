"""The source of a function is shown with what each line did, at the call that matters, in the room that there is."""

from __future__ import annotations

import os
import re
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from breadcrumb_server.answers.show.answer import show
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.traces import get_trace

SOURCE = '''\
LIMIT = 100


def discounted(amount, rate=None):
    """Return the amount after the discount.

    Small amounts have none.
    """
    rate = rate or 0.1
    if amount > LIMIT:
        amount = round(
            amount * (1 - rate),
        )
    elif amount < 0:
        raise ValueError(amount)
    else:
        log = "small"  # of no matter
    return amount


class Shop:
    password = "hunter2-long"

    def total(self):
        total = 0
        for line in self.lines:
            total += discounted(line)
        return total

    def never_called(self):
        return 1
'''

SMALL: Any = ((9, {}), (10, {"rate": 0.1}), (14, {}), (17, {}), (18, {"log": "small"}), (None, {}))
BIG: Any = ((9, {}), (10, {"rate": 0.1}), (11, {}), (12, {}), (11, {}), (18, {"amount": 114}), (None, {}))


class Program:
    """A traced program in one file, to which calls can be added."""

    def __init__(self, project, folder: Path, **columns: Any) -> None:
        self.con = project.con
        self.trace = project.trace(**{"config": {"workspace": str(folder)}, "cwd": str(folder), **columns})
        self.trace.process()
        self.file = folder / "shop" / "pricing.py"
        self.file.parent.mkdir()
        self.file.write_text(SOURCE)
        self.function = self.trace.function("discounted", "shop.pricing", 4, file=str(self.file))
        self.method = self.trace.function("Shop.total", "shop.pricing", 24, file=str(self.file))

    def small(self, amount: int = 10, **columns: Any) -> int:
        return self._call(SMALL, amount, amount, **columns)

    def big(self, amount: int = 126, **columns: Any) -> int:
        return self._call(BIG, amount, 114, **columns)

    def _call(self, lines: Any, amount: int, result: int, **columns: Any) -> int:
        args = {"amount": amount, "rate": None}
        number = self.trace.call(self.function, args=args, **{"returns": result, **columns})
        self.trace.lines(number, *lines)
        return number

    def total(self, *amounts: int) -> int:
        """Record a call of the method that calls the function for each amount, with the lines of all."""
        number = self.trace.call(self.method, args={"self": {"$type": "Shop", "lines": list(amounts)}}, returns=9)
        lines: list[tuple[int | None, dict[str, Any]]] = [(25, {}), (26, {"total": 0})]
        for amount in amounts:
            lines += [(27, {"line": amount}), (26, {"total": amount})]
            self.small(amount, parent=number, call_line=27)
        self.trace.lines(number, *lines, (28, {}), (None, {}))
        return number

    def show(self, *what: str, **arguments: Any) -> str:
        # The file is older than the run: it is what ran.
        started = get_trace(self.con, self.trace.trace_id).started_at.replace(tzinfo=UTC).timestamp()
        os.utime(self.file, (started - 60, started - 60))
        return show(self.con, "shop", what=what, **arguments)[0].text


@pytest.fixture
def program(project, tmp_path: Path) -> Program:
    return Program(project, tmp_path)


def test_each_line_has_what_it_did_and_those_that_did_not_run_are_marked(program: Program) -> None:
    call = program.big()
    assert program.show("discounted").split("\n") == [
        f"discounted shop/pricing.py:4 #{call}: amount=126 -> 114",
        " 4  def discounted(amount, rate=None):",
        ' 5   """Return the amount after the discount.',
        " 7   Small amounts have none.",
        ' 8   """',
        " 9   rate = rate or 0.1  # rate=0.1",
        "10   if amount > LIMIT:",
        "11    amount = round(amount * (1 - rate),)  # amount=114",
        "14-  elif amount < 0:",
        "15-   raise ValueError(amount)",
        "16   else:",
        '17-   log = "small"  # of no matter',
        "18   return amount",
    ]


def test_a_loop_shows_how_often_it_ran_and_its_first_and_last_values(program: Program) -> None:
    program.total(10, 20, 30, 40)
    text = program.show("Shop.total")
    assert "26x5  for line in self.lines:  # line=10 | 20 | … | 40\n" in text
    assert "27x4   total += discounted(line)  # total=10 | 20 | … | 40\n" in text
    assert "28    return total" in text


def test_the_results_of_the_functions_that_a_line_called_are_shown_unless_it_stored_them(program: Program) -> None:
    number = program.trace.call(program.method, args={"self": {"$type": "Shop", "lines": [1]}}, returns=9)
    program.small(7, parent=number, call_line=27)
    program.trace.lines(number, (25, {}), (26, {"total": 0}), (27, {"line": 1}), (28, {}), (None, {}))
    assert "27   total += discounted(line)  # discounted() -> 7\n" in program.show("Shop.total")


def test_a_line_says_that_a_generator_yielded_nothing(program: Program) -> None:
    lines = program.trace.function("lines_of", kind="generator")
    number = program.trace.call(program.method, args={"self": {"$type": "Shop"}}, returns=9)
    program.trace.call(lines, number, returns=None, call_line=26)
    program.trace.lines(number, (25, {}), (26, {"total": 0}), (27, {}), (28, {}), (None, {}))
    assert "# lines_of() -> yielded nothing\n" in program.show("Shop.total")
    program.trace.yields(number + 1, 1)
    assert "lines_of" not in program.show("Shop.total")


def test_another_object_in_a_variable_is_seen_and_a_known_one_is_named(program: Program) -> None:
    shop = {"$type": "Shop", "$object": 1, "lines": [1]}
    cart, other = ({"$type": "Cart", "$object": number, "total": 5} for number in (1, 2))
    number = program.trace.call(program.method, args={"self": shop}, returns=cart)
    program.trace.lines(
        number, (25, {}), (26, {"total": cart}), (27, {"total": other}), (28, {"total": cart}), (None, {})
    )
    text = program.show("Shop.total").split("\n")
    assert text[0].endswith("self=Shop#1(lines=[1]) -> Cart#1(total=5)")
    assert [line.rpartition("# ")[2] for line in text if "# total" in line] == [
        "total=Cart#1", "total=Cart#2(total=5)", "total=Cart#1",
    ]  # fmt: skip


def test_a_condition_shows_the_values_that_it_compared_unless_they_are_known(program: Program) -> None:
    call = program.trace.call(program.function, args={"amount": {"$type": "Money"}, "rate": 0.2}, returns=1)
    program.trace.lines(call, (9, {}), (10, {"amount": 200}), (18, {}), (None, {}))
    text = program.show("discounted")
    assert "10   if amount > LIMIT:\n" in text  # 200 stands one line above
    call = program.trace.call(program.function, args={"rate": 0.2}, returns=1)
    program.trace.lines(call, (10, {"amount": 5}), (18, {}), (None, {}))
    assert "10   if amount > LIMIT:  # amount=5\n" in program.show("discounted", call_id=call)


def test_other_calls_are_listed_below_one_of_each_path_first(program: Program) -> None:
    calls = [program.small(1), program.big(200), program.small(2), program.small(3), program.small(4)]
    assert program.show("discounted").split("\n")[-3:] == [
        "5 calls on 2 paths, this one on a; others:",
        f"#{calls[1]} b amount=200 -> 114",
        f"#{calls[3]} a amount=3 -> 3",
    ]


def test_of_other_calls_the_arguments_that_are_equal_are_left_out(program: Program) -> None:
    for amount in (5, 7):
        call = program.trace.call(program.function, args={"amount": amount, "rate": 0.5}, returns=amount)
    heading, *_, other = program.show("discounted", call_id=call).split("\n")
    assert heading.endswith("amount=7, rate=0.5 -> 7") and other.endswith(" amount=5 -> 5")


def test_a_note_does_not_repeat_what_its_line_tells(program: Program) -> None:
    program.file.write_text(
        "\n\n\ndef discounted(amount, rate=None):\n"
        "    low, high = 0, None\n    self.rate = rate\n    text = (\n        'a'\n    )\n    def inner():\n"
        "        pass\n    kept = amount\n    try:\n        low = kept.total()\n    except ValueError as error:\n"
        "        pass\n"
    )
    cart = {"$type": "Cart", "$object": 1, "total": 5}
    call = program.trace.call(program.function, args={"amount": cart, "rate": 0.2}, returns=1)
    program.trace.lines(
        call, (5, {}), (6, {"low": 0, "high": None}), (7, {"other": {"$type": "Shop", "rate": 0.2}}), (10, {"text": "a"}),
        (12, {"inner": "<function inner>"}), (14, {"kept": cart}), (15, {}), (16, {"error": "x"}),
        (None, {"error": {"$deleted": True}}),
    )  # fmt: skip
    notes = [line.partition("  # ")[2] for line in program.show("discounted").split("\n")[1:]]
    assert [note for note in notes if note] == ["other=Shop(rate=0.2)", "error='x'"]


def test_long_docstrings_comments_and_blocks_that_did_not_run_are_folded_and_of_a_range_docstrings_alone(
    program: Program,
) -> None:
    skipped = "".join(f"        print({number})\n" for number in range(9))
    program.file.write_text(
        '\n\n\ndef discounted(amount, rate=None):\n    """Say.\n\n    a\n    b\n    c\n    """\n    # one\n    # two\n'
        f"    # three\n    if amount:\n{skipped}    text = '''\n# no\n# comment\n# here\n'''\n    return amount\n"
    )
    call = program.trace.call(program.function, args={"amount": 0, "rate": None}, returns=0)
    program.trace.lines(call, (14, {}), (24, {}), (29, {"text": "x"}), (None, {}))
    text = program.show("discounted")
    assert '"""Say.  … (4 lines)' in text and "# one  … (2 lines)" in text and "print(1)  … (7 more not run)" in text
    assert "# here" in text
    everything = program.show("shop/pricing.py:4-29")
    assert "three" in everything and "print(8)" in everything and '"""Say.  … (4 lines)' in everything
    assert '5 """Say.\n7 a\n' in program.show("shop/pricing.py:5-9") and "…" not in program.show("shop/pricing.py:5-9")


def test_the_call_that_raised_the_exception_is_shown_not_the_last_one(program: Program) -> None:
    error = program.trace.exception("ValueError", "-3", call_id=2, uncaught=True, handled=False, line=15)
    program.small(1)
    raised = program.trace.call(program.function, args={"amount": -3, "rate": None}, raises=error)
    program.trace.lines(raised, (9, {}), (10, {"rate": 0.1}), (14, {}), (15, {}), (None, {}))
    program.small(4)
    assert program.show("discounted").startswith(
        f"discounted shop/pricing.py:4 #{raised}: amount=-3 !! ValueError: -3\n"
    )


@pytest.fixture
def failed(program: Program) -> tuple[Program, list[int]]:
    """Record a test that calls the function in one statement, then in the one that fails, and a test after it."""
    trace = program.trace
    test = trace.function("test_total", "tests.test_pricing", 1)
    error = trace.exception("AssertionError", "114 == 1", call_id=1, line=8, function_name="test_total")
    root = trace.call(test, raises=error)
    calls = [program.big(300, parent=root, call_line=5)]
    calls += [program.small(1, parent=root, call_line=8), program.big(126, parent=root, call_line=8)]
    calls += [program.small(2, parent=root, call_line=8)]
    trace.test("tests/test_pricing.py::test_total", root, calls[-1], "failed", exception_id=error)
    later = [program.small(5), program.small(6)]
    trace.test("tests/test_pricing.py::test_later", *later)
    return program, calls


def test_of_a_failed_test_the_longest_call_on_a_rare_path_by_the_failed_statement_is_shown(failed) -> None:
    program, calls = failed
    assert f"#{calls[2]} " in program.show("discounted").split("\n")[0]


def test_without_a_rare_path_it_is_the_last_call_before_the_failure(failed) -> None:
    program, calls = failed
    program.con.execute("DELETE FROM line_records")
    assert f"#{calls[3]} " in program.show("discounted").split("\n")[0]


def test_the_user_can_choose_the_call_by_id_or_by_conditions(failed) -> None:
    program, calls = failed
    assert f"#{calls[0]} " in program.show("discounted", call_id=calls[0]).split("\n")[0]
    assert f"#{calls[1]} " in program.show("discounted", where={"args.amount": 1}).split("\n")[0]
    with pytest.raises(BreadcrumbError, match=r"Call 999 is none of shop.pricing:discounted"):
        program.show("discounted", call_id=999)


def test_a_place_names_the_function_around_it(program: Program) -> None:
    call = program.big()
    assert program.show("pricing.py:12").startswith(f"discounted shop/pricing.py:4 #{call}")
    assert program.show("shop/pricing.py:25").startswith("Shop.total shop/pricing.py:24")
    assert "no file of the program has this line" in program.show("other.py:3")


def test_without_recorded_lines_source_and_calls_are_shown_and_the_lines_are_asked_for(program: Program) -> None:
    program.trace.call(program.function, args={"amount": 1, "rate": None}, returns=1)
    started = get_trace(program.con, program.trace.trace_id).started_at.replace(tzinfo=UTC).timestamp()
    os.utime(program.file, (started - 60, started - 60))
    answer, without_lines = show(program.con, "shop", what=["discounted"])
    assert without_lines == ["shop.pricing:discounted"]
    assert "10  if amount > LIMIT:\n" in answer.text and "#1: amount=1 -> 1" in answer.text
    assert not re.search(r"^\d+-", answer.text, re.M)  # nothing says that a line did not run


def test_a_function_that_never_ran_is_shown_from_the_files_of_those_that_did(program: Program) -> None:
    program.big()
    text = program.show("never_called")
    assert text.startswith("Shop.never_called shop/pricing.py:30  (it was not called in this run)\n")
    assert "31  return 1" in text


def test_a_function_that_was_not_traced_says_so(program: Program) -> None:
    caller = program.big()
    program.trace.gap("post", "requests.api", caller=caller, calls=3, file=None)
    assert "called 3 times, not traced" in program.show("requests.api.post")


def test_an_unknown_name_is_answered_with_the_nearest_ones(program: Program) -> None:
    program.big()
    assert "Near it: shop.pricing:discounted" in program.show("discount_")


def test_a_call_is_shown_of_one_function_only(program: Program) -> None:
    program.big()
    with pytest.raises(BreadcrumbError, match=r"call_id=5 is one call, and what names 2 functions"):
        show(program.con, "shop", what=["discounted", "total"], call_id=5)


def test_a_function_can_be_named_by_its_file(program: Program) -> None:
    program.big()
    by_name = program.show("discounted")
    assert program.show("shop/pricing.py:discounted") == program.show("pricing.py:discounted()") == by_name
    assert "no function of this name ran" in program.show("shop/pricing.py:nothing")


def test_of_an_ambiguous_name_the_own_function_is_shown_and_the_others_are_named(program: Program) -> None:
    program.big()
    other = program.trace.function("discounted", "vendor.prices", 1, file="/usr/lib/site-packages/vendor/prices.py")
    program.trace.call(other)
    first = program.show("discounted").split("\n")[0]
    assert first.startswith("discounted shop/pricing.py:4")
    assert "also names vendor.prices:discounted (vendor/prices.py)" in first


def test_secrets_in_the_source_are_redacted(program: Program) -> None:
    body = program.trace.function("Shop", "shop.pricing", 21, kind="class", file=str(program.file))
    program.trace.call(body)
    text = program.show("shop.pricing:Shop")
    assert "hunter2" not in text and "[REDACTED]" in text


def test_source_that_was_changed_since_the_run_is_not_taken_for_what_ran(program: Program) -> None:
    program.big()
    program.show("discounted")
    program.file.write_text(SOURCE.replace("rate or 0.1", "rate or 0.2"))
    answer = show(program.con, "shop", what=["discounted"])[0]
    assert "0.2" not in answer.text
    assert answer.notes == ["shop/pricing.py changed since the run: no source text of it here"]


@pytest.mark.parametrize("chars", [400, 700, 1_200, 2_500])
def test_the_text_has_at_most_the_characters_asked_for_and_keeps_what_says_most(program: Program, chars: int) -> None:
    for amount in range(20):
        program.big(100 + amount)
    program.total(*range(40))
    text = program.show("discounted", "Shop.total", chars=chars)
    assert len(text) <= chars
    assert "discounted shop/pricing.py:4" in text and "Shop.total shop/pricing.py:24" in text
    if chars >= 1_200:
        assert 'log = "small"' in text and "total=" in text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"what": []}, "what is empty"),
        ({"what": [" "]}, "what is empty"),
        ({"what": [f"f{n}" for n in range(9)]}, "at most 8"),
        ({"what": ["discounted"], "chars": 10}, "chars must be at least 400"),
        ({"what": ["discounted"], "where": {"colour": 1}}, "where has no key 'colour'"),
    ],
)
def test_wrong_arguments_are_refused(program: Program, arguments: dict[str, Any], problem: str) -> None:
    program.big()
    with pytest.raises(BreadcrumbError, match=problem):
        show(program.con, "shop", **arguments)


def test_a_file_of_a_newer_syntax_is_shown_with_its_marks(program: Program) -> None:
    program.file.write_text(SOURCE + "\ntype Amount = int\n\ndef newer[T](x: T): return f'{x['a']}'\n")
    program.big()
    text = program.show("discounted")
    assert "12-" not in text and "14- " in text and text.count("\n") < 20


def test_a_file_that_cannot_be_parsed_is_shown_without_marks(program: Program) -> None:
    program.file.write_text(SOURCE + "\ndef newer[[]]:\n")
    program.big()
    text = program.show("discounted")
    assert "10    if amount > LIMIT:" in text and not re.search(r"^\d+-", text, re.M)


def test_a_class_is_shown_with_what_one_call_of_each_method_did(program: Program) -> None:
    call = program.total(10, 126)
    assert program.show("Shop").split("\n") == [
        "Shop shop/pricing.py:21-31",
        "21   class Shop:",
        '22    password = "[REDACTED]"',
        f"24    def total(self):  # 1 call, #{call} -> 9",
        "25     total = 0",
        "26x3   for line in self.lines:  # line=10 | 126",
        "27x2    total += discounted(line)  # total=10 | 126",
        "28     return total",
        "30    def never_called(self):  # not called",
        "31-    return 1",
    ]


def test_lines_of_a_file_are_shown_alone_and_say_which_function_they_are_in(program: Program) -> None:
    call = program.big()
    assert program.show("shop/pricing.py:10-12").split("\n") == [
        f"shop/pricing.py:10-12, in discounted: 1 call, #{call} amount=126, rate=None -> 114",
        "10 if amount > LIMIT:  # amount=126",
        "11  amount = round(amount * (1 - rate),  # amount=114",
    ]
    assert program.show("shop/pricing.py:30-999").split("\n") == [
        "shop/pricing.py:30-31",
        "30 def never_called(self):  # not called",
        "31  return 1",
    ]
    assert "no file of the program has this line" in program.show("shop/pricing.py:200-210")


def test_a_line_outside_of_functions_is_shown_with_those_around_it(program: Program) -> None:
    program.big()
    text = program.show("shop/pricing.py:1")
    assert text.startswith("shop/pricing.py:1-15\n 1  LIMIT = 100") and "14-  elif amount < 0:" in text


def test_a_file_that_has_no_room_is_an_outline_with_the_calls_of_each_function(program: Program) -> None:
    program.big()
    program.total(10)
    assert "an outline" not in program.show("shop/pricing.py")
    program.file.write_text(SOURCE + "".join(f"\n\ndef further{n}(x):\n    return x + {n}\n" for n in range(40)))
    text = program.show("shop/pricing.py", chars=900)
    assert text.startswith("shop/pricing.py:1-191, an outline: name functions of it to read them")
    assert " 4 def discounted(amount, rate=None):  # 15 lines, 2 calls\n" in text
    assert "21 class Shop:  # 11 lines" in text and "24  def total(self):  # 5 lines, 1 call" in text
    assert len(text) < 900


def test_a_name_that_is_no_function_shows_the_lines_that_mention_it(program: Program) -> None:
    program.big()
    assert program.show("LIMIT").split("\n") == [
        "LIMIT: no function; 2 lines mention it, in one file:",
        "shop/pricing.py",
        " 1: LIMIT = 100",
        " 10 discounted: if amount > LIMIT:",
    ]


@pytest.mark.parametrize(
    "what", ["LIMIT|self.lines", r"\bLIMIT\b|\.lines", "limit|Self.Lines", "nowhere|LIMIT | self.lines"]
)
def test_several_words_show_the_lines_that_mention_one_of_them(program: Program, what: str) -> None:
    program.big()
    assert program.show(what).split("\n")[1:] == [
        "shop/pricing.py",
        " 1: LIMIT = 100",
        " 10 discounted: if amount > LIMIT:",
        " 26 Shop.total: for line in self.lines:",
    ]


def test_words_are_looked_for_in_the_whole_workspace_code_before_tests_and_what_ran_before_what_did_not(
    program: Program, tmp_path: Path
) -> None:
    program.big()
    tests, tool = tmp_path / "tests" / "test_pricing.py", tmp_path / "tool.py"
    tests.parent.mkdir()
    tests.write_text("LIMIT = 1\nLIMIT = 2\n")
    tool.write_text("def report():\n    return LIMIT\n" + "print(LIMIT)\n" * 60)
    for file in (tests, tool):
        os.utime(file, (0, 0))
    text = program.show("LIMIT").split("\n")
    assert text[0] == "LIMIT: no function; 65 lines mention it, in 3 files:"
    assert [line for line in text[1:] if not line.startswith(" ")] == [
        "shop/pricing.py", "tool.py (… 45 more)", "tests/test_pricing.py",
    ]  # fmt: skip
    assert " 2 report: return LIMIT" in text and len(text) == 1 + 3 + 20


def test_words_that_stand_nowhere_are_said_so_and_files_that_changed_are_told(program: Program) -> None:
    program.big()
    assert "'nothing|nowhere': no line mentions one of these" in program.show("nothing|nowhere")
    (program.file.parent / "later.py").write_text("LIMIT = 3\n")
    assert "in one file (1 file changed since the run left out):" in program.show("LIMIT")


def test_words_are_not_looked_for_outside_of_the_workspace(program: Program, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.py"
    outside.write_text("LIMIT = 'of another'\n")
    os.utime(outside, (0, 0))
    (tmp_path / "link.py").symlink_to(outside)
    program.big()
    assert "in one file:" in program.show("LIMIT") and "another" not in program.show("LIMIT")


@pytest.mark.parametrize(
    "what", ["LIMIT" + "|x" * 100_000, "|||", "|" * 10_000 + "LIMIT", "(|LIMIT", "\\", "LIMIT :" * 50_000]
)
def test_odd_words_are_answered(program: Program, what: str) -> None:
    program.file.write_text(SOURCE + "\nLIMIT = '" + "LIMIT : " * 100_000 + "'\n")
    program.big()
    assert re.search(r"LIMIT = |no line|no function", program.show(what))
    assert len(program.show(what)) < 4_000


def test_secrets_in_lines_that_mention_words_are_redacted(program: Program) -> None:
    program.big()
    text = program.show("password|LIMIT")
    assert 'password = "[REDACTED]"' in text and "hunter2" not in text


STATEMENTS = """



def discounted(
    amount,  # of money
    rate=None,
):  # noqa: D103
  if (
      amount
      and rate
  ):
    text = f(  # type: ignore[misc]
      1,

      [
        2, 3
      ],
    )
    text = \'\'\'a
      b
    \'\'\' + str(
      1
    )
    both = amount \\
      + 1
  return (
    amount
      .real
  )
"""


def test_statements_on_several_lines_stand_on_one_as_long_as_nothing_is_lost(program: Program) -> None:
    program.file.write_text(STATEMENTS[1:])
    program.trace.call(program.function, args={"amount": 1, "rate": None}, returns=1)
    assert program.show("discounted").split("\n")[1:] == [
        " 4 def discounted(amount,  # of money",
        " 6   rate=None,):",
        " 8  if (amount and rate):",
        "12   text = f(1, [2, 3],)",
        "19   text = '''a",
        "20       b",
        "21     ''' + str(1)",
        "24   both = amount + 1",
        "26  return (amount.real)",
    ]


def test_a_long_statement_stands_on_as_few_lines_as_can_be_read(program: Program) -> None:
    items = "".join(f"        'item {number}',\n" for number in range(20))
    program.file.write_text(f"\n\n\ndef discounted(amount, rate=None):\n    return [\n{items}    ]\n")
    program.trace.call(program.function, args={"amount": 1, "rate": None}, returns=1)
    first, second = program.show("discounted").split("\n")[2:]
    assert first.startswith(" 5  return ['item 0', 'item 1', ") and len(first) < 160
    assert second.endswith("'item 19',]") and int(second.split()[0]) > 10


def test_what_the_lines_of_a_statement_did_is_told_together(program: Program) -> None:
    program.file.write_text(
        "\n\n\ndef discounted(amount, rate=None):\n    for each in amount:\n        total = (\n            first(each)\n"
        "            or second(each)\n        )\n        done(\n            each,\n        )\n"
    )
    call = program.trace.call(program.function, args={"amount": [1, 2]}, returns=None)
    program.trace.lines(
        call, (5, {}), (6, {"each": 1}), (7, {}), (10, {"total": 4}), (5, {}), (6, {"each": 2}), (7, {}), (8, {}),
        (10, {"total": 5}), (11, {}), (5, {}), (None, {}),
    )  # fmt: skip
    assert program.show("discounted").split("\n")[2:] == [
        " 5x3  for each in amount:  # each=1 | 2",
        " 6x2   total = (first(each) or second(each))  # total=4 | 5",
        "10x2   done(each,)",
    ]


def test_a_file_of_the_workspace_is_shown_even_if_nothing_of_it_was_traced_and_no_other_file_is(
    program: Program, tmp_path: Path
) -> None:
    program.big()
    (tmp_path / "other.py").write_text("PASSWORD = 'hunter2-long'\nSIZE = 3\n")
    (tmp_path.parent / "outside.py").write_text("SIZE = 4\n")
    for name in ("other.py", "outside.py"):
        os.utime((tmp_path / name) if name == "other.py" else tmp_path.parent / name, (0, 0))
    assert program.show("other.py:1-2").split("\n")[1:] == ["1 PASSWORD = '[REDACTED]'", "2 SIZE = 3"]
    assert "no file of the program" in program.show("../outside.py:1-2")


def test_a_range_is_written_from_its_begin_as_far_as_there_is_room(program: Program) -> None:
    program.file.write_text("".join(f"def further{n}(x):\n    return x + {n}\n\n\n" for n in range(200)))
    program.big()
    lines = program.show("shop/pricing.py:9-700", chars=900).split("\n")
    assert [line.split()[0] for line in lines[1:8]] == ["9", "10", "13", "14", "17", "18", "21"]
    assert len("\n".join(lines)) > 700


def test_of_a_function_that_has_no_room_lines_that_did_not_run_are_kept_before_long_values(program: Program) -> None:
    call = program.trace.call(program.function, args={"amount": "long " * 100}, returns=114)
    program.trace.lines(call, *BIG[:2], (18, {"log": "x" * 400}), (None, {}))
    text = program.show("discounted", "LIMIT", chars=900)
    assert '17-   log = "small"' in text and "15-   raise ValueError(amount)" in text


@pytest.mark.parametrize("what", ["x" * 5_000 + ".py:1", "a\0.py:1", "pricing.py:" + "9" * 5_000, "/etc/x.py:1-2"])
def test_places_that_no_file_can_have_are_answered(program: Program, what: str) -> None:
    program.big()
    assert re.search("no f", program.show(what))


def test_a_call_is_chosen_by_lines_of_its_function_too(program: Program) -> None:
    program.big()
    call = program.trace.call(program.function, args={"amount": 5}, returns=5)
    assert f"#{call}: amount=5" in program.show("pricing.py:10-12", call_id=call).split("\n")[0]
    with pytest.raises(BreadcrumbError, match="is no function"):
        program.show("pricing.py:1-2", call_id=call)


def test_a_call_cannot_be_chosen_for_a_class(program: Program) -> None:
    call = program.total(10)
    with pytest.raises(BreadcrumbError, match="Shop is no function"):
        program.show("Shop", call_id=call)


def test_the_heading_of_a_call_has_the_calls_that_led_to_it(program: Program) -> None:
    outer, middle = (program.trace.function(name, "shop.orders", 1) for name in ("checkout", "Order.price"))
    first = program.trace.call(outer)
    second = program.trace.call(middle, first, call_line=40)
    program.small(5, parent=second, call_line=7)
    assert program.show("discounted").split("\n")[0].partition(": ")[0].endswith("from Order.price:7 from checkout:40")


def test_beside_other_functions_the_other_calls_are_counted_and_one_of_each_path_is_named(program: Program) -> None:
    calls = [program.small(1), program.big(200), program.small(2)]
    headings = program.show("discounted", "never_called").split("\n")[:1]
    assert [line.rpartition("  ")[2] for line in headings] == [f"(3 calls on 2 paths, this on a; #{calls[1]} b)"]
