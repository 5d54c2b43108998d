"""Values whose every method tells that it was run, and then does harm. Made and used freely while ``armed`` is False.

Not one of them sleeps for ever: that it was run at all is what counts.
"""

import abc
import array
import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import pathlib
import re
import types
import unittest.mock
import uuid
import weakref

armed = False
ran = []
deleted = []

METHODS = """
    repr str len bool iter next eq ne lt le gt ge hash getattr getattribute contains getitem missing format bytes int float
    index complex trunc round abs dir sizeof reduce reduce_ex getstate copy deepcopy reversed length_hint fspath call enter
    get add invert
""".split()  # noqa: SIM905  (a list of this length reads better so)


def told(name):
    """Called by whatever belongs to the program."""
    if not armed:
        return False
    ran.append(name)
    harm = len(ran) % 4
    if harm == 0:
        print("user code ran:", name)
    elif harm == 1:
        raise SystemExit(name)
    elif harm == 2:
        raise RuntimeError(name)
    return True


def method(base, name):
    ordinary = getattr(base, name, None)

    def run(self, *args, **kwargs):
        if told(f"{base.__name__}.{name}"):
            with contextlib.suppress(Exception):
                base.clear(self)
            return NotImplemented
        if name == "__hash__":
            return object.__hash__(self) if ordinary is None else ordinary(self)
        if name == "__bool__":
            return True
        if name == "__getattr__":
            raise AttributeError(*args)
        return ordinary(self, *args, **kwargs)

    return run


def hostile(base, *names, **namespace):
    """A class that derives from base, with these methods of its own, or all of METHODS."""
    names = [f"__{name}__" for name in names or METHODS]
    own = {name: method(base, name) for name in names if hasattr(base, name) or name in ("__bool__", "__getattr__")}
    own["__class__"] = property(lambda self: (told("__class__") and None) or base)
    own["lazy"] = property(lambda self: told("property"))
    own["__del__"] = lambda self: deleted.append(base.__name__)
    own.update(namespace)
    if base in WITHOUT_DEL:
        del own["__del__"]
    return type("Hostile" + base.__name__.title().replace("_", ""), (base,), own)


WITHOUT_DEL = (enum.Enum,)


class Descriptor:
    """Of data, in front of the instance's own dict."""

    def __get__(self, instance, owner=None):
        return told("descriptor")

    def __set__(self, instance, value):
        told("descriptor")


class Meta(abc.ABCMeta):
    for _name in METHODS:
        if hasattr(type, f"__{_name}__"):
            locals()[f"__{_name}__"] = method(type, f"__{_name}__")
    __instancecheck__ = method(abc.ABCMeta, "__instancecheck__")
    __subclasscheck__ = method(abc.ABCMeta, "__subclasscheck__")
    __name__ = property(lambda cls: (told("meta name") and None) or "M")
    __module__ = property(lambda cls: (told("meta module") and None) or "m")
    __mro__ = property(lambda cls: (told("meta mro") and None) or ())
    __dict__ = property(lambda cls: (told("meta dict") and None) or {})
    del _name


Object = hostile(object, field=Descriptor())
List, Tuple, Dict, Set, FrozenSet = (hostile(base) for base in (list, tuple, dict, set, frozenset))
Str, Int, Float, Complex, Bytes = (hostile(base) for base in (str, int, float, complex, bytes))
ByteArray, Deque, Ordered, Default = map(
    hostile, (bytearray, collections.deque, collections.OrderedDict, collections.defaultdict)
)
Counter, Chain, UserDict, UserList = map(
    hostile, (collections.Counter, collections.ChainMap, collections.UserDict, collections.UserList)
)
Decimal, Fraction, Date, DateTime = map(
    hostile, (decimal.Decimal, fractions.Fraction, datetime.date, datetime.datetime)
)
Time, Delta, Path, Uuid = map(hostile, (datetime.time, datetime.timedelta, type(pathlib.PurePath()), uuid.UUID))
Module, Array, Error, Failure = map(hostile, (types.ModuleType, array.array, ValueError, OSError))
Partial, Namespace = map(hostile, (functools.partial, types.SimpleNamespace))
Zone = hostile(
    datetime.tzinfo, "repr", "str", "eq", "hash", "getattribute", utcoffset=lambda *_: told("utcoffset") or None
)
Made = Meta("Made", (), {})
Slotted = hostile(object, __slots__=("a", "b", "__weakref__"))
NoDict = hostile(object, __slots__=("x",), __dict__=property(lambda self: (told("__dict__") and None) or {}))
OwnDict = hostile(object, __dict__=property(lambda self: (told("__dict__") and None) or {}))
Pair = hostile(collections.namedtuple("Pair", "left right"))
Data = hostile(dataclasses.make_dataclass("Data", [("x", object), ("y", object, 2)], eq=False, repr=False))
Mapping = hostile(collections.abc.Mapping, "repr", "str", "eq", "getattribute",
                  __getitem__=lambda self, key: told("getitem"), __iter__=lambda self: iter((told("iter") and ()) or ()),
                  __len__=lambda self: int(told("len")))  # fmt: skip


class Color(enum.Enum):
    RED = 1
    BLUE = (2, [3])
    __repr__ = __str__ = lambda self: (told("enum") and None) or ""

    def __hash__(self):
        return 0 if told("enum hash") else 1

    def __eq__(self, other):
        return told("enum eq") or self is other


class Flag(enum.IntFlag):
    A = 1
    B = 2
    __repr__ = __str__ = lambda self: (told("flag") and None) or ""


class HalfBuilt:
    """Seen before its base has made its fields."""

    __slots__ = ("__dict__", "never")
    __getattr__ = method(object, "__getattr__")


def slotted(a, b):
    made = Slotted()
    made.a = a
    if b is not None:
        made.b = b
    return made


def fields(cls, **values):
    made = cls.__new__(cls)
    object.__getattribute__(made, "__dict__").update(values) if cls is not OwnDict else None
    return made


def knot(kind, value):
    """Something that holds itself, beside value."""
    if kind == "list":
        made = [value]
        made.append(made)
    elif kind == "tuple":
        made = ([], value)
        made[0].append(made)
    elif kind == "dict":
        made = {"value": value}
        made["self"] = [made]
    elif kind == "set":
        node = fields(Object, value=value)
        made = {node}
        object.__setattr__(node, "around", made)
    elif kind == "deque":
        made = collections.deque([value])
        made.append(made)
    elif kind == "frozen":
        node = fields(Object)
        made = frozenset([node, 1])
        object.__setattr__(node, "around", (made, value))
    elif kind == "exception":
        made = Error(value)
        made.__cause__ = made.own = made
    else:
        made = fields(Object, value=value)
        object.__setattr__(made, "field_of_its_own", made)
    return made


def shared(value):
    return [value, {"again": value}, (value, [value])]


def deep(kind, levels):
    made = kind()
    for _ in range(levels):
        made = [made] if kind is list else {"deeper": made} if kind is dict else (made,)
    return made


def graph(size, kind):
    nodes = [fields(Object, number=number) for number in range(size)]
    for node in nodes:
        object.__setattr__(node, "near", kind(nodes))
    return nodes


def generator(value):
    yield value


def mutate(value):
    """What a program may do with its values later."""
    if type(value) in (list, dict, set, bytearray, collections.deque):
        inner = list(value.values()) if type(value) is dict else list(value)
        value.clear()
        for item in inner:
            mutate(item)


def wrapped(kind, value):
    """Values of the interpreter's and the library's own classes, with one of the program's in them."""
    make = {
        "weakref": lambda: weakref.ref(Object),
        "proxy": lambda: weakref.proxy(KEPT),
        "mappingproxy": lambda: types.MappingProxyType({"value": value}),
        "mappingproxy of the program's": lambda: types.MappingProxyType(Mapping()),
        "mappingproxy of a subclass": lambda: types.MappingProxyType(Dict(x=value)),
        "alias": lambda: getattr(types, "GenericAlias", lambda *_: None)(list, (value,)),
        "memoryview": lambda: memoryview(ByteArray(b"bytes")),
        "partial": lambda: functools.partial(KEPT.__init__, value),
        "method": lambda: types.MethodType(Int(5), value),
        "module": lambda: Module("made"),
        "property": lambda: property(lambda self: told("property")),
        "range": lambda: range(Int(1), Int(9)),
        "slice": lambda: slice(value, KEPT),
        "generator": lambda: generator(value),
        "iterator": lambda: iter(List([value])),
        "map": lambda: map(told, [value]),
        "keys": lambda: Dict(x=value).keys(),
        "items": lambda: {1: value}.items(),
        "match": lambda: re.match("h", Str("hostile")),
        "mock": lambda: unittest.mock.MagicMock(side_effect=told),
        "super": lambda: super(List, List([value])),
        "class": lambda: Made,
        "made": lambda: Made(),
        "enum": lambda: [Color.RED, Color.BLUE, Flag.A | Flag.B, {Color.RED: value}],
        "half built": lambda: HalfBuilt(),
        "zone": lambda: [DateTime(2025, 1, 2, tzinfo=Zone()), datetime.time(1, tzinfo=Zone())],
        "lambda": lambda: lambda: value,
        "path": lambda: [Path("/a/b"), {Path("c"): value}],
        "cell": lambda: (lambda: value).__closure__[0],
        "group": lambda: Failure(2, value, KEPT),
        "cached": lambda: functools.lru_cache()(lambda: value),
    }[kind]
    return make()


KINDS = (
    "weakref", "proxy", "mappingproxy", "mappingproxy of the program's", "mappingproxy of a subclass", "alias", "memoryview",
    "partial", "method", "module", "property", "range", "slice", "generator", "iterator", "map", "keys", "items", "match",
    "mock", "super", "class", "made", "enum", "half built", "zone", "lambda", "path", "cell", "group", "cached",
)  # fmt: skip
KEPT = Object()
