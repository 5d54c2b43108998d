"""Make random values from a seed: those in which two encodings would differ first.

They have what decides about a text: secrets by name, shape and memory, memory addresses, surrogates, long texts, keys
that look alike once written, numbers at the bounds, graphs with cycles, and limits of all sizes. Texts and keys come
from small pools, so that the same one comes again in another place and with other room.
"""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import pathlib
import random
import types
import uuid
from collections.abc import Callable
from typing import Any

from breadcrumb.redaction.secret_names import SECRET_NAMES
from breadcrumb.redaction.suspicion import SHAPE_HINTS
from secret_corpus import corpus

SECRETS = ("hunter2hunter2", "s3cr3t-Wert-9x", "zq81LmPx90", "tr0ub4dor", "pässword€99", "q9\ud800zz77")

TEXTS = (
    "", "a", "name", "shop", "x" * 40, "y" * 199, "y" * 200, "y" * 201, "z" * 900, "äöü", "€" * 30, "😀 and 😀", "\ud800", "a\udfffb",
    '"quoted"', "back\\slash", "tab\tnew\nline\r", "\0\x01\x1f\x7f\x80\u2028", "<Cart object at 0x7f21c0de>", "<Cart object at 0x7f21c0df>",
    "<Cart object at 0x...>", " at 0x12", "[REDACTED]", "[REDACTED]x", "…", "…(+3 chars)", "$type", "$key:1", "$object", "#1", "<Node#12>",
    "password=hunter2hunter2", "Bearer abcdefghijklmnop123456", "https://u:tr0ub4dor@host/x", "4111 1111 1111 1111", "4111111111111111",
    "123-45-6789", "AKIAIOSFODNN7EXAMPLE", "plain words without anything", "key: value", "-p", "--password", "50 %", "a%20b",
    "deadbeefdeadbeefdeadbeef", "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5", "Straße=1", "\u017fecret: abc12345", "toKen: abc12345x", "İ key: q", "(b'x')",
    "2026-11-30T05:17:38", "c0ffee00-1111-4222-8333-444455556666", *SECRETS, *(f"id {secret} end" for secret in SECRETS),
    "w " * 3000, "w " * 2600 + "zq81LmPx90" + " w" * 900, "é" * 5200, "\ud800" * 300, "token: abc12345x " * 20,
)  # fmt: skip

KEYS = (
    "a", "b", "name", "id", "total", "x" * 60, "k" * 199, "k" * 201, "k" * 230, "password", "api_key", "token", "session", "auth", "token_count",
    "$type", "$key:1", "…", "é", "\ud800", "a\udfffb", "key\n", "<K object at 0x7f21c0de>", "<K object at 0x7f21c0df>", "<K object at 0x...>",
    "[REDACTED]", "password=hunter2hunter2", "password=tr0ub4dor77", *SECRETS[:3], "", "#1", "_sa_instance_state", "_private",
)  # fmt: skip

INTEGERS = (
    0, 1, -1, 7, 10**12 - 1, 10**12, -(10**12), 10**12 + 7, 4111111111111111, 5500005555555559, 1700000000000, 10**18, 10**19, -(10**30),
    2**62, 2**63 - 1, 2**63, -(2**63), 2**64, 1 << 1023, 1 << 1024, -(1 << 1024), 10**400, 140234567890123, 378282246310005,
)  # fmt: skip

FLOATS = (
    0.0, -0.0, 1.0, 1.5, 0.1, 1e16, 1e15, 123456789012345680.0, 1e22, 1e-4, 1e-5, 5e-324, 1.7976931348623157e308, 2.5e-8, 1 / 3,
    float("nan"), float("inf"), -float("inf"), 100.0, -2.75,
)  # fmt: skip


# Parts of texts that hold secrets, or only look like it: put together they try what is searched for, and near misses.
PARTS = (
    *SHAPE_HINTS, *SECRET_NAMES[::7], *(secret.text for secret in corpus() if len(secret.text) < 300),
    "=", ": ", "=\"", "--", " -", "</", "('", "(b'", "%2", "%41", "\0", " at 0x", "0x7f21c0de", "/", "+", "_", " ", "  ", ".", ",", "\n", "'", '"',
    "1234", "123456", "5678", "41", "12-3456", "abcdef", "ABCDEF", "0123456789ab", "usr/local/lib", "Zm9v/YmFy+YmF6", "Lib/Python", "word", "asi", "okens", "hooks",
    "webhook", "earea", "basi", "ASI", "PRIVATE", "Shared", "ssword", "dentifie", "é", "€", "\ud800", "\u212a", "\u017f", "İ", "\uff17",
)  # fmt: skip


class Color(enum.Enum):
    RED = 1
    GREEN = "hunter2hunter2"


class Level(enum.IntEnum):
    LOW = 1


class Node:
    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)


class Outer:
    class Inner(Node):
        pass


class Slotted:
    __slots__ = ("a", "b", "password")


class SlottedToo(Slotted):
    __slots__ = ("__dict__", "__weakref__", "c")


class Shadowing(Slotted):
    a = property(lambda self: 1 / 0)
    password = 5


class HiddenDict(Node):
    __dict__ = property(lambda self: {"fake": 1})


class Hostile(Node):
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("this class was read")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("this class was compared")

    __hash__ = object.__hash__


@dataclasses.dataclass
class Item:
    name: Any
    price: Any
    qty: Any = 1


@dataclasses.dataclass(slots=True)
class Row:
    id: Any
    token: Any = None


class Text(str):
    pass


class Number(int):
    pass


class Real(float):
    pass


class Items(list[Any]):
    pass


class Table(dict[Any, Any]):
    pass


class Failure(Exception):
    pass


Point = collections.namedtuple("Point", "x password")


class Maker:
    """A maker of random values.

    Args:
        random: The source of all choices.
    """

    def __init__(self, random: random.Random) -> None:
        self._random = random
        self._made: list[Any] = []  # containers and objects that may come again, or inside themselves
        self._scalars: list[Callable[[], Any]] = [
            lambda: None,
            lambda: random.random() < 0.5,
            lambda: random.choice(INTEGERS),
            lambda: random.randint(-1000, 1000),
            lambda: random.randint(10**11, 10 ** random.randint(12, 20)),
            lambda: random.randint(13 * 10**8, 22 * 10**8) * 10 ** random.choice((3, 6, 9)) + random.randint(0, 999),
            lambda: random.choice(FLOATS),
            lambda: random.uniform(-1e6, 1e6),
            self.text,
            self.text,
            self.text,
        ]
        self._others: list[Callable[[int], Any]] = [
            lambda depth: self.text().encode("utf-8", "surrogatepass"),
            lambda depth: bytearray(self.text().encode("utf-8", "replace")),
            lambda depth: random.choice(list(Color)),
            lambda depth: Level.LOW,
            lambda depth: Text(self.text()),
            lambda depth: Number(random.choice(INTEGERS)),
            lambda depth: Real(random.choice(FLOATS)),
            lambda depth: decimal.Decimal(random.randint(0, 99)),
            lambda depth: fractions.Fraction(1, random.randint(1, 9)),
            lambda depth: datetime.date(2026, 11, random.randint(1, 30)),
            lambda depth: uuid.UUID(int=random.randint(0, 1 << 127)),
            lambda depth: pathlib.PurePosixPath("/tmp/" + random.choice(SECRETS[:3])),
            lambda depth: random.choice([len, Maker, Node, dataclasses, ..., object, range(5), slice(1, 2)]),
            lambda depth: object(),
            lambda depth: frozenset(random.sample(range(99), random.randint(0, 9))),
            lambda depth: collections.OrderedDict(self.pairs(depth)),
            lambda depth: collections.deque(self.items(depth)),
            lambda depth: types.MappingProxyType(dict(self.pairs(depth))),
            lambda depth: Table(self.pairs(depth)),
            lambda depth: Items(self.items(depth)),
            lambda depth: array.array("i", range(random.randint(0, 5))),
            lambda depth: Failure(*self.items(depth)[:3]),
            lambda depth: Point(self.value(depth + 1), self.value(depth + 1)),
            lambda depth: dict(self.pairs(depth)).values(),
        ]
        self._holders: list[Callable[[int], Any]] = [
            self.items,
            self.items,
            lambda depth: tuple(self.items(depth)),
            lambda depth: dict(self.pairs(depth)),
            lambda depth: dict(self.pairs(depth)),
            self.set,
            self.object,
            self.object,
            self.object,
            self.secret_sequence,
            self.again,
        ]

    def text(self) -> str:
        """Return a text, most often one of the pool."""
        kind = self._random.random()
        if kind < 0.6:
            return self._random.choice(TEXTS)
        if kind < 0.85:
            return "".join(self._random.choice(PARTS) for _ in range(self._random.randint(1, 7)))
        return "".join(
            self._random.choice('abcXYZ019 _-=:/%"\\\n\té€😀\ud800') for _ in range(self._random.randint(0, 30))
        )

    def key(self) -> Any:
        """Return a key of a dict."""
        kind = self._random.random()
        if kind < 0.8:
            return self._random.choice(KEYS)
        return self._random.choice(
            [1, 1.5, None, True, (1, "a"), ("h", "password"), b"token", b"x", Color.RED, Text("sub"), self.text()]
        )

    def value(self, depth: int = 0) -> Any:
        """Return a value with others inside it.

        Args:
            depth: The number of values around it.
        """
        kind = self._random.random()
        if depth > 5 or kind < 0.25 + 0.1 * depth:
            return self._random.choice(self._scalars)()
        if kind > 0.93:
            return self._random.choice(self._others)(depth)
        made = self._random.choice(self._holders)(depth)
        if len(self._made) < 50:
            self._made.append(made)
        return made

    def items(self, depth: int) -> list[Any]:
        size = self._random.choice((0, 1, 2, 2, 3, 5, 9)) if self._random.random() < 0.95 else 70
        if size == 70:
            return [self._random.choice(self._scalars)()] * size
        return [self.value(depth + 1) for _ in range(size)]

    def pairs(self, depth: int) -> list[tuple[Any, Any]]:
        return [(self.key(), self.value(depth + 1)) for _ in range(self._random.choice((0, 1, 2, 4, 7, 12)))]

    def set(self, depth: int) -> Any:
        kind = self._random.randint(0, 4)
        if kind == 0:
            return set(self._random.sample(range(-50, 50), self._random.randint(0, 60)))
        if kind == 1:
            return {self.text() for _ in range(self._random.randint(0, 8))}
        if kind == 2:
            return {self._random.choice(self._scalars)() for _ in range(self._random.randint(0, 8))}
        if kind == 3:
            return {Node(n=n) for n in range(self._random.randint(0, 6))}
        return {(self.text(), n) for n in range(self._random.randint(0, 6))}

    def object(self, depth: int) -> Any:
        kind = self._random.randint(0, 8)
        fields = {key: item for key, item in self.pairs(depth) if type(key) is str}
        if kind == 0:
            return Item(self.value(depth + 1), self.value(depth + 1))
        if kind == 1:
            return Row(self.value(depth + 1), self.text())
        if kind == 2:
            return Outer.Inner(**fields)
        if kind in (3, 4):
            made: Any = self._random.choice((Slotted, SlottedToo, Shadowing))()
            for name in ("a", "b", "password"):
                if self._random.random() < 0.6:
                    Slotted.__dict__[name].__set__(made, self.value(depth + 1))
            if type(made) is SlottedToo:
                vars(made).update(fields)
                vars(made)["a"] = 1  # the name of a slot too
            return made
        if kind == 5:
            return self._random.choice((Hostile, HiddenDict)).__new__(Hostile)
        if kind == 6:
            return types.SimpleNamespace(**fields)
        made = Node(**fields)
        if kind == 7:
            vars(made)[self._random.choice((1, "self"))] = made
        return made

    def secret_sequence(self, depth: int) -> Any:
        """Return a sequence in which a name makes the next item secret, or one that looks like it."""
        secret = self._random.choice(SECRETS)
        return self._random.choice(
            [
                ["--password", secret],
                ["run", "--token=" + secret, self.text()],
                ("password", secret),
                [("token", secret), ("name", self.text())],
                [["name", 1], ["x", self.value(depth + 1)]],
                ("user", secret),
                (b"password", secret.encode("utf-8", "surrogatepass")),
                {"password": secret, "note": f"it is {secret}"},
                {"note": f"it is {secret}", "credentials": {"user": "me", "pin": 1234567, "value": secret}},
                ["-x", 1, None],
                ["a", "b"],
                [("a", 1), ("b", 2)],
            ]
        )

    def again(self, depth: int) -> Any:
        """Return something made before, or a container that holds itself."""
        if self._made and self._random.random() < 0.7:
            return self._random.choice(self._made)
        circle: list[Any] = [1]
        circle.append(circle)
        return circle


def random_limits(random: random.Random) -> dict[str, Any]:
    """Return limits of an encoder."""
    return {
        "max_chars": random.choice((0, 10, 40, 100, 300, 2000, 2000, 20_000)),
        "max_items": random.choice((1, 3, 10, 50)),
        "max_depth": random.choice((1, 2, 4, 4, 7)),
    }
