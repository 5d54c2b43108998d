"""Test random values, plain and hostile: recording them is truthful and runs none of the program's code."""

from __future__ import annotations

import json
import os
from typing import Any

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from breadcrumb.value_format import REDACTED
from random_values import (
    EVERY_EXPRESSION,
    EXPRESSIONS,
    MAX_CHARS,
    MAX_DEPTH,
    MAX_ITEMS,
    PLAIN,
    is_small,
    levels,
    matches,
)
from spool_reader import TARGETS, Trace

# Each example is a program with many values. For a longer search: BREADCRUMB_FUZZ_EXAMPLES=200 python3 -m pytest ...
EXAMPLES = os.environ.get("BREADCRUMB_FUZZ_EXAMPLES")
fuzz = settings(
    max_examples=int(EXAMPLES or 3),
    derandomize=not EXAMPLES,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # no shrinking: the failing value is named
    suppress_health_check=list(HealthCheck),
)

PROGRAM = """
import array, collections, datetime, decimal, gc, json, re, sys, types
sys.path.insert(0, {targets!r})
import hostile_values as H
nan, inf = float("nan"), float("inf")

def give(value):
    H.armed = True
    return value

def fail(value):
    H.armed = True
    raise ValueError(value)

def take(number, value):
    H.armed = False
    H.mutate(value)

def lines(value):
    H.armed = True
    other = value
    H.armed = False

def made(make):
    try:
        return make()
    except Exception as error:  # not every class takes anything
        return str(error)

def use(number, make):
    value = made(make)
    give(value)
    H.armed = False
    try:
        fail(value)
    except ValueError as error:
        H.armed = False
        error.__traceback__ = None
    lines(value)
    H.armed = True
    take(number, value)
    return list(H.ran)

for number, make in enumerate([
    {values},
]):
    ran = use(number, make)
    if ran:
        print(number, ran)
        break
make = None
gc.collect()
print(len(H.deleted), "objects died")
"""

# The JSON has more than the value's content: brackets, type names, marks, escapes of control characters.
MOST_CHARS = 8 * MAX_CHARS


class Values:
    """The values of one traced program: plain ones, and expressions for hostile ones."""

    def __init__(self, plain: list[Any], hostile: list[str]) -> None:
        self.plain = plain
        self.texts = [ascii(value) for value in plain] + hostile

    def __repr__(self) -> str:
        return f"{len(self.texts)} values"  # all of them would be too long to print, and the failing one is named


@st.composite
def some_values(draw: st.DrawFn) -> Values:
    return Values(
        draw(st.lists(PLAIN, min_size=20, max_size=60)), draw(st.lists(EXPRESSIONS, min_size=20, max_size=60))
    )


@fuzz
@example(Values([], EVERY_EXPRESSION))
@given(some_values())
def test_recording_a_value_is_truthful_and_runs_none_of_its_code(python: str, trace: Trace, values: Values) -> None:
    texts = values.texts
    program = PROGRAM.format(targets=str(TARGETS), values=",\n    ".join("lambda: " + text for text in texts))
    traced = trace(python, program, include=["__main__"], capture={"lines": ["__main__.lines"]})
    untraced = trace(python, program, env={"BREADCRUMB_TRACE": ""})
    last = texts[min(len(traced.named("take")), len(texts)) - 1][:300]
    assert (traced.stdout, traced.stderr, traced.exit_code) == (untraced.stdout, untraced.stderr, 0), last
    assert "objects died" in traced.stdout, last
    taken, given_back, stepped = traced.named("take"), traced.named("give"), traced.named("lines")
    raised = [event for event in traced.of("exception") if event["function"] == "fail"]
    assert len(taken) == len(given_back) == len(stepped) == len(raised) == len(texts)
    for call, value in zip(taken, values.plain, strict=False):
        written = call.args["value"]
        assert matches(value, written), (ascii(value)[:300], ascii(written)[:300])
        if is_small(value) and len(ascii(value)) < MAX_CHARS // 2:
            assert "…(+" not in str(written) and "list of" not in str(written)
    for call, back, lines, text in zip(taken, given_back, stepped, texts, strict=True):
        text = text[:300]
        written = call.args["value"]
        assert equal_where_readable(written, back.args["value"]) and equal_where_readable(written, back.value), text
        assert "other" in str(lines.steps()), text
        assert levels(written) <= 2 * MAX_DEPTH + 2 and widest(written) <= MAX_ITEMS + 2, text
        assert len(json.dumps(written, ensure_ascii=False)) < MOST_CHARS, text


def equal_where_readable(one: Any, other: Any) -> bool:
    """Return whether two records of a value are equal, but for texts of which one was taken for a secret by then."""
    if type(one) is dict and type(other) is dict:
        return list(one) == list(other) and all(equal_where_readable(one[key], other[key]) for key in one)
    if type(one) is list and type(other) is list:
        return len(one) == len(other) and all(map(equal_where_readable, one, other))
    if type(one) is str and type(other) is str and REDACTED in one + other:
        return True
    return type(one) is type(other) and bool(one == other)


def widest(written: Any) -> int:
    """Return the largest number of entries on any level."""
    inner = list(written.values()) if type(written) is dict else written if type(written) is list else []
    return max([len(inner), *map(widest, inner)])
