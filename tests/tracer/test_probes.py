"""Test that the expressions of probes are evaluated at their places, within limits and without any other effect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from breadcrumb.probes.log import FIRST_ROWS, LAST_ROWS
from spool_reader import Spool, Trace, interpreter, program

pytestmark = pytest.mark.processes

SHOP = program("""
    LIMIT = 100

    class Rates:
        def __init__(self):
            self._cached = {"eu": 1}
        def of(self, key):
            return self._cached[key]

    def discounted(amount, rate=None):
        rate = rate or 0.25
        parts = [amount, 5, 200]
        if amount > LIMIT:

            amount = amount * (1 - rate)
        return amount

    print([discounted(each) for each in (50, 120, 160)])
    rates = Rates()
    rates.of("eu")
    try:
        rates.of("us")
    except KeyError as error:
        print(repr(error))
""")


def probe(place: str, *expressions: str) -> dict[str, Any]:
    """Return the settings of a probe, as the launcher writes them."""
    target, _, condition = place.partition(" if ")
    settings: dict[str, Any] = {"place": target, "condition": condition, "expressions": list(expressions)}
    if target.endswith((" entry", " return")):
        function, _, kind = target.rpartition(" ")
        return {**settings, "kind": kind, "function": function}
    where, _, line = target.rpartition(":")
    return {**settings, "kind": "line", "file" if where.endswith(".py") else "module": where, "line": int(line)}


def rows(spool: Spool, number: int = 0) -> list[dict[str, Any]]:
    found = [event for event in spool.of("probe_values") if event["probe"] == number]
    return sorted(found, key=lambda event: event["at_ns"])


def values(spool: Spool, number: int = 0) -> list[dict[str, Any]]:
    return [row["values"] for row in rows(spool, number)]


def ends(spool: Spool, number: int = 0) -> list[Any]:
    return [row.get("raised") or row["result"][0] for row in rows(spool, number)]


def last_record(spool: Spool, number: int = 0) -> dict[str, Any]:
    return [event for event in spool.of("probe") if event["probe"] == number][-1]


def test_expressions_are_evaluated_before_a_line_each_time_it_runs(python: str, trace: Trace) -> None:
    spool = trace(python, SHOP, probes=[probe("program.py:12", "amount", "rate", "LIMIT - amount")])
    assert values(spool) == [
        {"amount": amount, "rate": 0.25, "LIMIT - amount": 100 - amount} for amount in (50, 120, 160)
    ]
    calls = [call.call for call in spool.calls if call.function == "discounted"]
    assert [row["call"] for row in rows(spool)] == calls
    record = last_record(spool)
    assert (record["hits"], record["met"], record["final"]) == (3, 3, True)


def test_a_comprehension_sees_local_variables(python: str, trace: Trace) -> None:
    spool = trace(python, SHOP, probes=[probe("program:12", "[part for part in parts if part > amount]")])
    assert [next(iter(row.values())) for row in values(spool)] == [[200], [200], [200]]


def test_locals_are_the_variables_of_the_function_alone(python: str, trace: Trace) -> None:
    spool = trace(python, SHOP, probes=[probe("program:12", "locals()", "(lambda: parts[0] + LIMIT)()")])
    assert values(spool)[0] == {
        "locals()": {"amount": 50, "rate": 0.25, "parts": [50, 5, 200]},
        "(lambda: parts[0] + LIMIT)()": 150,
    }


def test_a_line_is_probed_where_it_is_run(python: str, trace: Trace) -> None:
    code = program("""
        def pairs(items):
            doubled = [
                each * 2
                for each in items
            ]
            chosen = sorted(items, key=lambda each: -each)
            later = (lambda each:
                each + 1)
            return [later(each) for each in doubled], chosen

        class Kept:
            size = 3
            half = size / 2

        def wraps(function):
            return function

        @wraps
        def decorated(n):
            return n
        pairs([1, 2])
        decorated(1)
        """)
    wanted = [probe("program:3", "each"), probe("program:6", "items"), probe("program:8", "each")]
    wanted += [probe("program:13", "size"), probe("program:20", "n"), probe("decorated entry", "n")]
    spool = trace(python, code, probes=wanted)
    assert [row["each"] for row in values(spool) if row] in ([1, 2], [1])  # its own function before 3.12
    assert values(spool, 1) == [{"items": [1, 2]}]
    assert values(spool, 2) == [{"each": 2}, {"each": 4}]
    assert values(spool, 3) == [{"size": 3}]
    assert values(spool, 4) == values(spool, 5) == [{"n": 1}]


def test_a_condition_chooses_and_its_own_error_is_told(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        SHOP,
        probes=[
            probe("program:12 if amount > 100", "amount"),
            probe("program:12 if amount > 1000", "amount"),
            probe("program:12 if amuont > 100", "amount"),
        ],
    )
    assert values(spool) == [{"amount": 120}, {"amount": 160}]
    assert (last_record(spool, 1)["hits"], last_record(spool, 1)["met"], values(spool, 1)) == (3, 0, [])
    assert [row["errors"] for row in rows(spool, 2)] == [
        {"if amuont > 100": "NameError: name 'amuont' is not defined"}
    ] * 3


def test_an_error_is_text_and_leaves_the_other_expressions(python: str, trace: Trace) -> None:
    spool = trace(python, SHOP, probes=[probe("program:12", "parts[9]", "amount", "exit(3)", "nothing.there")])
    row = rows(spool)[0]
    assert row["values"] == {"amount": 50}
    assert row["errors"] == {
        "parts[9]": "IndexError: list index out of range",
        "exit(3)": "SystemExit: 3",
        "nothing.there": "NameError: name 'nothing' is not defined",
    }
    assert spool.exit_code == 0


def test_the_entry_has_the_arguments_and_the_return_what_was_returned_or_raised(python: str, trace: Trace) -> None:
    spool = trace(
        python, SHOP, probes=[probe("Rates.of entry", "key", "self._cached"), probe("Rates.of return", "[__return__]")]
    )
    assert values(spool) == [{"key": key, "self._cached": {"eu": 1}} for key in ("eu", "us")]
    assert ends(spool, 1) == [1, "KeyError: 'us'"]
    assert values(spool, 1) == [{"[__return__]": [1]}, {"[__return__]": [None]}]
    calls = [call.call for call in spool.calls if call.function == "Rates.of"]
    assert [row["call"] for row in rows(spool)] == [row["call"] for row in rows(spool, 1)] == calls


def test_a_generator_is_entered_once_and_its_yields_are_no_returns(python: str, trace: Trace) -> None:
    code = program("""
        def numbers(n):
            for each in range(n):
                yield each
            return "end"

        def closed(n):
            yield n
            yield n + 1

        print(list(numbers(3)))
        opened = closed(1)
        next(opened)
        try:
            opened.throw(ValueError("thrown"))
        except ValueError:
            pass
        """)
    spool = trace(
        python,
        code,
        probes=[
            probe("numbers entry", "n"),
            probe("numbers return", "n"),
            probe("closed return", "n"),
            probe("program:3", "each"),
        ],
    )
    assert values(spool) == [{"n": 3}]
    assert ends(spool, 1) == ["end"]
    assert ends(spool, 2) == ["ValueError: thrown"]
    assert values(spool, 3) == [{"each": 0}, {"each": 1}, {"each": 2}]
    assert len({row["call"] for row in [*rows(spool), *rows(spool, 1), *rows(spool, 3)]}) == 1


def test_coroutines_are_told_apart_by_their_task(python: str, trace: Trace) -> None:
    code = program("""
        import asyncio

        async def double(x):
            await asyncio.sleep(0)
            return x * 2

        async def main():
            print(await asyncio.gather(double(1), double(5)))

        asyncio.run(main())
        """)
    spool = trace(python, code, probes=[probe("double entry", "x"), probe("double return", "x")])
    assert [(row["values"]["x"], row["result"]) for row in rows(spool, 1)] == [(1, [2]), (5, [10])]
    entered = {row["values"]["x"]: (row["task"], row["call"]) for row in rows(spool)}
    left = {row["values"]["x"]: (row["task"], row["call"]) for row in rows(spool, 1)}
    assert entered == left
    assert len(set(entered.values())) == 2


def test_threads_and_forked_children_evaluate_too(python: str, trace: Trace) -> None:
    code = program("""
        import os, threading

        def work(n):
            return n

        work(0)
        thread = threading.Thread(target=work, args=(1,))
        thread.start()
        thread.join()
        child = os.fork()
        if not child:
            work(2)
            raise SystemExit
        os.waitpid(child, 0)
        """)
    spool = trace(python, code, probes=[probe("work entry", "n")])
    assert sorted((row["values"]["n"], row["thread"], row["n"]) for row in rows(spool)) == [
        (0, 0, 1),
        (1, 1, 2),
        (2, 0, 1),
    ]
    assert sorted(event["hits"] for event in spool.of("probe") if event["final"]) == [1, 2]


def test_what_an_expression_calls_is_neither_recorded_nor_probed(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        SHOP,
        probes=[probe("discounted entry", "discounted(200)", "rates_of()"), probe("discounted return", "amount")],
    )
    assert [row["discounted(200)"] for row in values(spool)] == [150.0] * 3
    assert [call.function for call in spool.calls].count("discounted") == 3
    assert len(rows(spool, 1)) == 3
    assert spool.of("exception") and all("rates_of" not in event["message"] for event in spool.of("exception"))


def test_a_program_runs_as_without_probes(python: str, trace: Trace) -> None:
    plain = trace(python, SHOP)
    probed = trace(
        python,
        SHOP,
        probes=[
            probe("program:12", "(amount := 3)", "[rate := 9 for _ in parts]", "1 / 0"),
            probe("program:21", "1 / 0"),
            probe("Rates.of return", "1 / 0"),
        ],
    )
    assert (probed.stdout, probed.stderr, probed.exit_code) == (plain.stdout, plain.stderr, plain.exit_code)
    assert [(call.function, call.args, call.value) for call in probed.calls] == [
        (call.function, call.args, call.value) for call in plain.calls
    ]


def test_an_expression_that_changes_a_shared_variable_is_not_undone(python: str, trace: Trace) -> None:
    code = program("""
        def outer():
            count = 0
            def bump():
                nonlocal count
                count += 1
                return count
            for _ in range(3):
                pass
            return count

        print(outer())
        """)
    spool = trace(python, code, probes=[probe("program:8", "bump()")])
    assert [row["bump()"] for row in values(spool)] == [1, 2, 3]
    assert spool.stdout == "3\n"


def test_an_exception_that_is_handled_stays_the_one_that_is_handled(python: str, trace: Trace) -> None:
    code = program("""
        import sys

        def fails():
            try:
                {}["gone"]
            except KeyError:
                print(sys.exc_info()[0].__name__)
                raise

        try:
            fails()
        except Exception as error:
            print(type(error).__name__, error.__context__)
        """)
    spool = trace(python, code, probes=[probe("program:7", "1 / 0"), probe("program:8", "[][1]")])
    assert spool.stdout == "KeyError\nKeyError None\n"
    assert len(rows(spool)) == len(rows(spool, 1)) == 1


def test_what_a_signal_handler_raises_meanwhile_reaches_the_program(python: str, trace: Trace) -> None:
    code = program("""
        import signal

        def on_alarm(number, frame):
            raise RuntimeError("time is up")

        signal.signal(signal.SIGALRM, on_alarm)

        def works(number):
            return number + 1

        try:
            works(signal.SIGALRM)
            print("not interrupted")
        except RuntimeError as error:
            print(error)
        print(works(1))
        """)
    wanted = probe("program:9 if number > 1", "signal.raise_signal(number)")
    spool = trace(python, code, probes=[wanted, probe("works entry", "number")])
    assert spool.stdout == "time is up\n2\n"
    assert values(spool) == []
    assert values(spool, 1)[-1] == {"number": 1}


def test_at_the_recursion_limit_program_and_probes_go_on(python: str, trace: Trace) -> None:
    code = program("""
        def deep(n):
            return deep(n + 1)

        def shallow(n):
            return n

        try:
            deep(0)
        except RecursionError:
            print("caught")
        print(shallow(3))
        """)
    endless = "(lambda f: f(f))(lambda f: f(f))"
    spool = trace(
        python,
        code,
        probes=[probe("deep entry", "n"), probe("deep return", "n"), probe("shallow entry", endless, "n")],
    )
    assert (spool.stdout, spool.exit_code) == ("caught\n3\n", 0)
    assert len(values(spool)) > 500
    assert rows(spool, 2)[0]["errors"] == {endless: "RecursionError: maximum recursion depth exceeded"}
    assert values(spool, 2) == [{"n": 3}]


def test_a_program_given_as_text_is_probed_by_line(python: str, trace: Trace) -> None:
    spool = trace(python, ["-c", "x = 1\nprint(x)"], probes=[probe("__main__:2", "x")])
    assert values(spool) == [{"x": 1}]


def test_secrets_are_redacted_also_in_parts_of_them(python: str, trace: Trace) -> None:
    code = program("""
        class Account:
            def __init__(self):
                self.password = "hunter2-hunter2"
        def login(password, account):
            other = "x" + password
            return account
        login("correct-horse-battery", Account())
        """)
    wanted = ("password", "password[:3]", "len(password)", "account", "account.password", "other", "password is None")
    spool = trace(python, code, probes=[probe("program:6", *wanted)])
    assert "hunter2" not in str(spool.of("probe_values"))
    (row,) = values(spool)
    assert row["password"] == row["password[:3]"] == row["account.password"] == "[REDACTED]"
    assert row["len(password)"] == 21
    assert row["password is None"] is False
    assert "correct-horse" not in str(row) and "cor" not in str(row["password[:3]"])


def test_a_secret_that_is_learned_later_is_erased_in_rows_that_are_not_written_yet(python: str, trace: Trace) -> None:
    secret = "q7Zp-41xLw-90rTb-Kd83s"
    code = program(f"""
        word = "{secret}"
        for n in range({FIRST_ROWS + LAST_ROWS}):
            n
        def login(password):
            return None
        login(word)
        """)
    spool = trace(python, code, probes=[probe("program:3", "word", "n")])
    assert [row["word"] for row in values(spool)[-LAST_ROWS:]] == ["[REDACTED]"] * LAST_ROWS


def test_of_many_rows_the_first_and_the_last_are_kept_and_all_are_counted(python: str, trace: Trace) -> None:
    count = FIRST_ROWS + 5 * LAST_ROWS
    spool = trace(python, f"for n in range({count}):\n    n\n", probes=[probe("program:2", "n")])
    kept = [*range(FIRST_ROWS), *range(count - LAST_ROWS, count)]
    assert [row["n"] for row in values(spool)] == kept
    assert [row["n"] for row in rows(spool)] == [n + 1 for n in kept]
    assert last_record(spool)["hits"] == count


def test_a_killed_process_leaves_the_first_rows_and_a_lower_bound(python: str, trace: Trace) -> None:
    code = "import os\nfor n in range(40):\n    n\nos.kill(os.getpid(), 9)\n"
    spool = trace(python, code, probes=[probe("program:3", "n")])
    assert [row["n"] for row in values(spool)] == list(range(40))
    record = last_record(spool)
    assert record["final"] is False
    assert 20 <= record["hits"] <= 40


def test_an_expression_that_took_too_long_is_not_evaluated_again(python: str, trace: Trace) -> None:
    code = 'import sys\nsys.modules["breadcrumb.probes.log"].SLOW_NS = -1\nfor n in range(3):\n    n\n'
    spool = trace(python, code, probes=[probe("program:4", "n")])
    assert values(spool) == [{"n": 0}, {}, {}]
    assert all(row["errors"]["n"].startswith("not evaluated again") for row in rows(spool)[1:])
    assert "n took" in last_record(spool)["message"]


def test_probes_stop_when_all_of_them_took_too_long(python: str, trace: Trace) -> None:
    code = 'import sys\nsys.modules["breadcrumb.probes.log"].ALL_NS = 0\nfor n in range(3):\n    n\n'
    spool = trace(python, code, probes=[probe("program:4", "n")])
    assert values(spool) == [{"n": 0}]
    assert last_record(spool)["hits"] == 3
    assert "stopped" in last_record(spool)["message"]


def test_code_that_no_pattern_includes_is_probed(python: str, trace: Trace) -> None:
    code = "import textwrap\nprint(textwrap.dedent('  a'))\n"
    spool = trace(python, code, probes=[probe("textwrap.dedent entry", "text"), probe("dedent return")])
    assert values(spool) == [{"text": "  a"}]
    assert ends(spool, 1) == ["a"]
    assert rows(spool)[0]["call"] is None
    assert [call.function for call in spool.calls] == ["<module>"]


def test_the_main_module_has_also_the_name_by_which_others_import_it(python: str, trace: Trace, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "main.py").write_text("def work(n):\n    return n\nwork(7)\n")
    places = ("shop.main:2", "main:2", "__main__:2", "shop.main.work entry", "shop.main:work entry", "other.main:2")
    spool = trace(python, ["-m", "shop.main"], probes=[probe(place, "n") for place in places])
    assert [values(spool, number) for number in range(len(places))] == [[{"n": 7}]] * 5 + [[]]


def test_a_line_without_code_is_told_with_the_lines_of_its_function(python: str, trace: Trace) -> None:
    spool = trace(python, SHOP, probes=[probe("program.py:13", "amount"), probe("other.py:13", "amount")])
    record = last_record(spool)
    assert (record["hits"], record["codes"]) == (0, [])
    (nearest,) = record["nearest"]
    assert (nearest["function"], nearest["lines"]) == ("discounted", [10, 11, 12, 14, 15])
    assert not [event for event in spool.of("probe") if event["probe"] == 1]


def test_a_line_of_a_function_that_did_not_run_is_known(python: str, trace: Trace) -> None:
    code = "def never():\n    return 1\ndef ran(x):\n    if x:\n        return 2\nran(0)\n"
    spool = trace(python, code, probes=[probe("program:2", "1"), probe("program:5", "1")])
    first, second = last_record(spool), last_record(spool, 1)
    assert (first["codes"][0]["function"], first["started"], first["hits"]) == ("never", False, 0)
    assert (second["codes"][0]["function"], second["started"], second["hits"]) == ("ran", True, 0)


def test_an_expression_of_a_newer_grammar_is_an_error_in_its_row(trace: Trace) -> None:
    spool = trace(interpreter("3.9"), SHOP, probes=[probe("program:12", "amount", 'f"{parts[0]:{"x"}}"')])
    (row, *_) = rows(spool)
    assert row["values"] == {"amount": 50}
    (error,) = row["errors"].values()
    assert error.startswith("SyntaxError: ")


def test_a_function_that_keeps_its_locals_is_left_out_where_that_would_show(trace: Trace) -> None:
    code = program("""
        def keeps(a):
            seen = locals()
            b = a
            return sorted(seen)

        print(keeps(1))
        """)
    old = trace(interpreter("3.9"), code, probes=[probe("program:4", "b")])
    assert old.stdout == "['a']\n"
    assert values(old) == []
    assert "locals()" in last_record(old)["message"]


def test_on_312_the_dict_of_locals_is_left_alone(trace: Trace) -> None:
    code = program("""
        def keeps(a):
            seen = locals()
            b = a
            return sorted(seen)

        print(keeps(1))
        """)
    spool = trace(interpreter("3.12"), code, probes=[probe("program:4", "a + b")])
    assert spool.stdout == "['a']\n"
    assert values(spool) == [{"a + b": 2}]
