"""Values differ by more than noise or not, and the parts that differ are found."""

from __future__ import annotations

import json
from typing import Any

import pytest

from breadcrumb_server.answers.compare.noise import argument_differences, same_text, same_value, value_differences


def same(base: Any, this: Any) -> bool:
    return same_value(json.dumps(base), json.dumps(this))


@pytest.mark.parametrize(
    ("base", "this"),
    [
        ("/tmp/pytest-of-ann/pytest-11/test_add0/cart.json", "/tmp/pytest-of-bob/pytest-204/test_add0/cart.json"),
        ("/tmp/tmpa1b2c3d4/cart.json", "/tmp/tmp_x9zq8fk/cart.json"),
        ("/tmp/shop-_ej53in6/a", "/tmp/shop-odjxnkpl/a"),
        ("/var/folders/mc/tgq0_jn12_x3/T/shop-_ej53in6/a", "/var/folders/mc/tgq0_jn12_x3/T/shop-odjxnkpl/a"),  # macOS
        ("order 7d63cfce-7c9c-4572-91b9-af37cd7f0c6a", "order 64a5d50e-1431-4d0f-a9d8-1e1bf5bc0aa5"),
        ("7d63cfce7c9c457291b9af37cd7f0c6a", "64a5d50e14314d0fa9d81e1bf5bc0aa5"),
        ("<Cart at 0x7f12a4b0>", "<Cart at 0x7fffdeadbeef>"),
        ("2025-01-10T12:00:00.123456", "2025-01-11T13:10:00.5"),
        ("2025-01-10 12:00:00+00:00", "2026-11-22 09:30:00+01:00"),
        ("took from 12:00:01 on", "took from 23:59:59 on"),
        ("http://127.0.0.1:45123/cart", "http://127.0.0.1:39001/cart"),
        ("worker pid 4711 died", "worker pid 815 died"),
        (1736510400, 1795379728),
        (1736510400.123456, 1795379728.62),
        (1736510400123456789, 1795379728620243800),
        ({"pid": 12, "worker_port": 8001}, {"pid": 7_000, "worker_port": 43_210}),
        ({"elapsed": 0.012345678, "started_at": 12.3456789}, {"elapsed": 1.98765e-05, "started_at": 99.1234567}),
        ([{"$type": "Cart", "id": "7d63cfce-7c9c-4572-91b9-af37cd7f0c6a"}],) * 2,
        ({"/tmp/tmpa1b2c3d4/x": 1}, {"/tmp/tmpz9y8x7w6/x": 1}),
    ],
)
def test_noise_is_not_a_difference(base: Any, this: Any) -> None:
    assert same(base, this)


@pytest.mark.parametrize(
    ("base", "this"),
    [
        ("/tmp/tmpa1b2c3d4/cart.json", "/tmp/tmpa1b2c3d4/order.json"),
        ("/tmp/config_a.json", "/tmp/config_b.json"),
        ("/tmp/pytest-of-ann/pytest-11/test_add0", "/tmp/pytest-of-ann/pytest-11/test_add1"),
        ("http://shop:8000/", "http://shop:9000/"),
        ("2025-01-10", "2025-01-11"),
        ("order 12", "order 13"),
        (1, True),
        (1, 1.0),
        (0, None),
        ("1", 1),
        (0.2, 0.25),
        ({"duration": 30}, {"duration": 60}),
        ({"timeout": 1.5}, {"timeout": 2.5}),
        ({"price": 1.23456}, {"price": 1.23457}),
        ([1, 2], [2, 1]),
        ([1], [1, 2]),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": 1, "b": 2}),
    ],
)
def test_a_value_that_the_program_chose_is_a_difference(base: Any, this: Any) -> None:
    assert not same(base, this)


def test_a_missing_value_equals_only_a_missing_value() -> None:
    assert same_value(None, None)
    assert not same_value(None, "null")
    assert same_value("not json 0x7f12a4b0", "not json 0x7fffdeadbeef")


def test_messages_are_compared_as_texts() -> None:
    assert same_text("no file /tmp/tmpa1b2c3d4/x", "no file /tmp/tmpz9y8x7w6/x")
    assert not same_text("'rate'", "'tax'")


def parts(base: Any, this: Any) -> list[tuple[str, str, str]]:
    return [(p.path, p.base, p.this) for p in value_differences("result", json.dumps(base), json.dumps(this))]


def test_only_differing_parts_are_returned_as_they_were_recorded() -> None:
    base = {"$type": "Cart", "items": [{"sku": "a", "price": 3}, {"sku": "b"}], "at": 1736510400.5, "owner": "ann"}
    this = {"$type": "Cart", "items": [{"sku": "a", "price": 4}, {"sku": "b"}], "at": 1795379728.62, "note": None}
    assert parts(base, this) == [
        ("result.items[0]['price']", "3", "4"),
        ("result.owner", "'ann'", "-"),
        ("result.note", "-", "None"),
    ]
    assert parts({"$tuple": [1, 2]}, {"$tuple": [1, 3]}) == [("result[1]", "2", "3")]
    assert parts({"$type": "Cart", "n": 1}, {"$type": "Order", "n": 1}) == [("result", "Cart(n=1)", "Order(n=1)")]


def test_lists_of_different_lengths_differ_by_length_and_first_other_item() -> None:
    assert parts([1, 2, 3], [1, 3]) == [("len(result)", "3", "2"), ("result[1]", "2", "3")]
    assert parts([1], [1, 2]) == [("len(result)", "1", "2"), ("result[1]", "-", "2")]


def test_differing_arguments_have_their_names() -> None:
    found = argument_differences(
        '{"rate": 0.2, "self": {"$type": "Cart", "n": 1}}', '{"rate": null, "self": {"$type": "Cart", "n": 2}}'
    )
    assert [(p.path, p.base, p.this) for p in found] == [("rate", "0.2", "None"), ("self.n", "1", "2")]
