"""Test what the budget in time allows, by a clock that the tests turn, and that two equal runs compare as equal."""

from __future__ import annotations

import pytest

from breadcrumb.events.budget import LEVELS, SHORT_NS, TIGHT, Budget, make_budget
from breadcrumb.record_format import ENV_OVERHEAD
from spool_reader import Trace, program

MS = 1_000_000


class Clock:
    """A clock that goes on by *step_ns* at each read, and when it is told to."""

    def __init__(self, step_ns: int = 50) -> None:
        self.at_ns = 0
        self.step_ns = step_ns

    def __call__(self) -> int:
        self.at_ns += self.step_ns
        return self.at_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budget(clock: Clock) -> Budget:
    return Budget(0.1, clock)


def test_mode_full_has_no_budget_unless_it_is_asked_for() -> None:
    assert make_budget("full", "auto") is None
    assert make_budget("adaptive", "off") is None
    assert make_budget("adaptive", "auto") is not None
    assert make_budget("full", 0.5) is not None


def test_a_short_process_may_take_the_same_however_short_it_is(budget: Budget, clock: Clock) -> None:
    assert budget.level(clock()) == 0
    budget.spend(SHORT_NS // 2)
    assert budget.level(clock()) == LEVELS
    clock.at_ns = 1000 * MS
    assert budget.level(clock()) == LEVELS


def test_a_long_process_may_take_its_share(budget: Budget, clock: Clock) -> None:
    clock.at_ns = 10_000 * MS  # a tenth is a second, half of which is aimed at
    budget.spend(250 * MS)
    assert budget.level(clock()) == TIGHT
    budget.spend(1000 * MS)
    assert budget.level(clock()) == LEVELS


def test_what_was_not_spent_for_long_is_not_a_sum_to_use_up(budget: Budget, clock: Clock) -> None:
    clock.at_ns = 3_600_000 * MS
    budget.level(clock())
    budget.spend(501 * MS)
    assert budget.level(clock()) == LEVELS


def test_what_one_function_may_take_falls_with_what_is_left(budget: Budget, clock: Clock) -> None:
    allowed = []
    for _ in range(LEVELS + 1):
        allowed.append(max((n for n in range(12) if budget.may_record(2**n, 4_000, clock())), default=-1))
        budget.spend(SHORT_NS // 2 // LEVELS)
    assert allowed[0] == 11 and allowed[-1] == -1
    assert allowed == sorted(allowed, reverse=True)


def test_code_outside_of_the_workspace_may_take_less(budget: Budget, clock: Clock) -> None:
    assert budget.may_record(1000, 4_000, clock())
    assert not budget.may_record(1000, 4_000, clock(), is_own=False)


def test_counting_what_is_called_seldom_goes_on_until_the_budget_is_used_up(budget: Budget, clock: Clock) -> None:
    seldom = {"counted_ns": 50 * MS, "recent_ns": MS, "past_ns": 1000 * MS}
    often = {"counted_ns": 50 * MS, "recent_ns": MS, "past_ns": 2 * MS}
    assert budget.may_count(**seldom, at_ns=clock())
    assert not budget.may_count(**often, at_ns=clock())
    budget.spend(SHORT_NS)
    assert not budget.may_count(**seldom, at_ns=clock())


def test_the_price_of_a_counted_call_follows_the_fastest_read_of_the_clock(clock: Clock) -> None:
    clock.step_ns = 400  # interrupted
    budget = Budget(0.1, clock)
    slow = budget.counted_ns
    clock.step_ns = 40
    budget.gauge()
    fast = budget.counted_ns
    clock.step_ns = 4000
    budget.gauge()
    assert slow == 10 * fast and budget.counted_ns == fast


def test_a_clock_that_jumps_back_and_forth_does_no_harm(budget: Budget, clock: Clock) -> None:
    clock.at_ns = -5_000 * MS
    assert budget.level(clock()) == 0
    budget.gauge()
    clock.at_ns = 1 << 62
    assert 0 <= budget.level(clock()) <= LEVELS
    clock.at_ns = 0
    assert 0 <= budget.level(clock()) <= LEVELS


def test_dear_values_are_cut_shorter_and_their_function_says_how_many_calls_are_whole(
    python: str, trace: Trace
) -> None:
    spool = trace(
        python,
        program("""
            class Node:
                def __init__(self, depth):
                    self.parts = [[[str(depth) * 20] * 3] * 3] * 3
                    self.below = [Node(depth - 1) for _ in range(3)] if depth else []
            def walk(node):
                return node
            root = Node(3)
            for _ in range(3000): walk(root)
        """),
        mode="adaptive",
        # What one function may take is limited, however large the budget is.
        capture={"calls_per_function": 100_000, "overhead": 100.0},
    )
    (walk,) = [each for each in spool.of("function") if each["name"] == "walk" and each["whole"] is not None][-1:]
    whole = walk["whole"]
    calls = [call for call in spool.named("walk") if not call.late]
    assert (whole + 1) & whole == 0  # one less than a power of two
    assert len(calls) > whole
    full, short = str(calls[0].args), str(calls[-1].args)
    assert all(str(call.args) == full for call in calls[:whole])
    assert len(short) < len(full) / 2


def test_a_program_of_many_functions_keeps_the_first_calls_of_each(python: str, trace: Trace) -> None:
    text = "".join(f"def f{n}(x): return x\n" for n in range(300)) + "for _ in range(200):\n"
    text += "".join(f"    f{n}({n})\n" for n in range(300))
    spool = trace(python, text, mode="adaptive", env={ENV_OVERHEAD: ""})
    for n in (0, 150, 299):
        first, *_ = spool.named(f"f{n}")
        assert (first.args, first.value) == ({"x": n}, n)
        count, exact = spool.count(f"f{n}")
        assert count == 200 if exact else count < 200


@pytest.mark.parametrize(
    ("mode", "overhead", "automatic", "share"),
    [
        ("adaptive", "auto", "", 0.1),
        ("adaptive", "auto", "0.5", 0.5),
        ("adaptive", "auto", "off", None),
        ("adaptive", "auto", "a lot", 0.1),
        ("adaptive", "auto", "-1", 0.1),
        ("adaptive", 0.2, "off", 0.2),
        ("adaptive", "off", "0.5", None),
        ("full", "auto", "", None),
        ("full", "auto", "0.5", None),
    ],
)
def test_the_environment_says_what_auto_stands_for(mode: str, overhead: object, automatic: str, share: object) -> None:
    made = make_budget(mode, overhead, automatic)
    assert (None if made is None else made.share) == share


def test_mode_full_records_all_calls_whatever_they_cost(python: str, trace: Trace) -> None:
    spool = trace(python, "def f(x): return x\nfor n in range(20_000): f(n)\n", mode="full")
    assert len(spool.named("f")) == 20_000
