"""Test that each call is recorded once, with its parent, arguments, result and times, on every Python."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path
from typing import Any

import pytest

from breadcrumb import record_format
from spool_reader import INJECT, TARGETS, Spool, Trace, program


@pytest.mark.smoke
def test_every_call_of_a_known_tree_is_recorded_once_with_its_parent(python: str, trace: Trace) -> None:
    spool = trace(python, [str(TARGETS / "known_tree.py"), "6"], include=["__main__"])
    # The program counts its own calls by other means and prints the count.
    expected = ast.literal_eval(spool.stdout)
    counted: dict[str, int] = {}
    for call in spool.calls:
        counted[call.function] = counted.get(call.function, 0) + 1
    assert {name: counted.get(name, 0) for name in expected} == expected
    by_id = {call.call: call for call in spool.calls}
    for call in spool.named("fib"):
        parent = by_id[call.parent]
        if parent.function == "fib":
            assert call.args["n"] in (parent.args["n"] - 1, parent.args["n"] - 2)
        assert call.ended_ns is not None
        if parent.ended_ns is not None:
            assert parent.started_ns <= call.started_ns <= call.ended_ns <= parent.ended_ns


def test_results_are_those_the_functions_returned(python: str, trace: Trace) -> None:
    spool = trace(python, [str(TARGETS / "known_tree.py"), "6"])
    values = [0, 1, 1, 2, 3, 5, 8]
    assert all(call.value == values[call.args["n"]] for call in spool.named("fib"))


@pytest.mark.smoke
def test_arguments_of_every_kind_are_recorded_under_their_names(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def f(a, b=2, *rest, key=None, **more):
                pass
            f(1)
            f(1, 2, 3, 4, key="k", extra=[5])
            (lambda x: x)("y")
        """),
    )
    first, second = spool.named("f")
    assert first.args == {"a": 1, "b": 2, "key": None, "rest": [], "more": {}}
    assert second.args == {"a": 1, "b": 2, "key": "k", "rest": [3, 4], "more": {"extra": [5]}}
    assert spool.one("<lambda>").args == {"x": "y"}


def test_arguments_are_recorded_as_at_the_start_and_results_as_at_the_end(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def grow(items):
                items.append(1)
                return items
            items = grow([])
            items.append(2)
        """),
    )
    call = spool.one("grow")
    assert call.args == {"items": []}
    assert call.value == [1]


def test_calls_are_recorded_under_qualified_names(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            class Outer:
                class Inner:
                    def method(self):
                        def nested():
                            return 1
                        return nested()
                @property
                def prop(self): return 2
                @classmethod
                def made(cls): return cls()
                @staticmethod
                def plain(): return 3
            Outer.Inner().method()
            Outer.made().prop
            Outer.plain()
        """),
    )
    assert [name for _, name in spool.tree()] == [
        "<module>", "Outer", "Outer.Inner", "Outer.Inner.method", "Outer.Inner.method.<locals>.nested",
        "Outer.made", "Outer.prop", "Outer.plain",
    ]  # fmt: skip


@pytest.mark.smoke
def test_a_generator_is_one_call_with_its_suspended_time(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import time
            def numbers(n):
                for i in range(n):
                    yield i
                return "done"
            def consume():
                for i in numbers(3):
                    time.sleep(0.01)
            consume()
        """),
    )
    numbers = spool.one("numbers")
    assert (numbers.args, numbers.value, numbers.outcome) == ({"n": 3}, "done", record_format.OUTCOME_RETURNED)
    assert numbers.suspended_ns >= 30_000_000
    assert numbers.ended_ns is not None
    assert numbers.ended_ns - numbers.started_ns >= numbers.suspended_ns
    assert spool.tree()[-1] == ("consume", "numbers")


def test_interleaved_generators_keep_their_own_results(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def inner(n):
                return n
            def gen(n):
                yield inner(n)
                yield inner(n + 1)
                return n
            a, b = gen(10), gen(20)
            next(a), next(b), next(b), next(a)
            list(b), list(a)
        """),
    )
    first, second = spool.named("gen")
    assert (first.args["n"], first.value) == (10, 10)
    assert (second.args["n"], second.value) == (20, 20)
    assert {c.args["n"]: c.parent for c in spool.named("inner")} == {
        10: first.call, 11: first.call, 20: second.call, 21: second.call,
    }  # fmt: skip


def test_generators_that_are_closed_or_dropped_are_cancelled(python: str, trace: Trace) -> None:
    # From 3.13 on the interpreter closes them without an event if they wait outside of any `try`.
    spool = trace(
        python,
        program("""
            def numbers(n):
                yield n
                yield n + 1
            def close(n):
                g = numbers(n)
                next(g)
                g.close()
            def drop(n):
                next(numbers(n))
            close(1), drop(2), close(3)
        """),
    )
    outcomes = {c.args["n"]: c.outcome for c in spool.named("numbers")}
    assert outcomes == dict.fromkeys((1, 2, 3), record_format.OUTCOME_CANCELLED)


def test_a_generator_that_never_starts_is_no_call(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import asyncio, warnings
            def gen(n):
                yield n
            async def co(n): return n
            def drop(n):
                g = gen(n)
                del g
            def close(n): gen(n).close()
            def throw(n):
                try: gen(n).throw(ValueError())
                except ValueError: pass
            drop(1), close(2), throw(3)
            co(4).close()
            list(gen(5))
            asyncio.run(co(6))
        """),
    )
    assert [c.args["n"] for c in spool.named("gen")] == [5]
    assert [c.args["n"] for c in spool.named("co")] == [6]


def test_a_program_may_delete_functions_that_the_tracer_uses(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import sys, os, time
            def gen():
                yield 1
                yield 2
            def f():
                saved = sys._getframe, os.getpid, time.perf_counter_ns
                del sys._getframe, os.getpid, time.perf_counter_ns
                try: return list(gen())
                finally: sys._getframe, os.getpid, time.perf_counter_ns = saved
            f()
        """),
    )
    assert spool.one("f").value == [1, 2]


@pytest.mark.smoke
def test_coroutines_keep_their_own_arguments_and_results(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import asyncio
            async def leaf(n):
                await asyncio.sleep(0.002 * n)
                return n * 10
            async def pair(n):
                return await leaf(n) + await leaf(n + 1)
            async def main():
                return await asyncio.gather(pair(1), pair(5))
            asyncio.run(main())
        """),
    )
    assert {c.args["n"]: c.value for c in spool.named("leaf")} == {1: 10, 2: 20, 5: 50, 6: 60}
    assert {c.args["n"]: c.value for c in spool.named("pair")} == {1: 30, 5: 110}
    assert spool.one("main").value == [30, 110]
    parents = {c.call: c for c in spool.calls}
    assert all(abs(parents[c.parent].args["n"] - c.args["n"]) <= 1 for c in spool.named("leaf"))


def test_calls_that_were_open_when_the_process_was_killed_are_unfinished(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import os, signal
            def inner(a):
                os.kill(os.getpid(), signal.SIGKILL)
            def outer(b):
                before(b)
                inner(b + 1)
            def before(c): return c
            outer(1)
        """),
    )
    assert spool.exit_code == -9
    assert spool.one("before").value == 1
    assert [(c.function, c.outcome) for c in spool.calls if c.outcome is None] == [
        ("<module>", None), ("outer", None), ("inner", None),
    ]  # fmt: skip
    assert spool.one("inner").args == {"a": 2}
    assert not spool.of("end")


def test_os_exit_keeps_every_record(python: str, trace: Trace) -> None:
    spool = trace(python, "import os\ndef f(n): return n\nfor i in range(5000): f(i)\nos._exit(3)\n")
    assert spool.exit_code == 3
    assert [c.value for c in spool.named("f")] == list(range(5000))


def test_a_deleted_working_folder_does_not_stop_the_tracer(python: str, trace: Trace) -> None:
    text = program("""
        import os, tempfile
        def f(n): return n
        folder = tempfile.mkdtemp()
        os.chdir(folder)
        os.rmdir(folder)
        if os.fork() == 0:
            f("child")
            os._exit(0)
        os.wait()
        f("parent")
    """)
    assert sorted(c.value for c in trace(python, text).named("f")) == ["child", "parent"]


def test_the_tracers_own_code_is_not_recorded(python: str, trace: Trace) -> None:
    spool = trace(python, "import json\njson.dumps({'a': 1})\n", include=["*"])
    assert not any(f["module"].startswith("breadcrumb") for f in spool.of("function"))
    assert spool.named("dumps")


@pytest.mark.processes
def test_the_tracer_source_is_valid_in_the_oldest_python(python: str) -> None:
    root = TARGETS.parent.parent / "tracer_bootstrap" / "breadcrumb"
    code = (
        "import ast, sys, pathlib\n"
        "for p in pathlib.Path(sys.argv[1]).rglob('*.py'): ast.parse(p.read_text(encoding='utf-8'), str(p))"
    )
    subprocess.run([python, "-c", code, str(root)], check=True)


# Starts the tracer by itself: with a clock that only moves when it is read, and, if PLAIN_PATH is set, without the
# shortcuts of the hot path. Calls then go by CallLog.begin and end, and counted ones by AdaptiveCapture.skips and end.
STARTS_TRACER = """
    import itertools, os, sys, time
    time.perf_counter_ns = itertools.count(1_000_000, 1000).__next__
    sys.path.insert(0, os.environ["TRACER"])
    import breadcrumb.runtime.own_builtins
    from breadcrumb import bootstrap
    from breadcrumb.events.adaptive import AdaptiveCapture
    from breadcrumb.session.functions import Function
    del sys.path[0]
    if os.environ.get("PLAIN_PATH"):
        begin = Function.__init__
        def init(self, *args):
            begin(self, *args)
            self.hot = 0
            self.keeps_state = True
        Function.__init__ = init
        AdaptiveCapture.counters = lambda self: None
    bootstrap.start_from_environment()
"""


@pytest.mark.parametrize("mode", ["full", "adaptive"])
def test_the_hot_path_writes_what_the_plain_path_writes(
    monitoring_python: str, trace: Trace, tmp_path: Path, mode: str
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text(program(STARTS_TRACER))
    text = program("""
        import asyncio, threading, time
        class Thing:
            def __init__(self): self.x = 1
        def none(): return None
        def one(a): return a
        def two(a, b): return b
        def three(a, b, c=3): return [a, b, c]
        def rebinds(a, b):
            a = b
            return a
        def secret(password, other): return other
        def teaches(a, b): return a
        def fails(n):
            if n % 7 == 0: raise ValueError(n)
            return n
        def slow(ticks):
            for _ in range(ticks): time.perf_counter_ns()
            return ticks
        def calls(value):
            none(), one(value), two(value, 7), two(7, value), three(1, value), rebinds(value, value), secret("hush-hush", value)
        async def in_task(n):
            return one(two(n, n))
        for value in (0, -1, 2**29, 2**30, -2**30, 2**40, 10**15, 4111111111111111, 1.5, True, None, "text", b"b", [1], Thing()):
            calls(value)
        for n in range(1500):
            one(n)
        for n in range(30):
            try: fails(n)
            except ValueError: pass
            teaches("pass-%d-word" % n, {"password": "pass-%d-word" % n})
        for ticks in (*[1] * 9, 1200, 1, 1200, 1600, 1, 3000, 1):
            slow(ticks)
        thread = threading.Thread(target=calls, args=("in a thread",))
        thread.start()
        thread.join()
        asyncio.run(in_task(3))
    """)
    options: dict[str, Any] = {"mode": mode, "capture": {"calls_per_function": 8, "overhead": "off"}}
    environment = {"PYTHONPATH": str(own), "TRACER": str(INJECT.parent.parent)}
    hot = trace(monitoring_python, text, env=environment, **options)
    plain = trace(monitoring_python, text, env={**environment, "PLAIN_PATH": "1"}, **options)

    def rows(spool: Spool) -> list[tuple[object, ...]]:
        return [
            (c.call, c.parent, c.function, c.args, c.value, c.outcome, c.exception, c.line, c.task, c.thread, c.late)
            for c in sorted(spool.calls, key=lambda call: call.call)
        ]

    assert len(rows(hot)) > 100
    assert rows(hot) == rows(plain)
    if mode == "adaptive":
        names = {call.function for call in hot.calls}
        assert [hot.count(name) for name in names] == [plain.count(name) for name in names]
        assert hot.count("one")[0] > 1500 > 100 > len(hot.named("one"))
        assert [call.value for call in hot.named("slow") if call.late] == [1200, 1600, 3000]
        assert [call.exception is not None for call in hot.named("fails") if call.late] == [True] * 3
        assert hot.counted_ns("one") > 0 and plain.counted_ns("one") > 0


def test_the_first_values_that_a_generator_yields_and_their_number_are_recorded(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        """
def few():
    yield 1
    yield {"a": [2]}
    return "done"
def many(n):
    for i in range(n): yield i
def through(): yield from few()
def main():
    list(few()); list(many(20)); list(many(21)); list(many(50)); list(through())
    abandoned = many(5)
    next(abandoned); next(abandoned)
    del abandoned
    total = sum(i * i for i in range(3))
main()
""",
    )
    assert [call.yields for call in spool.named("few")] == [[(0, 1), (1, {"a": [2]})]] * 2
    assert [call.value for call in spool.named("few")] == ["done"] * 2
    first_twenty = [(n, n) for n in range(20)]
    assert [call.yields for call in spool.named("many")] == [
        first_twenty,
        [*first_twenty, (20, None)],
        [*first_twenty, (49, None)],
        [(0, 0), (1, 1)],
    ]
    assert spool.one("through").yields == spool.named("few")[0].yields
    assert spool.one("main.<locals>.<genexpr>").yields == [(0, 0), (1, 1), (2, 4)]


def test_the_values_that_an_async_generator_yields_are_recorded_but_not_its_waits(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        """
import asyncio
async def rows(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield {"n": i}
    await asyncio.sleep(0.001)
async def doubled(n):
    async for row in rows(n): yield row["n"] * 2
async def main():
    async for _ in doubled(2): pass
    async for _ in rows(30): pass
    left = rows(3)
    await left.asend(None)
    await left.aclose()
asyncio.run(main())
""",
    )
    some = [(n, {"n": n}) for n in range(20)]
    assert [call.yields for call in spool.named("rows")] == [some[:2], [*some, (29, None)], some[:1]]
    assert spool.one("doubled").yields == [(0, 0), (1, 2)]
    assert spool.one("main").yields == []


def test_methods_that_dataclasses_generates_have_the_names_of_their_classes(python: str, trace: Trace) -> None:
    text = """
import collections, dataclasses

@dataclasses.dataclass(order=True)
class Order:
    n: int = 0

@dataclasses.dataclass(frozen=True)
class Line:
    n: int = 0

class Special(Order):
    pass

Point = collections.namedtuple("Point", "x y")
Special(1), Order(2) == Order(3), Line(4), Point(5, 6)
"""
    calls = [(call.function, call.args.get("n")) for call in trace(python, text).calls]
    assert calls == [
        ("<module>", None), ("Order", None), ("Line", None), ("Special", None), ("Order.__init__", 1),
        ("Order.__init__", 2), ("Order.__init__", 3), ("Order.__eq__", None), ("Line.__init__", 4),
    ]  # fmt: skip


def test_classes_of_one_name_in_two_modules_have_generated_methods_of_their_own(
    python: str, trace: Trace, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        tmp_path.joinpath(f"{name}.py").write_text(
            "import dataclasses\n@dataclasses.dataclass\nclass Order:\n    n: int\n"
        )
    text = "import first, second\nfirst.Order(1)\nsecond.Order(2)\n"
    functions = trace(python, text, include=["__main__", "first", "second"]).of("function")
    names = [f"{each['module']}:{each['name']}" for each in functions]
    assert {"first:Order.__init__", "second:Order.__init__"} <= set(names)


def test_code_that_the_program_compiles_itself_is_recorded(python: str, trace: Trace) -> None:
    text = """
import threading
names = {"__name__": "__main__"}
exec("def made(n): return n", names)
thread = threading.Thread(target=names["made"], args=(1,))
thread.start()
thread.join()
print(eval("names['made'](2)"))
"""
    assert [call.args for call in trace(python, text).named("made")] == [{"n": 1}, {"n": 2}]
    whole = trace(python, ["-c", "import threading\ndef work(): pass\nt = threading.Thread(target=work)\nt.start()\n"])
    assert [call.function for call in whole.calls] == ["<module>", "work"]
