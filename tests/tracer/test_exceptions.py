"""Test that each exception is recorded once, with the state at its raise, and with its handler."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from breadcrumb import record_format, value_format
from spool_reader import Spool, Trace, program


def fate(spool: Spool, exception_id: int) -> str:
    """Return the last record of an exception: ``handled by`` a function, ``uncaught``, or an empty text."""
    last = ""
    for event in spool.events:
        if event.get("id") == exception_id and event["k"] == "handled":
            last = f"handled by {event['function']}" if event["function"] else ""
        elif event.get("id") == exception_id and event["k"] == "uncaught":
            last = "uncaught"
    return last


def raised(spool: Spool) -> list[dict[str, Any]]:
    return spool.of("exception")


def test_each_frame_of_a_stack_is_written_as_it_is_without_secrets(python: str, trace: Trace) -> None:
    text = """
        token = "ghp_" + "0a1B2c3D4e" * 4
        names = {}
        exec(compile("def f(): raise ValueError(1)", "/srv/%s/a b.py" % token, "exec"), names)
        exec(compile("def g(f): f()", "<made \\"here\\">", "exec"), names)
        def deep(n):
            if n:
                return deep(n - 1)
            names["g"](names["f"])
        for n in (0, 60):
            try:
                deep(n)
            except ValueError:
                pass
    """
    spool = trace(python, program(text))
    short, long = (exception["stack"].splitlines() for exception in raised(spool))
    assert [line.rpartition(" in ")[2] for line in short] == ["<module>", "deep", "g", "f"]
    assert short[2] == '<made "here">:1 in g'
    assert "ghp_" not in short[3] and short[3].endswith(":1 in f")
    assert len(long) == 41 and long[20] == "... 24 frames left out" and long[-2:] == short[-2:]


def test_an_uncaught_exception_deep_in_the_calls_is_recorded_with_its_locals(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def a(order): return b(order, 1)
            def b(order, depth): return c(order)
            def c(order): return d(order["items"])
            def d(items): return [e(item) for item in items]
            def e(item):
                prices = {"tea": 3}
                return prices[item]
            a({"items": ["tea", "coffee"]})
        """),
    )
    assert spool.exit_code == 1
    (exception,) = raised(spool)
    assert exception["type"] == "KeyError"
    assert exception["message"] == "'coffee'"
    assert (exception["function"], exception["module"], exception["line"]) == ("e", "__main__", 7)
    assert json.loads(exception["locals"]) == {"item": "coffee", "prices": {"tea": 3}}
    stack = exception["stack"].splitlines()
    assert [line.rpartition(" in ")[2] for line in stack if "<listcomp>" not in line] == ["<module>", *"abcde"]
    failing = next(c for c in spool.named("e") if c.args == {"item": "coffee"})
    assert exception["call"] == failing.call
    assert fate(spool, exception["id"]) == "uncaught"
    chain = [
        c for c in spool.calls if c.outcome == record_format.OUTCOME_RAISED and c.function != "d.<locals>.<listcomp>"
    ]
    assert [c.function for c in chain] == ["<module>", *"abcde"]
    assert {c.exception for c in chain} == {exception["id"]}


def test_a_handled_exception_names_its_handler(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def fails(): raise ValueError("no")
            def passes(): fails()
            def handles():
                try: passes()
                except ValueError: return None
            handles()
        """),
    )
    (exception,) = raised(spool)
    assert fate(spool, exception["id"]) == "handled by handles"
    assert [spool.one(name).outcome for name in ("fails", "passes", "handles")] == [1, 1, 0]


def test_finally_and_with_do_not_count_as_handlers(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import contextlib
            def fails(): raise ValueError("no")
            def cleans():
                try: fails()
                finally: done = 1
            def manages():
                with contextlib.ExitStack():
                    cleans()
            def reraises():
                try: manages()
                except ValueError: raise
            try: reraises()
            except ValueError: pass
        """),
    )
    (exception,) = raised(spool)
    assert fate(spool, exception["id"]) == "handled by <module>"
    assert all(spool.one(n).outcome == 1 for n in ("fails", "cleans", "manages", "reraises"))


def test_chained_exceptions_point_to_their_cause_and_context(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def first(): raise KeyError("first")
            def second():
                try: first()
                except KeyError as e: raise ValueError("second") from e
            def third():
                try: second()
                except ValueError: raise TypeError("third")
            try: third()
            except TypeError: pass
        """),
    )
    by_type = {e["type"]: e for e in raised(spool)}
    assert len(raised(spool)) == 3
    assert by_type["ValueError"]["cause"] == by_type["KeyError"]["id"]
    assert by_type["TypeError"]["context"] == by_type["ValueError"]["id"]
    assert by_type["TypeError"]["cause"] is None
    assert fate(spool, by_type["KeyError"]["id"]) == "handled by second"
    assert fate(spool, by_type["ValueError"]["id"]) == "handled by third"


def test_an_exception_of_untraced_code_is_recorded_when_it_reaches_traced_code(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import json
            def parse(text):
                try: return json.loads(text)
                except ValueError: return None
            for text in ("{", "[", "{"):
                parse(text)
        """),
    )
    assert [e["type"] for e in raised(spool)] == ["json.decoder.JSONDecodeError"] * 3
    assert all(e["module"] == "json.decoder" for e in raised(spool))
    assert all(json.loads(e["locals"])["text"] in "{[" for e in raised(spool))
    assert [fate(spool, e["id"]) for e in raised(spool)] == ["handled by parse"] * 3


def test_each_raise_in_a_loop_is_an_exception_of_its_own(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def fails(n): raise ValueError(n)
            for n in range(100):
                try: fails(n)
                except ValueError: pass
        """),
    )
    assert [e["message"] for e in raised(spool)] == [str(n) for n in range(100)]


def test_each_raise_of_an_exception_that_the_program_keeps_is_one_of_its_own(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            NOT_FOUND = LookupError("not found")
            def find(key):
                raise NOT_FOUND
            def lookup(key):
                try: return find(key)
                except LookupError: return None
            lookup("a"); lookup("b")
            def ask(key): return find(key)
            for key in range(2):
                try:
                    raise NOT_FOUND  # the first time, it may have been carried here from find
                except LookupError: pass
            ask("c")
        """),
    )
    assert spool.exit_code == 1
    found = [(e["line"], json.loads(e["locals"]).get("key"), fate(spool, e["id"])) for e in raised(spool)]
    assert found == [
        (3, "a", "handled by lookup"),
        (3, "b", "handled by <module>"),
        (11, 1, "handled by <module>"),
        (3, "c", "uncaught"),
    ]
    assert [len(e["stack"].splitlines()) for e in raised(spool)] == [3, 3, 1, 3]
    last = raised(spool)[-1]["id"]
    assert [call.function for call in spool.calls if call.exception == last] == ["<module>", "ask", "find"]


def test_the_last_of_many_raises_of_an_exception_that_the_program_keeps_has_no_calls_of_the_others(
    python: str, trace: Trace
) -> None:
    spool = trace(
        python,
        program("""
            class Port:
                def lose(self):
                    try: raise OSError("link lost")
                    except OSError as error: self.broken = error
                def check(self): raise self.broken
                def write(self, data): self.check()
            port = Port()
            port.lose()
            for number in range(1000):
                try: port.write(number)
                except OSError: pass
            port.write("last")
        """),
    )
    last = raised(spool)[-1]
    assert (last["function"], last["line"], fate(spool, last["id"])) == ("Port.check", 5, "uncaught")
    stack = [line.rpartition(" in ")[2] for line in last["stack"].splitlines()]
    assert [name.rpartition(".")[2] for name in stack] == ["<module>", "write", "check"]  # from 3.11 on: Port.write
    by_id = {call.call: call for call in spool.calls}
    assert [by_id[call].function for call in last["calls"]] == ["<module>", "Port.write", "Port.check"]
    assert by_id[last["calls"][1]].args["data"] == "last"


def test_an_exception_that_is_caught_and_raised_again_or_carried_elsewhere_is_one(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def deep(number):
                if number == 0:
                    raise ValueError("at the bottom")
                try:
                    deep(number - 1)
                except ValueError as error:
                    raise error
            def attempts():
                for attempt in range(3):
                    try:
                        deep(2)
                    except ValueError as error:
                        last = error
                raise last
            class Result:
                def set(self, error): self.error = error
                def get(self): raise self.error
            result = Result()
            try:
                attempts()
            except ValueError as error:
                result.set(error)
            result.get()
        """),
    )
    assert [(e["message"], fate(spool, e["id"])) for e in raised(spool)] == [
        ("at the bottom", "handled by attempts"),
        ("at the bottom", "handled by attempts"),
        ("at the bottom", "uncaught"),
    ]


def test_many_raises_at_one_place_are_bounded_and_counted(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def fails(n): raise ValueError(n)
            for n in range(5000):
                try: fails(n)
                except ValueError: pass
        """),
    )
    assert len(raised(spool)) == 200
    (folded,) = spool.of("raises")
    assert 200 + spool.counters[folded["process"]][2 * folded["slot"]] == 5000
    assert sum(c.outcome == record_format.OUTCOME_RAISED for c in spool.named("fails")) == 5000


def test_the_end_of_an_iteration_is_no_exception(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import asyncio
            def gen():
                yield 1
            async def agen():
                yield 1
            async def main():
                async for _ in agen(): pass
                await asyncio.sleep(0)
            list(gen())
            g = gen(); next(g); g.close()
            asyncio.run(main())
        """),
    )
    assert [e for e in raised(spool) if not e["control_flow"]] == []


def test_a_stop_iteration_that_leaves_an_ordinary_function_is_recorded(python: str, trace: Trace) -> None:
    spool = trace(python, "def first(items): return next(iter(items))\nfirst([])\n")
    (exception,) = raised(spool)
    assert exception["type"] == "StopIteration" and exception["control_flow"]
    assert fate(spool, exception["id"]) == "uncaught"


def test_an_exception_in_a_generator_ends_it(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def gen():
                yield 1
                raise ValueError("in the generator")
            def consume():
                for _ in gen(): pass
            try: consume()
            except ValueError: pass
        """),
    )
    (exception,) = raised(spool)
    assert spool.one("gen").outcome == record_format.OUTCOME_RAISED
    assert spool.one("gen").exception == exception["id"]
    assert fate(spool, exception["id"]) == "handled by <module>"


def test_an_exception_thrown_into_a_generator_is_recorded(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def survives():
                while True:
                    try: yield 1
                    except ValueError: pass
            def dies():
                yield 1
            g = survives(); next(g); g.throw(ValueError("caught inside")); g.close()
            h = dies(); next(h)
            try: h.throw(KeyError("not caught inside"))
            except KeyError: pass
        """),
    )
    fates = {e["message"]: fate(spool, e["id"]) for e in raised(spool) if not e["control_flow"]}
    assert fates == {"caught inside": "handled by survives", "'not caught inside'": "handled by <module>"}
    assert spool.one("survives").outcome == record_format.OUTCOME_CANCELLED
    assert spool.one("dies").outcome == record_format.OUTCOME_RAISED


def test_a_cancelled_task_has_another_outcome_than_a_failed_one(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import asyncio
            async def slow():
                await asyncio.sleep(60)
            async def fails():
                raise ValueError("task")
            async def main():
                tasks = [asyncio.ensure_future(slow()), asyncio.ensure_future(fails())]
                await asyncio.sleep(0)
                tasks[0].cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            asyncio.run(main())
        """),
    )
    assert spool.one("slow").outcome == record_format.OUTCOME_CANCELLED
    assert spool.one("fails").outcome == record_format.OUTCOME_RAISED


@pytest.mark.smoke
def test_an_exception_that_ends_a_thread_is_uncaught(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import threading
            def work(n): raise ValueError("in a thread")
            t = threading.Thread(target=work, args=(1,))
            t.start()
            t.join()
        """),
    )
    (exception,) = raised(spool)
    assert spool.exit_code == 0
    assert fate(spool, exception["id"]) == "uncaught"


def test_deep_recursion_ends_as_it_does_without_the_tracer(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def dive(n): return dive(n + 1)
            try: dive(0)
            except RecursionError: print("caught")
            def after(): return 1
            after()
        """),
        expect_lost=True,
    )
    assert (spool.exit_code, spool.stdout) == (0, "caught\n")
    assert any(e["type"] == "RecursionError" for e in raised(spool))
    assert len(spool.named("dive")) > 500
    assert spool.one("after").value == 1


def test_an_exception_near_the_recursion_limit_is_not_confused_with_a_dead_one(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def fails(n): raise ValueError(n)
            for n in range(20):
                try: fails(n)
                except ValueError: pass
            def dive(n): return dive(n + 1)
            for _ in range(3):
                try: dive(0)
                except RecursionError: pass
        """),
        expect_lost=True,
    )
    types = {each["id"]: each["type"] for each in raised(spool)}
    assert len([type for type in types.values() if type == "ValueError"]) == 20
    assert {types[call.exception] for call in spool.named("dive") if call.exception} == {"RecursionError"}


def test_an_exception_with_a_hostile_class_does_no_harm(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            class Hostile(Exception):
                def __str__(self): raise SystemExit("ran __str__")
                __repr__ = __str__
                __class__ = property(__str__)
                __hash__ = __eq__ = __str__
            def fails(): raise Hostile("quiet", 5)
            try: fails()
            except Exception: print("fine")
        """),
    )
    assert spool.stdout == "fine\n"
    (exception,) = raised(spool)
    assert (exception["type"], exception["message"]) == ("__main__.Hostile", "('quiet', 5)")


@pytest.mark.smoke
def test_the_traceback_the_user_sees_is_unchanged(python: str, trace: Trace, tmp_path: Any) -> None:
    text = "def f(a):\n    return g(a)\ndef g(b):\n    return 1 / b\nf(0)\n"
    traced = trace(python, text)
    untraced = trace(python, text, env={"BREADCRUMB_TRACE": ""})
    assert traced.stderr == untraced.stderr
    assert (traced.exit_code, untraced.exit_code) == (1, 1)


def test_a_recursion_error_has_no_frames_of_the_tracer(monitoring_python: str, trace: Trace) -> None:
    text = program("""
        import traceback
        def dive(n):
            try: return dive(n + 1)
            finally: n = 0
        def generate():
            yield from generate()
        for start in (lambda: dive(0), lambda: list(generate())):
            try: start()
            except RecursionError as error:
                frames = traceback.extract_tb(error.__traceback__)
                print(sorted({frame.name for frame in frames}), error.__context__)
    """)
    traced = trace(monitoring_python, text)
    untraced = trace(monitoring_python, text, env={"BREADCRUMB_TRACE": ""})
    assert traced.stdout == untraced.stdout
    assert [n["code"] for n in traced.of("notice")] in ([], ["recursion_limit"])


def test_an_exception_that_a_test_runner_keeps_in_sys_last_value_is_handled(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import sys
            def fails(): raise ValueError("in a test")
            def run():
                try: fails()
                except ValueError as error:
                    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
            run()
        """),
    )
    (exception,) = raised(spool)
    assert fate(spool, exception["id"]) == "handled by run"


def test_local_values_are_whole_redacted_json_and_run_no_code_of_the_program(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            class Namespace(dict):
                def items(self):
                    print("asked")
                    return dict.items(self)
                keys = __iter__ = values = items
            class Meta(type):
                def __prepare__(name, bases):
                    return Namespace()
            def many():
                a, b, c, d, e, f, g, h, i, j, k, l = ["x\\\\" * 1000] * 12
                raise ValueError
            def login(typed):
                copied = typed
                password = typed
                raise ValueError
            for failing in many, lambda: login("open-" + "sesame-77"):
                try:
                    failing()
                except ValueError:
                    pass
            try:
                class Body(metaclass=Meta):
                    size = 3
                    raise ValueError
            except ValueError:
                pass
        """),
    )
    assert spool.stdout == ""
    many, login, body = (json.loads(e["locals"]) for e in raised(spool))
    assert {name: len(value) > 900 for name, value in many.items()} == dict.fromkeys("abcdefghijkl", True)
    assert login == dict.fromkeys(("typed", "copied", "password"), value_format.REDACTED)
    assert body == {"size": 3}


def test_an_unhandled_exception_is_written_even_after_many_handled_ones_like_it(python: str, trace: Trace) -> None:
    text = program("""
        import threading
        def parse(text): return float(text)
        def load(text): return parse(text)
        def tried(text):
            try: load(text)
            except ValueError: pass
        def work():
            for n in range(500): tried("x%d" % n)
            load("in a thread")
        threading.excepthook = lambda args: None
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        for n in range(500):
            try: load("y%d" % n)
            except ValueError: pass
        load("at the end")
    """)
    for mode in ("full", "adaptive"):
        spool = trace(python, text, mode=mode, capture={"calls_per_function": 10})
        messages = {raised["message"].rpartition(": ")[2]: raised for raised in spool.of("exception")}
        assert spool.exit_code == 1
        uncaught = [event["id"] for event in spool.of("uncaught")]
        for argument, around in (("in a thread", ["work"]), ("at the end", ["<module>"])):
            raised = messages[repr(argument)]
            assert raised["id"] in uncaught
            assert f'"text": "{argument}"' in raised["locals"]
            by_id = {call.call: call for call in spool.calls}
            assert [by_id[call].function for call in raised["calls"]] == [*around, "load", "parse"]
            assert [by_id[call].args.get("text") for call in raised["calls"]][1:] == [argument] * 2
            assert [by_id[call].outcome for call in raised["calls"]] == [record_format.OUTCOME_RAISED] * 3
        (folded,) = spool.of("raises")
        assert spool.counters[folded["process"]][2 * folded["slot"]] + len(spool.of("exception")) == 1002


def test_the_exception_that_leaves_a_function_is_not_confused_with_those_it_handled(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import contextlib
            def remove():
                raise OSError("already gone")
            def work():
                try: raise ValueError("the real one")
                finally:
                    try: remove()
                    except OSError: pass
            def insists():
                try: raise LookupError("on its way")
                finally:
                    try:
                        try: remove()
                        except OSError as error: raise error
                    except OSError: pass
            @contextlib.contextmanager
            def opened():
                try: yield 1
                finally:
                    for n in iter([1]): pass
            def lines():
                with opened():
                    try: yield 1
                    finally:
                        try: remove()
                        except OSError: pass
            closed = lines(); next(closed); closed.close()
            thrown = lines(); next(thrown)
            try: thrown.throw(KeyError("thrown"))
            except KeyError: pass
            try: insists()
            except LookupError: pass
            work()
        """),
    )
    by_message = {e["message"]: e["id"] for e in raised(spool)}
    assert {m: fate(spool, i) for m, i in by_message.items() if m != "already gone"} == {
        "the real one": "uncaught", "'thrown'": "handled by <module>", "on its way": "handled by <module>",
    }  # fmt: skip
    assert {fate(spool, e["id"]) for e in raised(spool) if e["message"] == "already gone"} == {
        "handled by work", "handled by lines", "handled by insists",
    }  # fmt: skip
    assert spool.one("insists").exception == by_message["on its way"]
    assert spool.one("work").exception == by_message["the real one"]
    cancelled, thrown = record_format.OUTCOME_CANCELLED, record_format.OUTCOME_RAISED
    assert [c.outcome for c in spool.named("lines")] == [cancelled, thrown]
    assert [c.outcome for c in spool.named("opened")] == [cancelled, thrown]
    assert spool.named("lines")[1].exception == spool.named("opened")[1].exception == by_message["'thrown'"]


def test_repeated_exceptions_are_written_if_they_leave_the_traced_code_and_counted_otherwise(
    python: str, trace: Trace
) -> None:
    text = program("""
        import unittest
        class Held:
            def __del__(self): deaths.append("died")
        def fails(held, kind): raise kind
        def goes_through(kind): fails(Held(), kind)
        def passed_on(kind):
            try: fails(Held(), kind)
            except kind: raise
        def named_and_passed_on(kind):
            try: fails(Held(), kind)
            except kind as error:
                deaths.append("handler")
                raise
        def another_is_expected(kind):
            try: fails(Held(), kind)
            except KeyError: pass
        def cleaned_up_after(kind):
            try: fails(Held(), kind)
            finally:
                try: fails(Held(), KeyError)
                except KeyError: deaths.append("handler")
                deaths.append("after")
        def in_hand_for_long(kind):
            try: fails(Held(), kind)
            except kind:
                for _ in range(300): _ += 1
                raise
        def handled(kind):
            try:
                try: fails(Held(), kind)
                finally: deaths.append("finally")
            except kind: deaths.append("handler")
            deaths.append("after")
            raise IndexError
        def forgets(kind):
            held = Held()
            del kind
            fails(held, LookupError)
        caller = unittest.TestCase()
        for function in (
            goes_through, passed_on, named_and_passed_on, another_is_expected, cleaned_up_after, in_hand_for_long,
            handled, forgets,
        ):
            deaths = []
            kind = type(function.__name__, (LookupError,), {})
            for n in range(230): caller.assertRaises(LookupError, function, kind)
            print(kind.__name__, deaths)
    """)
    leaving = (
        "goes_through", "passed_on", "named_and_passed_on", "another_is_expected", "cleaned_up_after",
        "in_hand_for_long",
    )  # fmt: skip
    for mode in ("full", "adaptive"):
        spool = trace(python, text, mode=mode, capture={"calls_per_function": 10})
        assert spool.stdout == trace(python, text, env={"BREADCRUMB_TRACE": ""}).stdout
        written = Counter(e["type"].rpartition(".")[2] for e in spool.of("exception"))
        assert written == {
            **dict.fromkeys((*leaving, "IndexError", "LookupError"), 230),
            "handled": 200,
            "KeyError": 200,
        }
        assert spool.of("notice") == []
        assert len(spool.named("fails")) == 9 * 230 if mode == "full" else len(spool.named("fails")) < 9 * 230
        assert {"$deleted": True} in [call.args["kind"] for call in spool.named("forgets")] or mode == "full"
        names = {call.call: (call.function, call.outcome) for call in spool.calls}
        last = {e["type"].rpartition(".")[2]: e for e in spool.of("exception")}
        for name in leaving:
            ended = [names[call] for call in last[name]["calls"]][-2:]
            assert ended == [(name, record_format.OUTCOME_RAISED), ("fails", record_format.OUTCOME_RAISED)]


FRAMEWORK = """
import errors
from errors import Refusal
def serve(handler, *requests):
    for request in requests:
        try: handler(request)
        except Refusal as refusal: print(422)
        except Exception as error: print(500)
"""
ERRORS = """
class Refusal(Exception): pass
class NotFound(Refusal):
    code = 404
class Unavailable(Refusal):
    status_code = 503
class Other(Exception): pass
"""


def expected(spool: Spool) -> dict[str, bool]:
    """Return by its message whether each exception is marked as expected at its last record."""
    last: dict[int, bool] = {}
    for event in spool.events:
        if event["k"] == "handled":
            last[event["id"]] = bool(event.get("expected"))
        elif event["k"] == "uncaught":
            last[event["id"]] = False
    return {e["message"]: last.get(e["id"], False) for e in raised(spool) if not e["control_flow"]}


def test_an_exception_is_expected_if_the_module_of_its_handler_names_its_class(
    python: str, trace: Trace, tmp_path: Path
) -> None:
    for name, text in (("framework", FRAMEWORK), ("errors", ERRORS), ("lone", FRAMEWORK.replace("import errors", ""))):
        (tmp_path / f"{name}.py").write_text(text)
    spool = trace(
        python,
        program("""
            import errors, framework, lone
            def handler(request): raise request
            class OwnRefusal(errors.Refusal): pass
            framework.serve(handler, KeyError("a bug"), errors.NotFound("refused"), errors.Unavailable("failed"))
            framework.serve(handler, errors.Other("of a module that it names"), OwnRefusal("own"))
            lone.serve(handler, errors.Other("of another library"))
            try: handler(errors.NotFound("caught by own code"))
            except errors.NotFound: pass
        """),
    )
    assert spool.stdout.split() == ["500", "422", "422", "500", "422", "500"]
    assert expected(spool) == {
        "'a bug'": False, "refused": True, "failed": False, "of a module that it names": True, "own": True,
        "of another library": False, "caught by own code": False,
    }  # fmt: skip


def test_what_a_built_in_function_asked_for_is_expected(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import asyncio
            class Lazy:
                def __getattr__(self, name): raise AttributeError(name)
                @property
                def broken(self): return self.inner
                def __getitem__(self, at): raise IndexError("end %d" % at)
                def method(self): raise AttributeError("a bug")
            class Dies:
                def __del__(self): raise AttributeError("in a finalizer")
            async def task(): raise AttributeError("in a task")
            async def main():
                running = asyncio.ensure_future(task())
                await asyncio.sleep(0)
                try: running.exception()
                except BaseException: pass
            def passes(): Lazy().method()
            print(hasattr(Lazy(), "asked"), getattr(Lazy(), "wanted", 3), hasattr(Lazy(), "broken"), list(Lazy()))
            try: passes()
            except AttributeError: pass
            Dies()
            asyncio.run(main())
            Lazy().missing
        """),
    )
    assert spool.stdout == "False 3 False []\n"
    found = expected(spool)
    assert {message for message, is_expected in found.items() if is_expected} == {
        "asked", "wanted", "broken", "inner", "end 0",
    }  # fmt: skip
    assert {"a bug", "in a finalizer", "in a task", "missing"} <= found.keys()


def test_a_generator_that_an_exception_was_thrown_into_is_no_caller_of_what_raised_it(
    python: str, trace: Trace, tmp_path: Path
) -> None:
    (tmp_path / "framework.py").write_text(
        program("""
            import contextlib, threading
            def check(request): raise PermissionError(request)
            def answer(dependency, request):
                with contextlib.contextmanager(dependency)():
                    check(request)
            def answer_in_thread(dependency, request):
                generator = dependency()
                next(generator)
                try: check(request)
                except PermissionError as error:
                    def throw():
                        try: generator.throw(error)
                        except PermissionError: pass
                    thread = threading.Thread(target=throw)
                    thread.start()
                    thread.join()
            async def answer_async(dependency, request):
                async with contextlib.asynccontextmanager(dependency)():
                    check(request)
        """)
    )
    spool = trace(
        python,
        program("""
            import asyncio, framework
            def session():
                number = 7
                try: yield number
                finally: number = 8
            def delegates():
                yield from session()
            async def session_async():
                try: yield 1
                finally: pass
            def main(answer, dependency, request):
                try: answer(dependency, request)
                except PermissionError: pass
            async def main_async(request):
                try: await framework.answer_async(session_async, request)
                except PermissionError: pass
            main(framework.answer, session, "one")
            main(framework.answer, delegates, "two")
            main(framework.answer_in_thread, session, "three")
            asyncio.run(main_async("four"))
        """),
    )
    names = {call.call: call.function for call in spool.calls}
    by_message = {e["message"]: e for e in raised(spool)}
    assert len(by_message) == len(raised(spool))
    assert {message: names.get(e["call"]) for message, e in by_message.items()} == {
        "one": "main", "two": "main", "three": None, "four": "main_async",
    }  # fmt: skip
    for each in by_message.values():
        functions = [line.rpartition(" in ")[2] for line in each["stack"].splitlines()]
        assert functions[-2:] == [functions[-2], "check"] and functions[-2].startswith("answer")
        assert not {"session", "delegates", "session_async"} & set(functions)
        assert each["locals"] is None


def test_a_counted_exception_thrown_into_a_generator_has_no_false_callers(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import contextlib, threading
            @contextlib.contextmanager
            def session(): yield 1
            def fails(n): raise ValueError(n)
            def work(n):
                with session(): fails(n)
            for n in range(300):
                try: work(n)
                except ValueError: pass
            thread = threading.Thread(target=work, args=(300,))
            threading.excepthook = lambda args: None
            thread.start()
            thread.join()
        """),
    )
    last = raised(spool)[-1]
    names = {call.call: call.function for call in spool.calls}
    assert last["message"] == "300"
    assert [names[call] for call in last["calls"]] == ["work", "fails"]


def test_messages_are_those_that_the_program_prints(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import io, os, subprocess, urllib.error
            def decode(): b"\\xff".decode()
            def encode(): "\\xe9".encode("ascii")
            def rename(): os.rename("/nope/a", "/nope/b's")
            def lookup(): {}["it's"]
            def compile_text(): compile("a b", "rules.txt", "exec")
            def fetch(): raise urllib.error.HTTPError("http://x/y", 404, "Not Found", {}, io.BytesIO())
            def connect(): raise urllib.error.URLError("no host")
            def build(): raise subprocess.CalledProcessError(2, ["make", "all"])
            def wait(): raise subprocess.TimeoutExpired("make", 3)
            class ApiError(Exception):
                def __init__(self, *, code, detail): self.code, self.detail = code, detail
                def __str__(self): return "code=%s, detail=%r" % (self.code, self.detail)
            def call(): raise ApiError(code=3, detail="limit reached")
            def paint(): raise ValueError("a \\x1b[31mred\\x1b[0m word")
            for failing in decode, encode, rename, lookup, compile_text, fetch, connect, build, wait, call, paint:
                try: failing()
                except Exception as error: print(error)
        """),
    )
    printed = spool.stdout.replace("\x1b[31m", "").replace("\x1b[0m", "").splitlines()
    assert [each["message"] for each in raised(spool)] == printed
    assert len(raised(spool)) == 11


def test_the_line_of_a_handler_is_that_of_its_except(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def price(name):
                try:
                    return {}[name]
                except ValueError:
                    return 1
                except KeyError:
                    return 0

            price("pear")
        """),
    )
    (handled,) = spool.of("handled")
    assert (handled["function"], handled["line"]) == ("price", 4)
