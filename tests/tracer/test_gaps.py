"""Test that gaps are counted by caller: functions that traced code calls but that are not traced."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from pythons import NEWEST
from spool_reader import Trace, interpreter


def write_package(root: Path) -> None:
    (root / "shop").mkdir()
    (root / "shop" / "__init__.py").write_text("")
    (root / "shop" / "pricing.py").write_text(
        textwrap.dedent("""
            import time
            class Cart:
                def __init__(self, items): self.items = items
                @property
                def total(self): return sum(price(i) for i in self.items)
                def __enter__(self): return self
                def __exit__(self, *exc): return None
            def price(item): return rate() * item
            def rate(): return 2
            def slow():
                time.sleep(0.02)
            def fails(): raise ValueError("no price")
        """)
    )


MAIN = textwrap.dedent("""
    from shop import pricing
    def checkout(n):
        cart = pricing.Cart(list(range(n)))
        with cart:
            for i in range(n):
                pricing.price(i)
        return cart.total
    checkout(40)
    checkout(3)
    pricing.slow()
    try: pricing.fails()
    except ValueError: pass
""").lstrip()


@pytest.mark.smoke
def test_calls_of_untraced_functions_are_counted_by_caller(python: str, trace: Trace, tmp_path: Path) -> None:
    write_package(tmp_path)
    spool = trace(python, MAIN)
    functions = {f["id"]: f["name"] for f in spool.of("function")}
    count, _, gap = spool.gap("price")
    assert (count, gap["module"], functions[gap["caller"]]) == (43, "shop.pricing", "checkout")
    assert gap["file"] == str(tmp_path / "shop" / "pricing.py") and gap["exact"]
    assert spool.gap("Cart.__init__")[0] == 2
    assert spool.gap("Cart.__enter__")[0] == 2
    assert spool.gap("Cart.total")[0] == 2
    # Only untraced code calls rate, so it is no gap.
    assert not [g for g in spool.of("gap") if g["function"] == "rate"]


def test_the_time_spent_in_a_gap_is_measured(python: str, trace: Trace, tmp_path: Path) -> None:
    write_package(tmp_path)
    spool = trace(python, MAIN)
    count, spent_ns, _ = spool.gap("slow")
    assert count == 1
    assert spent_ns >= 20_000_000
    assert spool.gap("fails")[0] == 1


def test_including_a_gap_makes_its_calls_appear(python: str, trace: Trace, tmp_path: Path) -> None:
    write_package(tmp_path)
    spool = trace(python, MAIN, include=["__main__", "shop.*"])
    assert len(spool.named("price")) == 86 and len(spool.named("rate")) == 86
    assert not [g for g in spool.of("gap") if g["module"].startswith("shop")]


def test_path_patterns_and_excludes_choose_files(python: str, trace: Trace, tmp_path: Path) -> None:
    write_package(tmp_path)
    by_path = trace(python, MAIN, include=["shop/**/*.py"])
    assert by_path.named("price") and not by_path.named("checkout")
    excluded = trace(python, MAIN, include=["__main__", "shop.*"], exclude=["shop.pricing"])
    assert excluded.named("checkout") and not excluded.named("price")
    assert excluded.gap("price")[0] == 43


def test_a_gap_that_untraced_code_called_first_is_found(monitoring_python: str, trace: Trace, tmp_path: Path) -> None:
    # Its start is no longer observed when traced code calls it.
    write_package(tmp_path)
    (tmp_path / "warm.py").write_text("from shop.pricing import rate\nrate()\n")
    spool = trace(
        monitoring_python,
        "import warm\nfrom shop.pricing import rate\ndef use():\n    for _ in range(10): rate()\nuse()\n",
    )
    assert spool.gap("rate")[0] == 10


def test_gaps_written_in_c_are_marked(monitoring_python: str, trace: Trace) -> None:
    spool = trace(
        monitoring_python, "def f(items):\n    items.append(1)\n    return sorted(items)\nfor _ in range(5): f([2])\n"
    )
    assert {g["function"]: g["kind"] for g in spool.of("gap")}["sorted"] == "c"
    assert spool.gap("list.append")[0] == 5


def test_in_adaptive_mode_a_hot_gap_is_no_longer_counted_and_marked_inexact(
    monitoring_python: str, trace: Trace, tmp_path: Path
) -> None:
    write_package(tmp_path)
    spool = trace(
        monitoring_python,
        "from shop.pricing import rate\ndef use():\n    for _ in range(5000): rate()\nuse()\n",
        mode="adaptive",
        capture={"calls_per_function": 100},
    )
    count, _, _ = spool.gap("rate")
    assert 100 <= count <= 5000
    assert [g["exact"] for g in spool.of("gap") if g["function"] == "rate"] == [True, False]


def test_a_gap_that_untraced_code_calls_all_the_time_is_no_longer_observed(
    monitoring_python: str, trace: Trace, tmp_path: Path
) -> None:
    (tmp_path / "library.py").write_text("def rate(): return 2\ndef many(n):\n    for _ in range(n): rate()\n")
    text = """
        import sys
        import library
        def use(n):
            library.rate()
            library.many(n)
        tools = [tool for tool in range(6) if sys.monitoring.get_tool(tool) == "breadcrumb"]
        for n in (5, 5000):
            use(n)
            print([sys.monitoring.get_local_events(tool, library.rate.__code__) != 0 for tool in tools])
    """
    spool = trace(
        monitoring_python, textwrap.dedent(text), mode="adaptive", capture={"calls_per_function": 20, "overhead": "off"}
    )
    assert spool.stdout == "[True]\n[False]\n", spool.stderr
    assert 1 <= spool.gap("rate")[0] <= 2
    assert [g["exact"] for g in spool.of("gap") if g["function"] == "rate"] == [True, False]


@pytest.mark.parametrize("version", ["3.11", NEWEST])
def test_more_gaps_than_counters_give_a_notice(version: str, trace: Trace, tmp_path: Path) -> None:
    python = interpreter(version)
    (tmp_path / "many.py").write_text("\n".join(f"def f{n}(): pass" for n in range(17_000)))
    spool = trace(python, "import many\ndef use(f): f()\nfor n in range(17_000): use(getattr(many, 'f%d' % n))\n")
    assert len({g["function"] for g in spool.of("gap")}) > 16_000
    assert [n["code"] for n in spool.of("notice")] == ["counters_used_up"]


DECORATED = {
    "__init__.py": "",
    "decorators.py": """
        import functools
        def logged(function):
            @functools.wraps(function)
            def logs(*args, **kwargs): return function(*args, **kwargs)
            return logs
        def plain(function):
            return lambda *args: function(*args)
        def lazy(function):
            def calls(*args, __wrapper=None): return __wrapper.__wrapped__(*args)
            functools.update_wrapper(calls, function)
            calls.__kwdefaults__ = {"__wrapper": calls}
            return calls
        class dispatched:
            def __init__(self, function): functools.update_wrapper(self, function)
            def __call__(self, *args): return self.__wrapped__(*args)
        def here(function):
            def local(): return 1
            @functools.wraps(local)
            def stays(): return local()
            return stays
    """,
    "ways.py": """
        from .decorators import dispatched, here, lazy, logged, plain
        class Way:
            @logged
            def length(self): return 3
        @logged
        @plain
        def folded(): return 4
        @plain
        def short(): return 1
        @lazy
        def lazily(): return 2
        @dispatched
        def chosen(): return 5
        @here
        def nearby(): return 6
        @lazy
        @dispatched
        def twice(): return 7
    """,
}


def test_a_gap_names_the_functions_that_it_wraps_in_other_modules(python: str, trace: Trace, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    for name, source in DECORATED.items():
        (tmp_path / "shop" / name).write_text(textwrap.dedent(source))
    spool = trace(
        python,
        textwrap.dedent("""
            from shop import ways
            def main():
                return [ways.Way().length(), ways.folded(), ways.short(), ways.lazily(), ways.chosen(), ways.nearby(),
                        ways.twice(), ways.short(), ways.Way().length()]
            assert main() == [3, 4, 1, 2, 5, 6, 7, 1, 3]
        """).lstrip(),
    )
    file = tmp_path / "shop" / "ways.py"
    gaps = [gap for gap in spool.of("gap") if gap["module"] == "shop.decorators"]
    wraps = {gap["function"].rpartition(".")[2]: gap["wraps"] for gap in gaps}
    assert wraps == {
        # Without "folded": the wrapper that "plain" has put around it does not name it.
        "logs": [f"shop.ways:Way.length:{file}"],
        "<lambda>": [f"shop.ways:short:{file}"],
        "calls": [f"shop.ways:lazily:{file}", f"shop.ways:twice:{file}"],
        "__call__": [f"shop.ways:chosen:{file}"],
        "stays": [],
    }


def test_a_wrapped_function_is_named_in_full_although_its_module_has_a_secret_name(
    python: str, trace: Trace, tmp_path: Path
) -> None:
    (tmp_path / "shop").mkdir()
    for name in ("session", "password"):
        (tmp_path / "shop" / (name + ".py")).write_text(
            "from contextlib import contextmanager\n@contextmanager\ndef opened(n): yield n\n"
            "def renamed(n): yield n\nrenamed.__qualname__ = 'a:b'\nrenamed = contextmanager(renamed)\n"
        )
    spool = trace(
        python,
        "from shop import password, session\n"
        "def main(opened):\n    with opened(1): pass\n"
        "for module in (session, password): main(module.opened), main(module.renamed)\n",
    )
    wraps = {wrapped for gap in spool.of("gap") for wrapped in gap["wraps"]}
    folder = tmp_path / "shop"
    assert wraps == {
        f"shop.{module}:{name}:{folder / module}.py" for module in ("session", "password") for name in ("opened", "a.b")
    }


def test_the_time_of_a_gap_is_that_of_its_generators_and_coroutines_alone(
    python: str, trace: Trace, tmp_path: Path
) -> None:
    """Check that a gap never takes longer than its caller."""
    (tmp_path / "lib.py").write_text(
        textwrap.dedent("""
            import time
            def spin():
                until = time.perf_counter() + 0.002
                while time.perf_counter() < until: pass
            def numbers(n):
                for i in range(n):
                    spin()
                    yield i
            async def later(n):
                spin()
                return n
            def often(n): return n
        """)
    )
    spool = trace(
        python,
        textwrap.dedent("""
            import asyncio, lib
            def consume():
                for _ in range(4): list(lib.numbers(2))
            def call():
                for n in range(9): lib.often(n)
            async def wait():
                for n in range(4): await lib.later(n)
            def main():
                for _ in range(3):
                    consume()
                    call()
                    asyncio.run(wait())
            main()
        """).lstrip(),
        capture={"calls_per_function": 3},
    )
    for name, caller, least_ms in (("numbers", "consume", 4), ("later", "wait", 2), ("often", "call", 0)):
        count, spent_ns, gap = spool.gap(name)
        took = sum(each.ended_ns - each.started_ns for each in spool.named(caller) if each.ended_ns)
        assert count > 0 and least_ms * 1_000_000 <= spent_ns <= took, (name, count, spent_ns, took, gap)


CLOSURES = {
    "__init__.py": "",
    "base.py": """
        import asyncio
        def middleware(dispatch, send):
            def call_next(request):
                if request == "never": send(request)
                return request.upper()
            return lambda request: dispatch(request, call_next)
        def cached(function):
            results = {}
            def lookup(key):
                if key not in results: results[key] = "default"
                return results[key] if key != "raise" else function(key)
            return lookup
        def awaiting(function):
            async def awaits(*args): return await function(*args)
            return awaits
        def handing_on(function):
            def hands_on(*args): return function(*args)
            return hands_on
        def in_a_loop(function):
            def runs(*args): return asyncio.run(function(*args))
            return runs
        def two(chosen, other):
            def chooses(first): return chosen() if first else other()
            return chooses
        def deeper(function):
            def goes_through(outer): return outer(function)
            return goes_through
    """,
    "parts.py": """
        def make_send():
            def _send(message): return message
            return _send
        def read(key): raise KeyError(key)
        async def later(n): return n
        async def later_still(n): return n
        async def looped(n): return n
        def numbers(n): yield n
        def left(): return 1
        def right(): return 2
        def passed(): return 3
        def outer(function): return function()
    """,
}


def test_a_function_in_a_closure_is_named_only_if_the_wrapper_calls_it(
    python: str, trace: Trace, tmp_path: Path
) -> None:
    (tmp_path / "mw").mkdir()
    for name, source in CLOSURES.items():
        (tmp_path / "mw" / name).write_text(textwrap.dedent(source))
    spool = trace(
        python,
        textwrap.dedent("""
            import asyncio
            from mw import base, parts
            send = parts.make_send()
            send("to be called by others is not enough")
            def timing(request, call_next): return call_next(request)
            app = base.middleware(timing, send)
            lookup = base.cached(parts.read)
            awaits, hands_on = base.awaiting(parts.later), base.handing_on(parts.later_still)
            numbers, runs = base.handing_on(parts.numbers), base.in_a_loop(parts.looped)
            chooses = base.two(parts.left, parts.right)
            goes_through = base.deeper(parts.passed)
            def main():
                for _ in range(5):
                    app("a"), send("b"), lookup("c"), chooses(True), goes_through(parts.outer)
                try: lookup("raise")
                except KeyError: pass
                async def use(): return await awaits(1), await hands_on(2)
                return asyncio.run(use()), list(numbers(3)), runs(4)
            assert main() == ((1, 2), [3], 4)
        """).lstrip(),
    )
    file = tmp_path / "mw" / "parts.py"
    gaps = [gap for gap in spool.of("gap") if gap["module"] == "mw.base"]
    wraps: dict[str, set[str]] = {}
    for gap in gaps:
        names = {wrapped.split(":")[1] for wrapped in gap["wraps"]}
        wraps.setdefault(gap["function"].rpartition(".")[2], set()).update(names)
    assert wraps.pop("<lambda>") == {"timing"}  # which is traced
    assert wraps == {
        "middleware": set(),
        "cached": set(),
        "awaiting": set(),
        "handing_on": set(),
        "in_a_loop": set(),
        "two": set(),
        "deeper": set(),
        "call_next": set(),
        "lookup": {"read"},
        "awaits": {"later"},
        "hands_on": {"later_still", "numbers"},
        "runs": {"looped"},
        "chooses": {"left"},
        "goes_through": set(),
    }
    assert all(str(file) in wrapped for gap in gaps for wrapped in gap["wraps"] if "timing" not in wrapped)


def test_a_wrapper_that_untraced_code_called_first_names_what_it_wraps_at_its_first_call(
    monitoring_python: str, trace: Trace, tmp_path: Path
) -> None:
    # Neither its start nor that of the wrapped function is observed any more.
    (tmp_path / "mw").mkdir()
    for name, source in CLOSURES.items():
        (tmp_path / "mw" / name).write_text(textwrap.dedent(source))
    (tmp_path / "warm.py").write_text(
        "from mw import base, parts\nlookup = base.cached(parts.read)\n"
        "for key in 'a', 'raise':\n    try: lookup(key)\n    except KeyError: pass\n"
    )
    spool = trace(
        monitoring_python,
        "from warm import lookup\ndef main():\n    try: lookup('raise')\n    except KeyError: pass\nmain()\n",
    )
    _, _, gap = spool.gap("cached.<locals>.lookup")
    assert [wrapped.split(":")[1] for wrapped in gap["wraps"]] == ["read"]
