"""Test the encoding of values as JSON: true to the value, within limits, without running code of the program."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import ipaddress
import json
import logging
import pathlib
import sys
import types
import unittest.mock
import uuid
from typing import Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breadcrumb.redaction.redactor import Redactor
from breadcrumb.values.encoder import Encoder
from spool_reader import TARGETS, Trace, without_numbers


def encoded(value: Any, **limits: Any) -> Any:
    return json.loads(Encoder(Redactor(), **limits).encode(value))


class Color(enum.Enum):
    RED = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Item:
    name: str
    price: float


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a = 1


class Plain:
    def __init__(self) -> None:
        self.x = [1]


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (12, 12),
        (-(10**30), -(10**30)),
        (1.5, 1.5),
        (float("inf"), {"$float": "inf"}),
        ([float("nan"), "nan", -float("inf")], [{"$float": "nan"}, "nan", {"$float": "-inf"}]),
        ("täxt\n\t\0", "täxt\n\t\0"),
        ([1, [2]], [1, [2]]),
        ((1,), {"$tuple": [1]}),
        ({"b", "a"}, {"$set": ["a", "b"]}),
        ({"k": {"n": 1}}, {"k": {"n": 1}}),
        ({1: "one", "1": "text"}, {"$key:1": "one", "1": "text"}),
        ({(1, "a"): 1, "$key:1": 2}, {'$key:{"$tuple": [1, "a"]}': 1, '$key:"$key:1"': 2}),
        (b"raw\xff", {"$bytes": "raw\\xff"}),
        (Color.RED, {"$type": "Color", "$repr": "Color.RED"}),
        (Access.READ | Access.WRITE, {"$type": "Access", "$repr": "Access.READ|WRITE"}),
        (Item("tea", 2.5), {"$type": "Item", "name": "tea", "price": 2.5}),
        (Slotted(), {"$type": "Slotted", "a": 1}),
        (Plain(), {"$type": "Plain", "x": [1]}),
        (Point(1, 2), {"$type": "Point", "x": 1, "y": 2}),
        (collections.OrderedDict(a=1), {"$type": "OrderedDict", "a": 1}),
        (collections.deque([1]), {"$type": "deque", "items": [1]}),
        (decimal.Decimal("1.10"), {"$type": "Decimal", "value": "1.10"}),
        (fractions.Fraction(1, 3), {"$type": "Fraction", "value": "1/3"}),
        (datetime.date(2025, 1, 2), {"$type": "date", "value": "2025-01-02"}),
        (datetime.time(3, 4), {"$type": "time", "value": "03:04:00"}),
        (datetime.timedelta(days=1), {"$type": "timedelta", "value": "1 day, 0:00:00"}),
        (
            datetime.datetime(2025, 1, 2, 3, tzinfo=datetime.UTC),
            {"$type": "datetime", "value": "2025-01-02T03:00:00+00:00"},
        ),
        (datetime.UTC, {"$type": "timezone", "value": "UTC"}),
        (uuid.UUID(int=1), {"$type": "UUID", "value": "00000000-0000-0000-0000-000000000001"}),
        (pathlib.PurePosixPath("/a/b"), {"$type": "PurePosixPath", "value": "/a/b"}),
        (ipaddress.ip_address("10.0.0.1"), {"$type": "IPv4Address", "value": "10.0.0.1"}),
        (1 + 2j, {"$type": "complex", "value": "(1+2j)"}),
        (range(3), {"$type": "range", "$repr": "range(0, 3)"}),
        (len, "<built-in len>"),
        (Plain, "<class test_values.Plain>"),
        (json, "<module json>"),
        (encoded, "<function test_values.encoded>"),
        (functools.lru_cache(encoded), "<cached function test_values.encoded>"),
        (staticmethod(encoded), "<staticmethod test_values.encoded>"),
        (logging.getLogger("shop"), "<logging.Logger shop>"),
        (KeyError("k"), {"$type": "KeyError", "args": ["k"]}),
        (unittest.mock.MagicMock(), "<MagicMock>"),
        (iter([]), "<list_iterator>"),
        (10**5000, "<int of 16610 bits>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_kind_of_value_has_its_json_form(value: Any, expected: Any) -> None:
    text = json.dumps(encoded(value))
    assert json.loads(text.replace(f"{__name__}.", "test_values.")) == expected


def test_each_cut_is_marked_with_the_size_left_out() -> None:
    assert encoded("x" * 5000) == "x" * 2000 + "…(+3000 chars)"
    assert encoded(list(range(60)))[-1] == "…(+10 items)"
    assert encoded({str(n): n for n in range(60)})["…"] == "+10 items"
    assert encoded([[[[[1, 2]]]]]) == [[[["<list of 2>"]]]]


def test_cycles_end() -> None:
    items: list[Any] = [1]
    items.append(items)
    assert encoded(items) == [1, "<cycle: list of 2>"]
    plain = Plain()
    plain.x.append(plain)  # type: ignore[arg-type]
    assert encoded(plain) == {"$type": "Plain", "x": [1, "<cycle: Plain>"]}


def test_no_memory_address_is_written() -> None:
    values: list[object] = [object(), lambda: None, Plain().__init__, (n for n in [0]), Encoder, iter({})]  # type: ignore[misc]
    assert "0x" not in json.dumps(encoded(values))


def test_the_text_of_a_huge_value_is_bounded() -> None:
    big = {"rows": [{"id": n, "text": "x" * 1000, "more": list(range(100))} for n in range(1000)]}
    assert len(json.dumps(encoded(big), ensure_ascii=False)) < 4000


def test_a_large_field_leaves_room_for_later_fields() -> None:
    table = {f"row {n}": "x" * 100 for n in range(100)}
    shown = encoded({"text": "x" * 5000, "table": table, "rate": None, "name": "shop"})
    assert [*shown] == ["text", "table", "rate", "name"]
    assert (shown["rate"], shown["name"]) == (None, "shop")
    assert len(shown["text"]) > 1800 and shown["text"].endswith(" chars)")
    assert len(json.dumps(shown)) < 2100

    # Before many others, the first field may still take half of the room.
    many = encoded({"text": "x" * 5000, **{f"field {n}": ["y" * 300] for n in range(49)}})
    assert len(many["text"]) > 900 and len(many) > 5


@given(
    st.recursive(
        st.none() | st.integers() | st.text("ab", max_size=300),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab", max_size=250), inner, max_size=6),
        max_leaves=20,
    ),
    st.integers(0, 600),
)
def test_the_text_of_a_value_does_not_depend_on_what_was_encoded_before(value: Any, chars: int) -> None:
    used = Encoder(Redactor(), max_chars=chars)
    first = used.encode(value)
    assert used.encode(value) == first


def test_a_text_that_is_known_is_cut_as_one_that_is_not() -> None:
    text, others = "x" * 60, {f"field {number}": "y" * 30 for number in range(3)}
    used = Encoder(Redactor(), max_chars=90)
    used.encode([text])
    assert used.encode({"text": text, **others}) == Encoder(Redactor(), max_chars=90).encode({"text": text, **others})


def test_keys_that_are_redacted_to_the_same_text_stay_distinct_each_time() -> None:
    keys = ["AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN8EXAMPLE"]
    used = Encoder(Redactor())
    texts = [used.encode(dict.fromkeys(keys, 1)) for _ in range(3)]
    assert [*json.loads(texts[0])] == ["[REDACTED]", "[REDACTED] (2)"] and len(set(texts)) == 1


def test_each_item_of_a_set_has_an_equal_share_of_the_room() -> None:
    items = {("key" * 20, str(number)) for number in range(30)}
    assert encoded(items, max_chars=900)["$set"][0] == {
        "$tuple": ["keykeykeykeykeykeykeykeykeykey…(+30 chars)", "…(+1 items)"]
    }
    assert encoded(items, max_chars=60) == {"$set": ["…(+30 items)"]}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text(st.characters()) | st.integers(), inner) | st.tuples(inner)
        ),
        max_leaves=30,
    ),
    st.integers(0, 300),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_any_nested_value_becomes_one_line_of_valid_json(value: Any, chars: int, items: int, depth: int) -> None:
    raw = Encoder(Redactor(), chars, items, depth).encode(value)
    json.loads(raw)
    assert not set(raw) & set(b"\t\n\r\0")


def test_no_code_of_hostile_values_runs_on_any_python(python: str, trace: Trace) -> None:
    spool = trace(python, [str(TARGETS / "hostile.py")])
    assert (spool.exit_code, spool.stdout, spool.stderr) == (0, "survived\n", "")
    hostile, _, items, mapping, text, number, made, cls, nested = [c.args["value"] for c in spool.named("take")]
    assert hostile == {"$type": "Hostile", "slot": 2, "visible": 1}
    assert items == {"$type": "HostileList", "items": [1]}
    assert mapping == {"$type": "HostileDict", "a": 1}
    assert text == {"$type": "HostileStr", "value": "text"}
    assert number == {"$type": "HostileInt", "value": 5}
    assert (made, cls) == ({"$type": "Made", "$object": 1}, "<class __main__.Made>")
    assert nested[1]["key"]["$type"] == "Hostile"


def test_a_half_built_object_is_written_by_its_type_and_number_alone(python: str, trace: Trace) -> None:
    spool = trace(python, "class A:\n    def __init__(self, n): self.n = n\n    def m(self): pass\nA(3).m()\n")
    assert spool.one("A.__init__").args == {"self": {"$type": "A", "$object": 1}, "n": 3}
    assert spool.one("A.m").args == {"self": {"$type": "A", "$object": 1, "n": 3}}


def test_reading_arguments_keeps_no_object_alive(monitoring_python: str, trace: Trace) -> None:
    # Monitoring only: with sys.settrace the interpreter itself keeps a frame's variables until its next event.
    text = """
import traceback, weakref
class Thing: pass
def deleted(thing):
    ref = weakref.ref(thing)
    del thing
    return ref() is None
def shared(make):
    thing = make()
    ref = weakref.ref(thing)
    def inner(a):
        nonlocal thing
        thing = None
        return ref() is None
    return inner(1)
def cleared(thing):
    def fails(**rest):
        1 / 0
    try:
        fails(thing=thing)
    except ZeroDivisionError as error:
        return error
def clear(make):
    thing = make()
    ref = weakref.ref(thing)
    error = cleared(thing)
    del thing
    traceback.clear_frames(error.__traceback__)
    return ref() is None
def call(f, make):
    return f(make())
print(call(deleted, Thing), shared(Thing), clear(Thing))
"""
    assert trace(monitoring_python, text).stdout == trace(monitoring_python, text, env={"BREADCRUMB_TRACE": ""}).stdout


def test_classes_die_as_without_the_tracer(python: str, trace: Trace) -> None:
    text = """
import gc, weakref
def take(value): return value
def make():
    class Short:
        __slots__ = ("a", "__dict__", "__weakref__")
    thing = Short()
    thing.a = thing.b = 1
    take(thing)
    take(Short)
    return weakref.ref(Short)
ref = make()
gc.collect()
print(ref() is None)
"""
    assert trace(python, text).stdout == "True\n"


SHOW_UNORDERED = f"""
import sys
sys.path.insert(0, {str(TARGETS)!r})
import unordered

def show(value):
    return value

for values in (unordered.contents, unordered.addressed):
    for value in values():
        show(value)
"""


def test_two_runs_with_different_hashes_and_addresses_differ_by_the_numbers_of_objects_at_most(
    python: str, trace: Trace
) -> None:
    runs = [
        trace(python, SHOW_UNORDERED, env={"PYTHONHASHSEED": seed, "PYTHONMALLOC": allocator})
        for seed, allocator in (("1", "pymalloc"), ("4242", "malloc"))
    ]
    assert [(run.exit_code, run.stderr) for run in runs] == [(0, ""), (0, "")]
    first, second = [[without_numbers((call.args, call.value)) for call in run.named("show")] for run in runs]
    assert len(first) > 80
    for recorded, again in zip(first, second, strict=True):
        assert recorded == again


def test_keys_with_the_same_text_stay_distinct() -> None:
    assert encoded({object(): 1, object(): 2, "x" * 300 + "a": 3, "x" * 300 + "b": 4}) == {
        '$key:"<object>"': 1,
        '$key:"<object>" (2)': 2,
        "x" * 200 + "…(+101 chars)": 3,
        "x" * 200 + "…(+101 chars) (2)": 4,
    }


def test_a_type_hint_is_written_in_its_own_notation_even_if_it_is_endless() -> None:
    endless: list[Any] = [int]
    endless.append(endless)
    alias: Any = types.GenericAlias(list, (endless,))
    optional = Optional[Plain]  # noqa: UP045  (before 3.14 another class than that of Plain | None)
    plain = f"{__name__}.Plain"
    hints = encoded([list[int], dict[str, list[int | None]], optional, Literal["a", 1]])
    assert [hint["$repr"] for hint in hints] == [
        "list[int]", "dict[str, list[int | None]]", f"{plain} | None" if sys.version_info >= (3, 14) else f"Optional[{plain}]", "Literal['a', 1]",
    ]  # fmt: skip
    assert encoded(alias)["$repr"].startswith("list[[int, [int, [int")
    wide: Any = int
    for _ in range(9):
        wide = types.GenericAlias(tuple, (wide,) * 100)
    assert len(encoded(wide)) < 3000
