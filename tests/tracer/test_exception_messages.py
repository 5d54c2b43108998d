"""Test that the message of an exception equals ``str(exception)``, without running code of the program."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breadcrumb.events.exception_text import message_of
from breadcrumb.redaction.redactor import Redactor
from breadcrumb.values.encoder import Encoder

texts = st.text("ab'\"\\ \n\té…{[,:$", max_size=6).filter(lambda text: not text.startswith("…"))
plain = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | texts
keys = st.integers(-9, 9) | texts.filter(lambda text: not text.startswith("$")) | st.tuples(st.integers(0, 9), texts)
values = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=12,
).filter(lambda value: len(repr(value)) < 200)


def message(exception: BaseException) -> str:
    return message_of(exception, Encoder(Redactor(), max_depth=30))


@given(st.lists(values, max_size=3), st.sampled_from([ValueError, KeyError, AssertionError, RuntimeError]))
def test_messages_with_built_in_values_equal_str(args: list[Any], cls: type[Exception]) -> None:
    exception = cls(*args)
    if cls is KeyError and len(args) == 1 and isinstance(args[0], str):
        assert message(exception) == f"'{args[0]}'"
    else:
        assert message(exception) == str(exception)


@pytest.mark.parametrize(
    "exception",
    [
        OSError(2, "No such file or directory", "a.txt"),
        OSError(13, "denied"),
        FileNotFoundError(2, "no", b"raw"),
        SyntaxError("invalid syntax", ("dir/module.py", 3, 5, "a b")),
        ValueError(frozenset({1}), {2}, 1.5, float("nan"), b"raw\xff", (1,), ()),
        KeyError(("shop", 7)),
    ],
    ids=lambda exception: type(exception).__name__,
)
def test_messages_in_the_special_forms_of_some_exceptions_equal_str(exception: Exception) -> None:
    assert message(exception) == str(exception)


class Order:
    def __init__(self) -> None:
        self.number, self.password = 7, "zq-Planted-7731"

    __repr__ = __str__ = None  # type: ignore[assignment]


def test_objects_are_written_by_their_fields_and_secrets_are_redacted() -> None:
    text = message(ValueError(Order(), {"api_key": "zq-Planted-7732"}))
    assert text == "(Order(number=7, password=[REDACTED]), {'api_key': [REDACTED]})"


def test_a_long_argument_does_not_hide_those_after_it() -> None:
    text = message(ValueError("x" * 5_000, 88, "Expected number"))
    assert text.endswith("…, 88, 'Expected number')")
    assert len(text) < 300
