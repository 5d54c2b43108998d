"""Test less common begins and ends of calls: exception groups, task groups, protocols, code made at run time."""

from __future__ import annotations

import pytest

from breadcrumb.record_format import OUTCOME_CANCELLED, OUTCOME_RAISED, OUTCOME_RETURNED
from pythons import VERSIONS
from spool_reader import Spool, Trace, interpreter, program


def outcomes(spool: Spool) -> dict[str, int | None]:
    return {call.function: call.outcome for call in spool.calls}


def handlers(spool: Spool) -> dict[str, str | None]:
    """Return the function that handled each exception last, by the exception's message."""
    messages = {event["id"]: event["message"] for event in spool.of("exception")}
    found: dict[str, str | None] = dict.fromkeys(messages.values())
    for event in spool.of("handled"):
        found[messages[event["id"]]] = event["function"]
    return found


@pytest.fixture(params=VERSIONS[VERSIONS.index("3.11") :])
def python_with_groups(request: pytest.FixtureRequest) -> str:
    return interpreter(request.param)


def test_exception_groups_and_their_exceptions_are_recorded(python_with_groups: str, trace: Trace) -> None:
    spool = trace(
        python_with_groups,
        program("""
            def fails(n): raise ValueError("no %d" % n)
            def gather():
                errors = []
                for n in (1, 2):
                    try: fails(n)
                    except ValueError as error: errors.append(error)
                raise ExceptionGroup("both", errors)
            def split():
                try: gather()
                except* ValueError: pass
            def pass_on():
                try: gather()
                except* KeyError: pass
            split()
            try: pass_on()
            except ExceptionGroup as group: print(len(group.exceptions))
        """),
    )
    assert spool.stdout == "2\n"
    types = [event["type"] for event in spool.of("exception")]
    assert types.count("ValueError") == 4 and types.count("ExceptionGroup") >= 2
    assert spool.one("split").outcome == OUTCOME_RETURNED
    assert spool.one("pass_on").outcome == OUTCOME_RAISED
    assert {call.outcome for call in spool.named("gather")} == {OUTCOME_RAISED}


PART_GOES_ON = """
    def boom(name, *errors):
        raise ExceptionGroup(name, list(errors))

    def main():
        try: boom("main", KeyError("k"), ValueError("v"))
        except* KeyError: pass

    def whole():
        try: boom("whole", ValueError("w"))
        except* KeyError: pass

    def nothing():
        try: boom("nothing", KeyError("n"))
        except* KeyError: pass

    def raised_again():
        try: boom("again", KeyError("r"), ValueError("v"))
        except* KeyError: raise

    def several(number):
        try: boom(str(number), KeyError(number), OSError(number))
        except* KeyError: pass

    nothing()
    for number in range(3):
        try: several(number)
        except* OSError: pass
    for function in whole, raised_again:
        try: function()
        except ExceptionGroup: pass
"""
IN_A_FUNCTION = """
    main()
"""
IN_THE_MODULE = """
    try: boom("main", KeyError("k"), ValueError("v"))
    except* KeyError: pass
"""


@pytest.mark.parametrize("mode", ["full", "adaptive"])
@pytest.mark.parametrize("last", [IN_A_FUNCTION, IN_THE_MODULE], ids=["in a function", "in the module"])
def test_the_part_of_a_group_that_goes_on_is_an_exception_of_its_own(
    python_with_groups: str, trace: Trace, last: str, mode: str
) -> None:
    # A sample rate near 0: calls are only counted, and recorded late when an exception passes through them.
    capture = {"sample_rate": 1.0 if mode == "full" else 0.0001}
    spool = trace(python_with_groups, program(PART_GOES_ON + last), mode=mode, capture=capture)
    assert spool.exit_code == 1
    ids = [event["id"] for event in spool.of("uncaught")]
    (exception,) = [event for event in spool.of("exception") if event["id"] in ids]
    assert exception["message"] == "main (1 sub-exception)"
    assert exception["function"] == "boom"
    functions = {call.call: call.function for call in spool.calls}
    chain = ["<module>", "main", "boom"] if last == IN_A_FUNCTION else ["<module>", "boom"]
    assert [functions[call] for call in exception["calls"]] == chain
    is_settrace = spool.of("process")[0]["backend"] == "settrace"
    if not is_settrace:
        ended_by = {call.function: call.exception for call in spool.calls if call.call in exception["calls"]}
        assert {ended_by[name] for name in chain[:-1]} == {exception["id"]}
    messages = [event["message"] for event in spool.of("exception")]
    assert is_settrace or messages.count("whole (1 sub-exception)") == 1
    for number in range(3):
        assert messages.count(f"{number} (1 sub-exception)") == 1


def test_a_group_at_the_address_of_a_dead_one_with_alike_parts_is_another(
    python_with_groups: str, trace: Trace
) -> None:
    spool = trace(
        python_with_groups,
        program("""
            import random
            def boom(name, *errors):
                raise ExceptionGroup(name, list(errors))
            def several(number):
                try: boom(str(number), KeyError(number), OSError(number))
                except* KeyError: pass
            def other(number):
                return random.choice([OSError(number), KeyError(number), ExceptionGroup("", [OSError(number)])])
            random.seed(1)
            for number in range(60):
                others = [other(number) for _ in range(random.randrange(6))]  # so that addresses come again
                try: several(number)
                except* OSError: pass
        """),
    )
    messages = [event["message"] for event in spool.of("exception")]
    for number in range(60):
        assert messages.count(f"{number} (2 sub-exceptions)") == 1
        assert messages.count(f"{number} (1 sub-exception)") == 1


def test_a_task_group_cancels_the_sibling_of_a_task_that_fails(python_with_groups: str, trace: Trace) -> None:
    spool = trace(
        python_with_groups,
        program("""
            import asyncio
            async def fails():
                await asyncio.sleep(0)
                raise ValueError("first")
            async def sibling():
                try: await asyncio.sleep(60)
                finally: cleanup()
            def cleanup(): pass
            async def main():
                try:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(fails(), name="failing")
                        group.create_task(sibling(), name="waiting")
                except* ValueError as group:
                    count = len(group.exceptions)
                return count
            asyncio.run(main())
        """),
    )
    assert outcomes(spool) == {
        "<module>": OUTCOME_RETURNED, "main": OUTCOME_RETURNED, "fails": OUTCOME_RAISED,
        "sibling": OUTCOME_CANCELLED, "cleanup": OUTCOME_RETURNED,
    }  # fmt: skip
    assert (spool.one("fails").task, spool.one("cleanup").task) == ("failing", "waiting")
    assert spool.one("main").value == 1
    assert "first" in [event["message"] for event in spool.of("exception")]


def test_gathered_coroutines_and_tasks_that_nobody_awaits_keep_their_outcomes(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import asyncio
            async def ok(n):
                await asyncio.sleep(0)
                return n
            async def bad(n):
                await asyncio.sleep(0)
                raise ValueError("no %d" % n)
            async def forgotten():
                raise KeyError("nobody")
            async def main():
                asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
                task = asyncio.ensure_future(forgotten())
                results = await asyncio.gather(ok(1), bad(2), ok(3), return_exceptions=True)
                del task
                return [r if isinstance(r, int) else "error" for r in results]
            asyncio.run(main())
        """),
    )
    assert spool.one("main").value == [1, "error", 3]
    assert [(call.args["n"], call.value) for call in spool.named("ok")] == [(1, 1), (3, 3)]
    assert (spool.one("bad").outcome, spool.one("forgotten").outcome) == (OUTCOME_RAISED, OUTCOME_RAISED)
    assert {event["type"]: event["message"] for event in spool.of("exception")} == {
        "ValueError": "no 2", "KeyError": "'nobody'",
    }  # fmt: skip


def test_async_generators_return_or_are_cancelled(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import asyncio
            async def ticks(n):
                try:
                    while True:
                        got = yield n
                        if got: n = got
                except ValueError:
                    return
                finally:
                    closed(n)
            def closed(n): pass
            async def main():
                whole = ticks(1)
                print(await whole.asend(None), await whole.asend(5))
                await whole.aclose()
                thrown = ticks(2)
                await thrown.asend(None)
                try: await thrown.athrow(ValueError("stop"))
                except StopAsyncIteration: pass
                left = ticks(3)
                await left.asend(None)
            asyncio.run(main())
        """),
    )
    assert spool.stdout == "1 5\n"
    assert {call.args["n"]: call.outcome for call in spool.named("ticks")} == {
        1: OUTCOME_CANCELLED, 2: OUTCOME_RETURNED, 3: OUTCOME_CANCELLED,
    }  # fmt: skip
    assert sorted(call.args["n"] for call in spool.named("closed")) == [2, 3, 5]


def test_a_return_in_finally_swallows_the_exception(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def swallow(n):
                try: raise ValueError(n)
                finally: return "kept"
            def passes(n):
                try: raise KeyError(n)
                finally: swallow(n)
            try: passes(1)
            except KeyError: pass
        """),
    )
    assert (spool.one("swallow").value, spool.one("swallow").outcome) == ("kept", OUTCOME_RETURNED)
    assert spool.one("passes").outcome == OUTCOME_RAISED
    assert handlers(spool)["1"] in ("swallow", "<module>")
    assert {event["type"] for event in spool.of("exception")} == {"ValueError", "KeyError"}


def test_implicit_calls_of_the_language_are_recorded(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import functools
            class Meta(type):
                def __call__(cls, *args): return super().__call__(*args)
            class Base:
                def __init_subclass__(cls): super().__init_subclass__()
            class Thing(Base, metaclass=type("Both", (Meta, type(Base)), {})):
                def __init__(self, n): self.n = n
                def __enter__(self): return self
                def __exit__(self, *error): return True
                def __getattr__(self, name): return len(name)
                def __lt__(self, other): return self.n < other.n
                def __del__(self): dropped(1)
                @property
                def double(self): return 2 * self.n
                @functools.lru_cache(None)
                def cached(self): return 1
            def dropped(n): pass
            def decorate(function):
                @functools.wraps(function)
                def wrapper(*args): return function(*args)
                return wrapper
            @decorate
            def decorated(n): return n
            with Thing(1) as thing:
                thing.double, thing.missing, thing.cached(), thing.cached()
                decorated(7)
                raise ValueError("swallowed by __exit__")
            sorted([Thing(2), Thing(1)])
            list(map(lambda n: n, [1, 2])), [decorated(n) for n in (1, 2)]
            exec("def made(n): return n\\nmade(3)")
            eval("decorated(4)")
            functools.partial(decorated, 5)()
            del thing
        """),
    )
    counts: dict[str, int] = {}
    for call in spool.calls:
        counts[call.function] = counts.get(call.function, 0) + 1
    expected = {
        "Meta": 1, "Base": 1, "Thing": 1, "Meta.__call__": 3, "Base.__init_subclass__": 1, "Thing.__init__": 3,
        "Thing.__enter__": 1, "Thing.__exit__": 1, "Thing.__getattr__": 1, "Thing.double": 1, "Thing.cached": 1,
        "Thing.__lt__": 1, "decorate": 1, "decorate.<locals>.wrapper": 5, "decorated": 5, "made": 1, "<lambda>": 2,
    }  # fmt: skip
    assert {name: counts.get(name, 0) for name in expected} == expected
    assert spool.one("Thing.double").value == 2
    assert handlers(spool)["swallowed by __exit__"] == "<module>"


def test_a_function_that_never_returns_is_unfinished(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import os, threading
            def waits(gate): gate.wait()
            def leaves(code): os._exit(code)
            gate, started = threading.Event(), threading.Event()
            def run():
                started.set()
                waits(gate)
            threading.Thread(target=run, daemon=True).start()
            started.wait()
            leaves(3)
        """),
    )
    assert spool.exit_code == 3
    assert {call.function for call in spool.calls if call.outcome is None} >= {"<module>", "leaves", "run"}


def test_a_coroutine_is_one_call_although_what_it_awaits_handles_a_thrown_exception(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        """
import asyncio
async def inner():
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.01)
    except asyncio.TimeoutError:
        return None
async def outer(name):
    await inner()
    return name
async def main():
    return await asyncio.gather(*[outer(n) for n in range(3)])
assert asyncio.run(main()) == [0, 1, 2]
""",
    )
    assert [(call.value, call.outcome, call.late) for call in spool.named("outer")] == [(n, 0, False) for n in range(3)]
    assert [call.outcome for call in spool.named("inner")] == [0] * 3
    for outer, inner in zip(spool.named("outer"), spool.named("inner"), strict=True):
        assert inner.parent == outer.call
        assert outer.ended_ns and inner.ended_ns and outer.ended_ns >= inner.ended_ns
