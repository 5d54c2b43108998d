"""Test that the lines of chosen functions are recorded, with the variables that each changed, on every Python."""

from __future__ import annotations

import signal
import subprocess
import textwrap
from pathlib import Path

import pytest

from breadcrumb.events.lines import LAST_LINES, MAX_LINES_PER_CALL
from breadcrumb.globs import matches_function
from spool_reader import TARGETS, Call, Spool, Trace

STEPPED = TARGETS / "stepped.py"
SOURCE = STEPPED.read_text().splitlines()
PATTERNS = [
    "__main__.total", "guarded", "numbers", "waits", "stream", "factorial", "counter.add", "__main__:Basket.*", "Strange",
    "hidden", "evaluates", "long_*",
]  # fmt: skip
DELETED = {"$deleted": True}


def first_line(function: str) -> int:
    """Return the line of the ``def`` or ``class`` of a function or class in the program."""
    name = function.rpartition(".")[2]
    starts = tuple(f"{word} {name}{end}" for word in ("def", "async def", "class") for end in ("(", ":"))
    return next(number for number, line in enumerate(SOURCE, 1) if line.strip().startswith(starts))


def steps(call: Call) -> list[tuple[int | None, dict | None]]:
    return call.steps(first_line(call.function))


def changes(call: Call, variable: str) -> list[tuple[int | None, object]]:
    """Return (line, value) of each change of a variable."""
    return [(line, changed[variable]) for line, changed in steps(call) if changed and variable in changed]


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("shop.cart.Cart.total", True),
        ("shop.cart:Cart.total", True),
        ("Cart.total", True),
        ("total", True),
        ("Cart.*", True),
        ("shop.*", True),
        ("*.total", True),
        ("shop.*:*.tot?l", True),
        ("*", True),
        ("otal", False),
        ("art.total", False),
        ("shop.cart.total", False),
        ("Cart", False),
        ("shop.cart", False),
        ("total.*", True),
        ("Cart.total.inner", False),
    ],
)
def test_a_pattern_names_a_function_in_full_or_by_its_last_parts(pattern: str, matches: bool) -> None:
    assert matches_function("shop.cart", "Cart.total", pattern) is matches


def test_a_pattern_names_nested_functions_and_a_spawned_main_module_as_the_source_does() -> None:
    assert matches_function("shop", "outer.<locals>.inner", "outer.inner")
    assert matches_function("shop", "outer.<locals>.inner", "shop.outer.<locals>.inner")
    assert matches_function("shop", "outer.<locals>.inner", "outer.*")
    assert not matches_function("shop", "outer.<locals>.inner", "outer")
    assert matches_function("__mp_main__", "f", "__main__.f")


@pytest.fixture
def stepped(python: str, trace: Trace) -> Spool:
    spool = trace(python, [str(STEPPED), "10"], capture={"lines": PATTERNS})
    assert spool.exit_code == 0, spool.stderr
    return spool


@pytest.mark.smoke
def test_each_line_is_recorded_with_the_variables_that_it_changed(stepped: Spool) -> None:
    """Check one run of the program; each paragraph is a case."""
    in_the_main_thread = stepped.named("total")[0]
    assert in_the_main_thread.args == {"items": [{"$tuple": [1.5, 2]}, {"$tuple": [4, 5]}], "rate": 0.2}
    assert steps(in_the_main_thread) == [
        (1, {"subtotal": 0.0}),
        (2, {"seen": []}),
        (3, {"price": 1.5, "n": 2}),
        (4, {"subtotal": 3.0}),
        (5, {"seen": [2]}),  # a list that grew
        (3, {"price": 4, "n": 5}),
        (4, {"subtotal": 23.0}),
        (5, {"seen": [2, 5]}),
        (3, {}),
        (6, {}),
        (7, {"subtotal": 27.599999999999998}),
        (8, {"seen": DELETED}),
        (9, {}),
    ]
    times = [line.at_ns for line in in_the_main_thread.lines]
    assert times == sorted(times) and in_the_main_thread.started_ns <= times[0]
    assert times[-1] == in_the_main_thread.ended_ns

    # Exceptions: handled, passed through finally, and leaving the function.
    guarded = stepped.one("guarded")
    assert guarded.outcome == 1
    walked = [line for line, _ in steps(guarded)]
    assert walked[:6] == [1, 2, 3, 4, 6, 7] and walked[-1] == 9
    assert changes(guarded, "x") == [(4, -1), (6, -2)]
    assert changes(guarded, "y") == [(8, -2)]
    assert guarded.lines[-1].line is None

    # Generators: one sequence over all suspensions.
    finished, dropped = stepped.named("numbers")
    assert steps(finished) == [
        (1, {"i": 0}), (2, {"got": "x"}), (1, {"i": 1}), (2, {"got": "y"}), (1, {}), (3, {}),
    ]  # fmt: skip
    assert [line for line, _ in dropped.steps(first_line("numbers"))][:2] in ([1], [1, 2])
    assert [line.line for line in dropped.lines][:2] == [line.line for line in finished.lines][:2]

    # Coroutines that take turns in one thread, one of them cancelled.
    a, b, never = stepped.named("waits")
    for call, name in ((a, "a"), (b, "b")):
        assert steps(call) == [(1, {"first": 1}), (2, {"second": name}), (3, {})]
    assert never.outcome == 2 and [line for line, _ in steps(never)][:1] == [1]
    (asynchronous,) = stepped.named("stream")
    assert changes(asynchronous, "i") == [(1, 0), (1, 1)]

    # Recursion: each call has its own lines.
    three, two, one = stepped.named("factorial")
    assert steps(three) == [(1, {}), (3, {"rest": 2}), (4, {})]
    assert steps(two) == [(1, {}), (3, {"rest": 1}), (4, {})]
    assert steps(one) == [(1, {}), (2, {})]

    # Variables of an enclosing function are recorded with the first line.
    add = stepped.one("counter.<locals>.add")
    assert add.lines[0].changes == {"count": 10}
    assert steps(add) == [(2, {"count": 15}), (3, {})]

    # Bodies of classes, one of them with a namespace whose methods are the program's.
    assert changes(stepped.one("Basket"), "sizes") == [(2, {"$tuple": [2]})]
    assert changes(stepped.one("Strange"), "right") == [(2, 2)]
    assert "items() ran" not in stepped.stdout
    built = stepped.one("Basket.__init__")
    assert steps(built) == [
        (1, {"self": {"$type": "Basket", "$object": 1, "items": [1]}}),
        (2, {"self": {"$type": "Basket", "$object": 1, "items": [1, 2]}}),
    ]

    # Threads at the same time.
    by_count = {call.args["items"][0]["$tuple"][1]: call for call in stepped.named("total")[1:]}
    assert {k: changes(call, "subtotal") for k, call in by_count.items()} == {
        k: [(1, 0.0), (4, float(k))] for k in (1, 2, 3)
    }

    # No lines of other functions.
    assert all(not call.lines for call in stepped.named("main") + stepped.named("counter") + stepped.named("<module>"))


def test_secrets_in_lines_are_redacted_by_name_by_shape_and_once_learned(stepped: Spool) -> None:
    hidden = stepped.one("hidden")
    assert changes(hidden, "api_key") == [(1, "[REDACTED]")]
    assert changes(hidden, "note") == [(2, "token=[REDACTED]")]
    for path in stepped.folder.iterdir():
        if path.is_file() and path.suffix != ".config":
            assert b"hunter-22" not in path.read_bytes()


def test_the_program_sees_the_same_local_variables_as_without_the_tracer(
    python: str, stepped: Spool, trace: Trace
) -> None:
    without = subprocess.run([python, str(STEPPED), "10"], capture_output=True, text=True, check=True)
    assert stepped.stdout == without.stdout


def test_the_lines_of_a_long_call_are_cut_with_a_notice_and_keep_the_last_ones(python: str, trace: Trace) -> None:
    rounds = 5000
    spool = trace(python, [str(STEPPED), str(rounds)], capture={"lines": ["long_loop"]})
    lines = spool.one("long_loop").lines
    executed = 2 * rounds + 3  # with the first line, the last test of the loop, and the return
    in_detail = lines[:MAX_LINES_PER_CALL]
    assert [line.position for line in in_detail] == list(range(MAX_LINES_PER_CALL))
    sampled = [line for line in lines if line.position in (2 * MAX_LINES_PER_CALL, 4 * MAX_LINES_PER_CALL)]
    assert [line.changes for line in sampled] == [
        {"total": sum(range(k)), "i": k} for k in ((line.position - 2) // 2 for line in sampled)
    ]
    end = lines[-LAST_LINES - 1 :]
    assert [line.position for line in end] == list(range(executed - LAST_LINES, executed + 1))
    assert [line.changes for line in end[:-1]] == [None] * LAST_LINES  # not looked at
    assert end[-1].line is None and end[-1].changes == {"total": sum(range(rounds)), "i": rounds - 1}
    assert len(lines) == MAX_LINES_PER_CALL + 2 + LAST_LINES + 1
    (notice,) = (each for each in spool.of("notice") if each["code"] == "lines_left_out")
    assert "__main__.long_loop" in notice["message"] and str(MAX_LINES_PER_CALL) in notice["message"]


def test_a_process_that_is_killed_in_a_line_leaves_that_line_last(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        textwrap.dedent("""
            import os, signal
            def dies(n):
                n += 1
                os.kill(os.getpid(), signal.SIGKILL)
                n += 1
            dies(1)
        """),
        capture={"lines": ["dies"]},
    )
    assert spool.exit_code == -signal.SIGKILL
    assert [(line.line, line.changes) for line in spool.one("dies").lines] == [(4, {}), (5, {"n": 2})]


def test_the_body_of_a_script_is_stepped_through_without_its_definitions(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        "import os\ndef f():\n    pass\nclass C: pass\nx = 1\nx += 1\nf()\n",
        capture={"lines": ["__main__.<module>"]},
    )
    assert spool.one("<module>").steps() == [
        (1, {}), (2, {}), (4, {}), (5, {"x": 1}), (6, {"x": 2}), (7, {}),
    ]  # fmt: skip


def test_in_adaptive_mode_only_calls_in_full_detail_have_lines(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        textwrap.dedent("""
            def double(n):
                n *= 2
                return n
            def some(n):
                for i in range(n):
                    yield i
            for k in range(20):
                double(k)
            for k in range(20):
                list(some(1))
        """),
        mode="adaptive",
        capture={"calls_per_function": 3, "lines": ["double", "some"]},
    )
    recorded = spool.named("double")
    assert [call.args["n"] for call in recorded[:4]] == [0, 1, 2, 3] and len(recorded) < 10
    assert all(call.steps() == [(3, {"n": 2 * call.args["n"]} if call.args["n"] else {}), (4, {})] for call in recorded)
    assert all(call.ended_ns is not None and call.value == 2 * call.args["n"] for call in recorded)
    assert 3 < len(spool.named("some")) < 10
    assert all([line for line, _ in call.steps()] == [6, 7, 6] for call in spool.named("some"))


def test_a_call_that_is_recorded_late_has_no_lines(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        textwrap.dedent("""
            def half(n):
                k = n
                try:
                    return 1 / k
                except ZeroDivisionError:
                    k = None
                return k
            for n in (1, 2, 3, 4, 0):
                half(n)
        """),
        mode="adaptive",
        capture={"calls_per_function": 1, "lines": ["half"]},
    )
    calls = spool.named("half")
    late = [call for call in calls if call.args["n"] == 0]
    assert len(late) == 1 and late[0].lines == []
    assert all(len(call.lines) == 4 for call in calls if not call.late)


def test_a_forked_child_records_its_own_lines(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        textwrap.dedent("""
            import os
            def step(n):
                n += 1
                return n
            def forks():
                pid = os.fork()
                if pid == 0:
                    step(10)
                    os._exit(0)
                os.waitpid(pid, 0)
                step(20)
            forks()
        """),
        capture={"lines": ["step", "forks"]},
    )
    assert {call.args["n"]: call.steps() for call in spool.named("step")} == {
        10: [(4, {"n": 11}), (5, {})],
        20: [(4, {"n": 21}), (5, {})],
    }
    assert [line for line, _ in spool.one("forks").steps()] == [7, 8, 11, 12]


PRINTS_LINE_EVENTS = """
import sys
def plain(n):
    return bool(sys._getframe().f_trace_lines and sys.gettrace())
def wanted(n):
    return bool(sys._getframe().f_trace_lines and sys.gettrace())
def line_events(function):
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is None:
        return function(1)
    tools = [tool for tool in range(6) if monitoring.get_tool(tool)]
    assert tools, "no tracer"
    return any(monitoring.get_local_events(tool, function.__code__) & monitoring.events.LINE
               or monitoring.get_events(tool) & monitoring.events.LINE for tool in tools)
plain(0), wanted(0)
print(bool(line_events(plain)), bool(line_events(wanted)), "breadcrumb.events.lines" in sys.modules)
"""


def test_functions_whose_lines_are_not_recorded_cause_no_line_events(python: str, trace: Trace) -> None:
    assert trace(python, PRINTS_LINE_EVENTS).stdout == "False False False\n"
    assert trace(python, PRINTS_LINE_EVENTS, capture={"lines": ["wanted"]}).stdout == "False True True\n"


@pytest.mark.parametrize("mode", ["full", "adaptive"])
def test_recorded_lines_keep_no_object_of_the_program_alive(python: str, trace: Trace, mode: str) -> None:
    spool = trace(
        python,
        textwrap.dedent("""
            import sys
            class Thing:
                def __del__(self):
                    print("gone")
            def let_go():
                thing = Thing()
                del thing; print("after")
                other = Thing()
                other = None; print("after")
            let_go()
        """),
        mode=mode,
        capture={"lines": ["let_go"]},
    )
    expected = "gone\nafter\ngone\nafter\n"
    if spool.of("process")[0]["backend"] == "monitoring":
        assert spool.stdout == expected
    else:  # a traced frame keeps them until its next event, see README
        assert sorted(spool.stdout.split()) == sorted(expected.split())


DEEP = """
def deep(n, path):
    here = [n, [n]]
    return deep(n + 1, here)
def twice():
    for _ in range(2):
        try:
            deep(0, [])
        except RecursionError:
            print("caught")
twice()
def after(k):
    return k + 1
after(1)
"""


@pytest.mark.parametrize("lines", [["*"], []])
def test_at_the_recursion_limit_the_program_goes_on_as_without_the_tracer(
    python: str, trace: Trace, lines: list[str]
) -> None:
    """Use containers: encoding them may reach the limit itself, which must not hide the error from the program."""
    spool = trace(python, DEEP, capture={"lines": lines})
    assert (spool.exit_code, spool.stdout) == (0, "caught\ncaught\n"), spool.stderr
    assert len(spool.named("deep")) > 500
    assert all(not lines or [line for line, _ in call.steps()][:1] == [3] for call in spool.named("deep")[:300])
    assert [call.value for call in spool.named("after")] == [2]


def test_a_pattern_with_a_module_means_that_module(python: str, trace: Trace, tmp_path: Path) -> None:
    for module in ("one", "two"):
        (tmp_path / f"{module}.py").write_text("def f(n):\n    n += 1\n    return n\n")
    spool = trace(
        python,
        "import one, two\none.f(1)\ntwo.f(2)\n",
        include=["__main__", "one", "two"],
        capture={"lines": ["one.f"]},
    )
    assert {call.args["n"]: len(call.lines) for call in spool.named("f")} == {1: 3, 2: 0}


def test_lines_of_generated_functions_are_not_recorded(monitoring_python: str, trace: Trace, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "import dataclasses\n@dataclasses.dataclass\nclass Order:\n    price: int\n"
        "def order(price):\n    return Order(price)\n"
        "names = {}\nexec('def generated(n):\\n    m = n + 1\\n    return m\\n', globals())\n"
    )
    spool = trace(
        monitoring_python,
        "import shop\nshop.order(1)\nshop.generated(2)\n",
        include=["__main__", "shop"],
        capture={"lines": ["*"]},
    )
    with_lines = {call.function for call in spool.calls if call.lines}
    assert "order" in with_lines and "generated" in {call.function for call in spool.calls}
    assert not {name for name in with_lines if name == "generated" or name.endswith("__init__")}


def test_lines_of_a_program_given_in_the_command_are_recorded(monitoring_python: str, trace: Trace) -> None:
    program = "def twice(n):\n    m = 2 * n\n    return m\ntwice(4)\n"
    spool = trace(monitoring_python, ["-c", program], capture={"lines": ["twice"]})
    [call] = spool.named("twice")
    assert [line for line, _ in call.steps(1)][:2] == [1, 2]
