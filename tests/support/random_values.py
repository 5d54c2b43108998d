"""Generate random values as Python expressions, plain ones and those of tests/targets/hostile_values.py.

``matches`` checks what the tracer has written of a plain value, by rules that do not use the tracer's code.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent / "targets"))
from hostile_values import KINDS as WRAPPERS

MAX_CHARS, MAX_ITEMS, MAX_DEPTH = 2000, 50, 4

# Few digits and no $ (in bytes neither), so that nothing looks like a secret (payment cards, password hashes). One surrogate only, because
# two make a character in JSON.
TEXT = st.text(st.sampled_from("abcdefxyz .,:=-_/\\\"'{}[]<>%&\n\t\r\0\x1b\x7fß€😀\u2028\udfff…12"), max_size=40)


def binary(min_size: int = 0, max_size: int | None = None) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=min_size, max_size=max_size).filter(lambda raw: b"$" not in raw)


INTEGERS = st.integers(-(10**9), 10**9) | st.integers(300, 3000).map(lambda bits: 1 << bits)
SCALARS = st.none() | st.booleans() | INTEGERS | st.floats() | TEXT | binary(max_size=30)
HASHABLE = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | TEXT | binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=4),
    max_leaves=4,
)
KEYS = TEXT.filter(lambda text: text != "…" and not text.startswith("$")) | HASHABLE.filter(
    lambda key: type(key) is not str
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=70)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=60)
        | st.sets(HASHABLE, max_size=60)
        | st.frozensets(st.integers(-9999, 9999), max_size=70)
        | st.builds(lambda text, times: text * times, TEXT, st.integers(2, 400))
        | st.builds(lambda raw, times: raw * times, binary(min_size=1, max_size=30), st.integers(2, 400))
    ),
    max_leaves=25,
)

# Expressions of values with classes of the program, alone, and around other values.
SCALAR_EXPRESSIONS = (
    "H.Str('hostile')", "H.Int(5)", "H.Float(1.5)", "H.Complex(1j)", "H.Bytes(b'hostile')", "H.ByteArray(b'x')",
    "H.Decimal('1.5')", "H.Fraction(1,2)", "H.Date(2025,1,2)", "H.DateTime(2025,1,2,3)", "H.Time(1)", "H.Delta(1)",
    "H.Path('/a/b')", "H.Uuid(int=5)", "H.Module('m')", "H.Array('i',[1,2])", "H.Failure(2,'x')", "H.Made", "H.Made()",
    "H.fields(H.NoDict)", "H.fields(H.OwnDict)", "H.Mapping()", "H.Partial(len,1)", "H.KEPT", "H.Color.RED", "H.HalfBuilt()",
    "H.Tuple.__new__(H.Tuple)", "H.Object.__new__(H.Object)", "H.Error.__new__(H.Error)", "H.Int.__new__(H.Int)", "H.Zone()",
    "H.told", "H.Str('\\ud800')", "H.Object.lazy", "array.array('d',[1.5])", "memoryview(b'raw')[::2]", "Ellipsis",
    "datetime.datetime(2025,1,2,tzinfo=H.Zone())", "NotImplemented", "decimal.Decimal('NaN')", "datetime.timezone.utc",
    "re.compile('a+')", "types.SimpleNamespace(x=H.KEPT)", "object()", "globals",
)  # fmt: skip
HOLDERS = (
    "H.List([{0}])", "H.Tuple([{0}])", "H.Set([{0}])", "H.FrozenSet([{0}])", "H.Deque([{0}])", "H.UserList([{0}])",
    "H.Error([{0}])", "H.Dict({{1: {0}}})", "H.Ordered([('key', {0})])", "H.Default(list, {{'key': {0}}})",
    "H.Counter({{'key': {0}}})", "H.Chain({{1: {0}}})", "H.UserDict({{1: {0}}})", "H.Namespace(x={0})", "H.Pair({0}, 2)",
    "H.Data({0})", "H.slotted({0}, None)", "H.fields(H.Object, x={0})", "H.fields(H.Namespace, x={0}, token={0})",
    "H.shared({0})", "[{0}, 1]", "{{'key': {0}}}", "{{H.Str('key'): {0}}}", "{{H.Object(): {0}}}", "{{('a', H.Int(1)): {0}}}",
    "({0},)", "{{H.Object(), (1, H.Str('x'))}}", "H.Error({0}, 1)", "[{0}] * 60", "H.List([{0}] * 60)", "H.Set(range(60))",
    "H.deep(list, 3) + [{0}]", "collections.deque([{0}])", "{{'password': {0}}}", "('token', {0})", "[('secret', {0})]",
    "['--api-key', {0}]", "H.fields(H.Object, auth={0})",
    *(f"H.wrapped({kind!r}, {{0}})" for kind in WRAPPERS),
    *(f"H.knot({kind!r}, {{0}})" for kind in ("list", "tuple", "dict", "set", "deque", "frozen", "exception", "object")),
)  # fmt: skip
# Expressions of large, deep or circular values.
BIG_EXPRESSIONS = (
    "H.graph(60, list)", "H.graph(60, set)[0]", "{'token': H.graph(40, list)}", "H.deep(list, 900)", "H.deep(dict, 900)",
    "H.deep(tuple, 900)", "list(range(100000))", "{H.Object(): n for n in range(200)}", "'x' * 1000000", "b'\\0' * 1000000",
    "{H.Str(n): n for n in range(2000)}", "10 ** 100000", "[[[[[['\\0' * 3000]]]]]] * 60", "{1: H.List([2] * 10**6)}",
)  # fmt: skip

EVERY_EXPRESSION = [*SCALAR_EXPRESSIONS, *(holder.format("H.Int(5)") for holder in HOLDERS), *BIG_EXPRESSIONS]
EXPRESSIONS = st.recursive(
    st.sampled_from(SCALAR_EXPRESSIONS) | SCALARS.map(ascii),
    lambda inner: st.builds(str.format, st.sampled_from(HOLDERS), inner),
    max_leaves=6,
) | st.sampled_from(BIG_EXPRESSIONS)


def matches(value: Any, written: Any, depth: int = 0) -> bool:
    """Return whether *written* is a plain value, or its beginning and the true size of the rest."""
    kind = type(value)
    if kind in (list, tuple, set, frozenset, dict) and written == f"<{kind.__name__} of {len(value)}>":
        return True  # too deep, or out of room
    if kind in (list, tuple):
        items = written if kind is list else only_entry(written, "$tuple")
        return type(items) is list and items_match(value, items, depth)
    if kind in (set, frozenset):
        members = only_entry(written, "$" + kind.__name__)
        return type(members) is list and members_match(value, members, depth)
    if kind is dict:
        return type(written) is dict and entries_match(value, written, depth)
    if kind is bytes:
        return bytes_match(value, written)
    if kind is str:
        return type(written) is str and text_matches(value, written)
    if kind is int and value.bit_length() > 1024:
        return bool(written == f"<int of {value.bit_length()} bits>")
    if kind is float and (value != value or value in (float("inf"), -float("inf"))):
        return bool(written == {"$float": repr(value)})
    return type(written) is kind and bool(written == value)


def only_entry(written: Any, name: str) -> Any:
    """Return the value of the only entry of an object, if its key is *name*; else None."""
    return written[name] if type(written) is dict and list(written) == [name] else None


def text_matches(value: str, written: str) -> bool:
    if value == written:
        return True
    shown, mark, rest = written.rpartition("…(+")
    return bool(mark) and value.startswith(shown) and rest == f"{len(value) - len(shown)} chars)"


def bytes_match(value: bytes, written: Any) -> bool:
    text = value.decode("utf-8", "backslashreplace")
    if only_entry(written, "$bytes") == text:
        return True
    if type(written) is not dict or list(written) != ["$bytes", "size"]:
        return False
    shown = written["$bytes"]
    return written["size"] == len(value) and shown[-1:] == "…" and text.startswith(shown[:-1])


def without_cut_mark(written: list[Any], size: int) -> list[Any] | None:
    """Return the items without the cut mark; None if their number is not what the mark or *size* says."""
    mark = re.fullmatch(r"…\(\+(\d+) items\)", written[-1]) if written and type(written[-1]) is str else None
    if mark and len(written) - 1 + int(mark[1]) == size:
        return written[:-1]
    return written if len(written) == size else None


def items_match(value: Any, written: list[Any], depth: int) -> bool:
    shown = without_cut_mark(written, len(value))
    if shown is None:
        return False
    return all(matches(item, text, depth + 1) for item, text in zip(value, shown, strict=False))


def members_match(value: Any, written: list[Any], depth: int) -> bool:
    """Return whether each written member matches a different member of the value."""
    shown = without_cut_mark(written, len(value))
    if shown is None:
        return False
    possible = [[at for at, item in enumerate(value) if matches(item, text, depth + 1)] for text in shown]
    text_of: dict[int, int] = {}  # by member

    def has_member(text: int, tried: set[int]) -> bool:
        """Give a text one of its members; what has it already takes another one (Kuhn's bipartite matching)."""
        for member in possible[text]:
            if member not in tried:
                tried.add(member)
                if member not in text_of or has_member(text_of[member], tried):
                    text_of[member] = text
                    return True
        return False

    return all(has_member(text, set()) for text in range(len(shown)))


def entries_match(value: dict[Any, Any], written: dict[str, Any], depth: int) -> bool:
    shown = [(key, item) for key, item in written.items() if key != "…"]
    if len(shown) < len(value) and written.get("…") != f"+{len(value) - len(shown)} items":
        return False
    return all(
        (text_matches(key, key_text) if type(key) is str else key_text.startswith("$key:"))
        and matches(item, text, depth + 1)
        for (key, item), (key_text, text) in zip(value.items(), shown, strict=False)
    )


def is_small(value: Any, depth: int = 0) -> bool:
    """Return whether a value is within all limits, and so must be written whole."""
    if type(value) in (list, tuple, set, frozenset, dict):
        items = [*value, *value.values()] if type(value) is dict else value
        fits = len(value) <= MAX_ITEMS and depth < MAX_DEPTH and all(is_small(item, depth + 1) for item in items)
        return fits and not (type(value) in (set, frozenset, dict) and depth)
    return True


def levels(written: Any) -> int:
    """Return the depth of JSON."""
    inner = written.values() if type(written) is dict else written if type(written) is list else None
    return 0 if inner is None else 1 + max(map(levels, inner), default=0)
