"""Test the numbers of objects: the same for the same object, another for another one, and none where it is not known."""

from __future__ import annotations

import json
import weakref
from typing import Any

import pytest

from breadcrumb.redaction.redactor import Redactor
from breadcrumb.runtime import object_numbers
from breadcrumb.runtime.object_numbers import ObjectNumbers
from breadcrumb.values.encoder import Encoder
from spool_reader import Trace


class Cart:
    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)


def numbered_encoder(**limits: int) -> Encoder:
    return Encoder(Redactor(), **limits, numbers=ObjectNumbers())


def test_an_object_has_one_number_in_all_calls_and_threads_and_an_equal_one_another(python: str, trace: Trace) -> None:
    text = """
import threading
class Cart:
    def __init__(self, total): self.total = total
class Shop:
    class Cart: pass
def take(cart): return cart
carts = [Cart(5), Cart(5)]
for cart in (carts[0], carts[1], carts[0]):
    take(cart)
carts[0].total = 6
thread = threading.Thread(target=take, args=(carts[0],))
thread.start()
thread.join()
take(Shop.Cart())
"""
    calls = trace(python, text).named("take")
    assert [call.args["cart"].get("$object") for call in calls] == [1, 2, 1, 1, 3]
    assert calls[0].value == {"$type": "Cart", "$object": 1, "total": 5}
    assert calls[3].args == {"cart": {"$type": "Cart", "$object": 1, "total": 6}}
    assert calls[4].args == {"cart": {"$type": "Shop.Cart", "$object": 3}}  # both classes are a Cart in answers


def test_an_object_at_the_address_of_a_dead_one_is_another(python: str, trace: Trace) -> None:
    text = """
class Cart: pass
def take(cart): return id(cart)
addresses = [take(Cart()) for _ in range(100)]
print(len(set(addresses)) < 100)
"""
    spool = trace(python, text)
    assert spool.stdout == "True\n"
    assert [call.args["cart"]["$object"] for call in spool.named("take")] == list(range(1, 101))


def test_objects_die_when_they_would_without_the_tracer(python: str, trace: Trace) -> None:
    text = """
import gc, weakref
class Node:
    def __init__(self, name): self.name = name
    def __del__(self): print("end of", self.name)
def take(node): return node
take(Node("a"))
b = take(Node("b"))
ref = weakref.ref(b, lambda _: print("b is gone"))
del b
c = take(Node("c"))
c.me = c
del c
print("collect")
gc.collect()
print(ref())
"""
    spool = trace(python, text)
    assert spool.stdout == trace(python, text, env={"BREADCRUMB_TRACE": ""}).stdout
    # What is finalized in a cycle has lost its weak reference: it must not look like another object. 3.8 cannot tell.
    found = [call.args["self"] for call in spool.named("Node.__del__")]
    expected = [(1, "a"), (2, "b"), (3, "c")] if "3.8" not in python else [(1, "a"), (2, "b"), (4, "c")]
    assert [(each.get("$object", 3), each["name"]) for each in found] == expected


def test_objects_that_take_no_weak_reference_have_no_number() -> None:
    class Slots:
        __slots__ = ("a",)

    class WeakSlots:
        __slots__ = ("__weakref__", "a")

    slots: Any = Slots()
    weak: Any = WeakSlots()
    slots.a = weak.a = 1
    encode = numbered_encoder().encode
    assert json.loads(encode(slots)) == {"$type": Slots.__qualname__, "a": 1}
    assert json.loads(encode(weak)) == {"$type": WeakSlots.__qualname__, "$object": 1, "a": 1}
    plain = [[], {}, {1}, "text", len, Cart, json, KeyError("k"), 1.5, None, object()]
    assert b"$object" not in encode(plain) and b"#" not in encode(plain)


def test_an_object_that_is_cut_keeps_its_number() -> None:
    inner = Cart(total=1)
    outer: Any = Cart(inner=inner)
    outer.me = outer
    encode = numbered_encoder(max_depth=1).encode
    assert json.loads(encode(outer)) == {"$type": "Cart", "$object": 1, "inner": "<Cart#2>", "me": "<cycle: Cart#1>"}
    assert json.loads(encode(inner)) == {"$type": "Cart", "$object": 2, "total": 1}


def test_what_is_cut_does_not_depend_on_numbers() -> None:
    def cart_of(name: str, depth: int) -> Cart:
        return Cart(name=name, inner=cart_of(name, depth - 1) if depth else None)

    used = numbered_encoder(max_chars=150)
    for _ in range(1000):
        used.encode(Cart())
    alive = [Cart() for _ in range(1000)]
    used.encode([used.encode(each) for each in alive])
    plain = json.dumps(json.loads(Encoder(Redactor(), max_chars=150).encode(cart_of("tea", 6))))
    text = json.dumps(
        json.loads(
            used.encode(cart_of("tea", 6)),
            object_pairs_hook=lambda pairs: {key: value for key, value in pairs if key != "$object"},
        )
    )
    assert text.replace("#", "").translate(str.maketrans("", "", "0123456789")) == plain.translate(
        str.maketrans("", "", "0123456789")
    )


def test_a_forked_child_knows_the_objects_it_inherits(python: str, trace: Trace) -> None:
    text = """
import os
class Cart: pass
def take(cart): pass
first = Cart()
take(first)
child = os.fork()
second = Cart()
take(first)
take(second)
if child:
    os.waitpid(child, 0)
"""
    calls = trace(python, text).named("take")
    assert sorted(call.args["cart"]["$object"] for call in calls) == [1, 1, 1, 2, 2]


def test_a_line_that_puts_an_equal_object_into_a_variable_changes_it(python: str, trace: Trace) -> None:
    text = """
class Cart:
    def __init__(self): self.total = 0
def replace():
    cart = Cart()
    cart = cart
    cart = Cart()
replace()
"""
    spool = trace(python, text, capture={"lines": ["replace"]})
    changed = [change["cart"] for _, change in spool.one("replace").steps() if change and "cart" in change]
    assert [each["$object"] for each in changed] == [1, 2]


def test_the_table_is_bounded_and_no_number_is_used_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_numbers, "MAX_OBJECTS", 50)
    monkeypatch.setattr(object_numbers, "_MIN_OBJECTS", 10)
    numbers = ObjectNumbers()
    alive = [Cart() for _ in range(80)]
    found = [numbers.of(each, "Cart") for each in alive]
    assert found == [*range(1, 51), *[0] * 30]
    assert [numbers.of(each, "Cart") for each in alive[:50]] == found[:50]
    del alive[:50]
    later = [Cart() for _ in range(60)]
    again = [numbers.of(each, "Cart") for each in later]
    given = [each for each in again if each]
    assert given and min(given) > 50 and len(set(given)) == len(given)


def test_an_object_that_becomes_one_of_another_class_is_counted_there() -> None:
    class Open:
        pass

    class Closed:
        pass

    encode = numbered_encoder().encode
    door: Any = Open()
    encode(Closed())
    other = Closed()
    assert b'"$object": 1' in encode(door)
    assert b'"$object": 2' in encode(other)
    door.__class__ = Closed
    assert b'"$object": 3' in encode(door)
    assert weakref.getweakrefcount(door) == 1
