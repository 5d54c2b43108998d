"""Test that the message of an exception equals ``str(exception)``, without running code of the program."""

from __future__ import annotations

import datetime
import decimal
import enum
import io
import pathlib
from email.message import Message
from pathlib import Path
from subprocess import CalledProcessError, TimeoutExpired
from typing import Any
from urllib.error import HTTPError, URLError
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breadcrumb.events.exception_text import message_of
from breadcrumb.redaction.redactor import Redactor
from breadcrumb.values.encoder import Encoder


class Color(enum.Enum):
    RED = 1


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
    assert message(cls(*args)) == str(cls(*args))


@pytest.mark.parametrize(
    "exception",
    [
        OSError(2, "No such file or directory", "a.txt"),
        OSError(13, "denied"),
        FileNotFoundError(2, "no", b"raw"),
        SyntaxError("invalid syntax", ("dir/module.py", 3, 5, "a b")),
        ValueError(frozenset({1}), {2}, 1.5, float("nan"), b"raw\xff", (1,), ()),
        OSError(2, "No such file or directory", "a.txt", None, "b's.txt"),
        OSError("no number"),
        BlockingIOError(11, "busy"),
        SyntaxError("alone"),
        SyntaxError(),
        ElementTree.ParseError("unclosed token: line 1, column 0"),
        UnicodeDecodeError("utf-8", b"a\xff", 1, 2, "invalid start byte"),
        UnicodeEncodeError("ascii", "aé", 1, 2, "ordinal not in range(128)"),
        UnicodeTranslateError("aé", 1, 2, "no"),
        ImportError("no module", name="shop"),
        KeyError(("shop", 7)),
        KeyError("it's"),
        type("Missing", (KeyError,), {})("a\nb"),
        ExceptionGroup("several", [ValueError("a"), KeyError("b")]),
        ExceptionGroup("one", [ValueError("a")]),
        HTTPError("http://x/y", 404, "Not Found", Message(), io.BytesIO()),
        URLError("no host"),
        CalledProcessError(3, "make all"),
        CalledProcessError(-9, ["make", "all"]),
        CalledProcessError(-99, "make"),
        TimeoutExpired(["make", "all"], 2.5),
        ValueError(decimal.Decimal("1.20")),
        KeyError(decimal.Decimal("1.20")),
        ValueError(datetime.date(2025, 1, 2)),
        ValueError(pathlib.PurePosixPath("/a/b")),
        ValueError(Color.RED),
        ValueError(range(3), decimal.Decimal("1.20")),
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


class ApiError(Exception):
    status = 500

    def __init__(self, *, code: Any, detail: Any) -> None:
        self.code, self.detail, self._raw = code, detail, b"..."

    def __str__(self) -> str:
        raise AssertionError("code of the program ran")

    __repr__ = __str__


class NotFound(Exception):
    code, description = 404, "no such page"
    flags: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.response = None


class Slotted(Exception):
    __slots__ = ("sku",)

    def __init__(self, *, sku: str) -> None:
        self.sku = sku


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        (ApiError(code=3, detail="limit reached"), "code=3, detail='limit reached'"),
        (ApiError(code=None, detail={"api_key": "zq-Planted-7733"}), "code=None, detail={'api_key': [REDACTED]}"),
        (ApiError(code="x" * 900, detail=1), "code=" + repr("x" * 900)[:200] + "…, detail=1"),
        (NotFound(), "code=404, description='no such page'"),
        (Slotted(sku="a-1"), "sku='a-1'"),
        (type("Empty", (Exception,), {})(), ""),
        (OSError(), ""),
    ],
)
def test_an_exception_without_arguments_is_told_by_its_fields(exception: Exception, expected: str) -> None:
    assert message(exception) == expected


def test_a_secret_field_of_an_exception_is_redacted() -> None:
    failed = ApiError(code=7, detail="")
    failed.password = "zq-Planted-7734"  # type: ignore[attr-defined]
    assert message(failed) == "code=7, detail='', password=[REDACTED]"


def test_members_that_are_not_set_or_of_a_class_of_the_program_are_not_converted() -> None:
    class Text(str):
        __str__ = __repr__ = None  # type: ignore[assignment]

    assert message(UnicodeDecodeError.__new__(UnicodeDecodeError)) == ""
    odd = OSError(2, "gone", "a")
    odd.filename, odd.filename2 = Text("b"), Order()
    assert message(odd).startswith("[Errno 2] gone: ") and "number=7" in message(odd)
    assert message(SyntaxError(Order())).startswith("Order(number=7")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\x1b[31mred\x1b[0m, \x1b[1;38;5;9mbold\x1b[m", "red, bold"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ \x1b]0;title\x07rest", "link rest"),
        ("end \x1b[3", "end "),
        ("end \x1b]0;open", "end "),
        ("\x1bMup \x1b", "up "),
    ],
)
def test_escape_sequences_of_terminals_are_left_out(text: str, plain: str) -> None:
    assert message(ValueError(text)) == plain


def test_notes_follow_the_message_as_in_a_traceback() -> None:
    noted = ValueError("bad row")
    noted.add_note("in orders.csv, line 7")
    noted.add_note("password=zq-Planted-7735")
    encoder = Encoder(Redactor())
    assert encoder.encode(message_of(noted, encoder)) == b'"bad row\\nin orders.csv, line 7\\npassword=[REDACTED]"'


def test_an_error_of_the_system_names_both_files() -> None:
    with pytest.raises(FileNotFoundError) as caught:
        Path("/nope/a").rename("/nope/b")
    assert message(caught.value) == str(caught.value) != ""
