"""Values as JSON text, taken without running a line of the user's code.

Nothing here calls ``repr``, ``str``, ``len``, ``==`` or ``hash`` on a value of a type that is not built in, and nothing
reads an attribute the ordinary way: a property, a ``__getattr__`` or a ``__class__`` of the user's would run
(peers do: a MagicMock counts the call, a lazy ORM object queries its database). Types are told apart
by identity, fields are read from ``__dict__`` and slots by the C descriptors.

What is written: JSON as it stands for None, bool, int, float, str, list and dict; ``{"$tuple": [...]}``,
``{"$set": [...]}``, ``{"$type": "Cart", field: ...}`` for the rest, ``"<function shop.total>"`` for what has no value
worth the room. A cut is marked with the true size: ``"abc…(+970 chars)"``, ``"…(+42 items)"``. No memory addresses:
two runs compare equal.
"""

from __future__ import annotations

import sys
from _weakref import ref
from itertools import islice
from types import BuiltinFunctionType, FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType, ModuleType

from ..classes import class_module, class_name, derives, is_heap_type, mro, namespace
from ..record_format import REDACTED
from .secret_redactor import Redactor

try:
    from _json import encode_basestring as _quote
except ImportError:  # no C accelerator
    from json.encoder import py_encode_basestring as _quote  # type: ignore[no-redef, unused-ignore]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

# Integers with more digits than this are written by their size: turning them into text is quadratic, and
# Python itself refuses beyond 4,300 digits.
_MAX_INT_BITS = 1024

# Only this much beyond the limit is looked through for secrets: one that straddles the cut is found, a
# text of a gigabyte is not read.
_REDACTION_MARGIN_CHARS = 4096

# Texts that are not values of the program: a stack of forty frames, a command line.
_MAX_TEXT_CHARS = 20_000

# Texts of up to this many characters are remembered with their redacted, quoted form.
_MEMO_MAX_CHARS = 200
_MEMO_SIZE = 4096

_MAX_KNOWN_TYPES = 5000
_MIN_CARD = 10**12

# Instance internals, read without asking the class.
_module_dict: Callable[[Any], Any] = vars(ModuleType)["__dict__"].__get__
_exception_args: Callable[[BaseException], Any] = BaseException.__dict__["args"].__get__
_function_qualname: Callable[[Any], Any] = FunctionType.__dict__["__qualname__"].__get__
_function_globals: Callable[[Any], Any] = FunctionType.__dict__["__globals__"].__get__
_method_function: Callable[[Any], Any] = MethodType.__dict__["__func__"].__get__

# Types of the standard library whose own text says it all, by module and name: exact types only.
_TEXT_TYPES = {
    ("decimal", "Decimal"), ("fractions", "Fraction"), ("uuid", "UUID"),
    ("datetime", "date"), ("datetime", "timedelta"),
    ("datetime", "timezone"), ("zoneinfo", "ZoneInfo"), ("pathlib", "PosixPath"), ("pathlib", "WindowsPath"),
    ("pathlib", "PurePosixPath"), ("pathlib", "PureWindowsPath"), ("pathlib._local", "PosixPath"),
    ("pathlib._local", "PurePosixPath"), ("ipaddress", "IPv4Address"), ("ipaddress", "IPv6Address"),
}  # fmt: skip

# Arrays and frames: exact types whose shape and dtype are read from C; their content is never touched.
_ARRAY_MODULES = ("numpy", "pandas", "torch", "jaxlib", "cupy", "xarray", "polars", "pyarrow", "scipy", "tensorflow")


# Built-in classes whose subclasses are written by the built-in's own methods.
_FAMILIES = (type, BaseException, str, int, float, dict, list, tuple, set, frozenset)

# Types whose fields say nothing about the program: files, locks, sockets.
_OPAQUE_MODULES = {
    "_io",
    "io",
    "_thread",
    "threading",
    "_socket",
    "socket",
    "_ssl",
    "ssl",
    "_queue",
    "queue",
    "_asyncio",
}


class _TypePlan:
    """How the fields of one class's instances are read. Found out once per class.

    It does not keep the class alive: programs make classes without end, and look whether they die. (Descriptors know
    their class, so they are not kept either, only where in the class's MRO they stand.)
    """

    __slots__ = ("dict_at", "family", "is_heap_type", "module", "name", "ref", "slots", "text")

    def __init__(self, cls: type) -> None:
        self.ref = ref(cls)
        self.name = class_name(cls)
        self.module = class_module(cls)
        self.is_heap_type = is_heap_type(cls)
        bases = mro(cls)
        self.family = _family(bases)
        self.dict_at = -1
        self.slots: List[Tuple[str, int]] = []
        self.text = (self.module, self.name) in _TEXT_TYPES
        dict_seen = False
        for position, base in enumerate(bases):
            for name, member in list(namespace(base).items()):
                kind = type(member)
                if name == "__dict__":
                    if not dict_seen and kind is GetSetDescriptorType:
                        self.dict_at = position
                    dict_seen = True  # a class may put a property of its own in front
                elif kind is MemberDescriptorType and is_heap_type(base) and type(name) is str:
                    self.slots.append((name, position))

    def has_fields(self) -> bool:
        """Whether instances can have fields at all."""
        return self.is_heap_type and (self.dict_at >= 0 or bool(self.slots))

    def fields_of(self, value: Any) -> Any:
        """The ``__dict__`` of an instance, or None."""
        if self.dict_at < 0:
            return None
        return namespace(mro(type(value))[self.dict_at])["__dict__"].__get__(value)


class Encoder:
    """Turns values into JSON text within limits, secrets taken out.

    max_chars: per value; max_items: per container; max_depth: levels of containers and objects.
    """

    def __init__(self, redactor: Redactor, max_chars: int = 2000, max_items: int = 50, max_depth: int = 4) -> None:
        self._redactor = redactor
        self._max_chars = max_chars
        self._max_items = max_items
        self._max_depth = max_depth
        self._memo: Dict[str, bytes] = {}  # what encode made of short texts
        self._quoted: Dict[str, str] = {}  # the same as text, for those inside of something
        self._generation = redactor.generation
        self._plans: Dict[int, _TypePlan] = {}

    def encode(self, value: Any) -> bytes:
        """The JSON text of a value, as UTF-8. Raises nothing but what a signal handler raises."""
        kind = type(value)
        if kind is int:
            if -_MIN_CARD < value < _MIN_CARD:
                return b"%d" % value
        elif kind is str:
            if self._generation == self._redactor.generation:
                known = self._memo.get(value)
                if known is not None:
                    return known
            return self._encode_str(value)
        elif value is None:
            return b"null"
        elif kind is bool:
            return b"true" if value else b"false"
        return _utf8(_Walk(self).text(value))

    def is_secret_name(self, name: str) -> bool:
        """Whether what stands under *name* is redacted."""
        return self._redactor.is_secret_name(name)

    def encode_fields_hidden(self, value: Any) -> bytes:
        """A half-built object (``self`` in ``__init__``) by its type alone."""
        return _utf8('{"$type": %s}' % _quote(self.plan(type(value)).name))

    def encode_named(self, name: str, value: Any) -> bytes:
        """A value that stands under *name*: the mark instead, if the name is secret."""
        if self._redactor.is_secret_name(name):
            hidden = self.hide(value, name)
            if hidden is not None:
                return _utf8(hidden)
        return self.encode(value)

    def encode_fields(self, fields: Iterable[Tuple[str, Any]]) -> bytes:
        """A JSON object of named values, each within the limits of a value."""
        pieces = [_utf8(_quote(name)) + b": " + self.encode_named(name, value) for name, value in fields]
        return b"{" + b", ".join(pieces) + b"}"

    def encode_text(self, text: str) -> bytes:
        """A text that is not a value (a name, a stack), redacted, as JSON."""
        return _utf8(self.quoted(text, _MAX_TEXT_CHARS))

    def _encode_str(self, value: str) -> bytes:
        encoded = _utf8(self.quoted(value, self._max_chars))
        if len(value) <= _MEMO_MAX_CHARS:
            self._memo[value] = encoded
        return encoded

    def quoted(self, value: str, limit: int) -> str:
        """A text as JSON: redacted first, then cut to *limit* characters, the cut marked."""
        size = len(value)
        if size <= _MEMO_MAX_CHARS and size <= limit:
            if self._generation != self._redactor.generation or len(self._quoted) >= _MEMO_SIZE:
                self._generation = self._redactor.generation
                self._memo.clear()
                self._quoted.clear()
            known = self._quoted.get(value)
            if known is None:
                known = self._quoted[value] = _quote(self._redactor.redact_text(value))
            return known
        if size > limit:
            text = self._redactor.redact_text(value[: limit + _REDACTION_MARGIN_CHARS])
            if len(text) > limit or size > limit + _REDACTION_MARGIN_CHARS:
                text = "%s…(+%d chars)" % (text[:limit], size - limit)
        else:
            text = self._redactor.redact_text(value)
        return _quote(text)

    def hide(self, value: Any, name: str, depth: int = 0) -> Optional[str]:
        """What is written for a value under a secret name; None where there is nothing to hide.

        That a password is None, False or empty is no secret, and often the bug.
        """
        kind = type(value)
        if value is None or kind is bool:
            return None
        if kind is str or derives(kind, str):  # SecretStr and the like derive from it
            text = str.__str__(value)
            if not text:
                return None
            self._redactor.learn(text, name)
        elif kind is bytes or kind is bytearray:
            self._redactor.learn(bytes(value[:_REDACTION_MARGIN_CHARS]).decode("utf-8", "replace"), name)
        elif self._redactor.is_weak_name(name) and kind is not int:
            return None  # a session object is looked into as any other
        elif depth < self._max_depth and (kind is list or kind is tuple or kind is set or kind is frozenset):
            for item in islice(list(value), self._max_items):
                self.hide(item, name, depth + 1)
        elif depth < self._max_depth and kind is dict:
            for item in islice(list(value.values()), self._max_items):
                self.hide(item, name, depth + 1)
        return '"%s"' % REDACTED

    def plan(self, cls: type) -> _TypePlan:
        """How values of this class are read."""
        plan = self._plans.get(id(cls))
        if plan is None or plan.ref() is not cls:
            if len(self._plans) >= _MAX_KNOWN_TYPES:
                self._plans.clear()
            plan = self._plans[id(cls)] = _TypePlan(cls)
        return plan


def _utf8(text: str) -> bytes:
    # A lone surrogate becomes \udc80: inside a JSON string that is its escape.
    return text.encode("utf-8", "backslashreplace")


class _Walk:
    """One value on its way into text: what room is left, and what it is inside of."""

    __slots__ = ("_encoder", "_inside", "_max_depth", "_max_items", "_room")

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._room = encoder._max_chars
        self._max_items = encoder._max_items
        self._max_depth = encoder._max_depth
        self._inside: List[int] = []

    def text(self, value: Any) -> str:
        try:
            text = self._any(value)
        except (RuntimeError, TypeError, ValueError, AttributeError, UnicodeError, OverflowError) as error:
            # Changed by another thread meanwhile, or built by a C extension in a way unknown here.
            return _quote("<%s: not readable (%s)>" % (class_name(type(value)), class_name(type(error))))
        return text

    def _any(self, value: Any) -> str:
        kind = type(value)
        if kind is str:
            text = self._encoder.quoted(value, max(self._room, 0))
        elif value is None:
            text = "null"
        elif kind is bool:
            text = "true" if value else "false"
        elif kind is int:
            text = self._int(value)
        elif kind is float:
            text = _float(value)
        elif kind is dict:
            return self._mapping("{", value, None)
        elif kind is list:
            return self._sequence("[", value, list.__len__(value), "]")
        elif kind is tuple:
            return self._sequence('{"$tuple": [', value, tuple.__len__(value), "]}")
        else:
            return self._other(value, kind)
        self._room -= len(text)
        return text

    def _int(self, value: int) -> str:
        if value.bit_length() > _MAX_INT_BITS:
            return '"<int of %d bits>"' % value.bit_length()
        if value >= _MIN_CARD and self._encoder._redactor.is_secret_number(value):
            return '"%s"' % REDACTED
        return int.__repr__(value)

    def _leaf(self, text: str) -> str:
        """A description of ours; its parts may hold names from the program, so it is redacted as any text."""
        text = self._encoder.quoted(text, max(self._room, 60))
        self._room -= len(text)
        return text

    def _enter(self, value: Any) -> Optional[str]:
        """What stands for a container that is not gone into; None to go in."""
        if len(self._inside) >= self._max_depth or self._room <= 0:
            return "<%s>" % class_name(type(value))
        if id(value) in self._inside:
            return "<cycle: %s>" % class_name(type(value))
        self._inside.append(id(value))
        return None

    def _sequence(self, opening: str, items: Iterable[Any], size: int, closing: str) -> str:
        stands_for = self._enter(items)
        if stands_for is not None:
            return self._leaf("%s of %d>" % (stands_for[:-1], size))
        pieces: List[str] = []
        for item in islice(items, self._max_items):
            if self._room <= 0:
                break
            pieces.append(self._any(item))
            self._room -= 2
        if len(pieces) < size:
            pieces.append('"…(+%d items)"' % (size - len(pieces)))
        self._inside.pop()
        return opening + ", ".join(pieces) + closing

    def _mapping(self, opening: str, mapping: Dict[Any, Any], type_name: Optional[str]) -> str:
        size = dict.__len__(mapping)
        stands_for = self._enter(mapping)
        if stands_for is not None:
            return self._leaf("%s of %d>" % (stands_for[:-1], size))
        pieces: List[str] = []
        if type_name is not None:
            pieces.append('"$type": ' + _quote(type_name))
        count = 0
        for key, item in list(islice(dict.items(mapping), self._max_items)):
            if self._room <= 0:
                break
            count += 1
            pieces.append(self._field(key, item))
        if count < size:
            pieces.append('"…": "+%d items"' % (size - count))
        self._inside.pop()
        return opening + ", ".join(pieces) + "}"

    def _field(self, key: Any, item: Any) -> str:
        name = ""
        if type(key) is str:
            name = key
            quoted = self._encoder.quoted(key, 200)
        elif type(key) is bytes:
            name = key[:200].decode("utf-8", "replace")
            quoted = self._encoder.quoted("b'%s'" % name, 200)
        else:
            text = self._any(key)
            quoted = text if text.startswith('"') else _quote(text)
        self._room -= len(quoted) + 4
        if name and self._encoder.is_secret_name(name):
            hidden = self._encoder.hide(item, name)
            if hidden is not None:
                self._room -= len(hidden)
                return quoted + ": " + hidden
        return quoted + ": " + self._any(item)

    def _other(self, value: Any, kind: type) -> str:
        if kind is set or kind is frozenset:
            # In the order of their texts: two runs with other hashes compare equal.
            size = len(value)
            name = '{"$set": [' if kind is set else '{"$frozenset": ['
            items = _sorted_if_plain(value) if size <= self._max_items else value
            return self._sequence(name, items, size, "]}")
        if kind is bytes or kind is bytearray:
            return self._bytes(bytes(value[: self._max_chars_and_margin()]), len(value), kind)
        if kind is FunctionType:
            return self._leaf("<function %s>" % _function_name(value))
        if kind is MethodType:
            function = _method_function(value)
            if type(function) is FunctionType:
                return self._leaf("<method %s>" % _function_name(function))
            return self._leaf("<method>")
        if kind is BuiltinFunctionType:
            return self._leaf("<built-in %s>" % value.__qualname__)
        if kind is ModuleType:
            name = _module_dict(value).get("__name__")
            return self._leaf("<module %s>" % (name if type(name) is str else "?"))
        if kind is complex or kind is range or kind is slice:
            return self._leaf(str(value)) if kind is not slice else self._leaf("<slice>")
        return self._instance(value, kind, self._encoder.plan(kind))

    def _instance(self, value: Any, kind: Any, plan: _TypePlan) -> str:
        """A value of a class that is not one of the built-in ones."""
        family = plan.family
        if family is type:
            return self._leaf("<class %s.%s>" % (class_module(value), class_name(value)))
        if plan.text:
            return self._leaf(kind.__str__(value))
        if plan.module == "datetime" and plan.name in ("datetime", "time"):
            return self._leaf(_isoformat(value, kind))
        if family is BaseException:
            return self._exception(value, plan)
        if plan.module in _OPAQUE_MODULES:
            return self._leaf("<%s>" % _with_module(plan))
        if plan.module.partition(".")[0] in _ARRAY_MODULES:
            return self._leaf(_array(value, plan))
        if _is_enum(kind):
            return self._enum(value, plan)
        if family is str:
            return self._typed(plan, "value", self._encoder.quoted(str.__str__(value), max(self._room, 0)))
        if family is int:
            return self._typed(plan, "value", self._int(int.__int__(value)))
        if family is float:
            return self._typed(plan, "value", _float(float.__float__(value)))
        if family is dict:
            return self._mapping("{", value, plan.name)
        if family is tuple:
            return self._tuple(value, plan)
        if family is list or family is set or family is frozenset:
            return self._items(family, value, plan)
        if (plan.module, plan.name) == ("collections", "deque"):
            return self._items(kind, value, plan)
        return self._object(value, plan)

    def _max_chars_and_margin(self) -> int:
        return max(self._room, 0) + _REDACTION_MARGIN_CHARS

    def _bytes(self, head: bytes, size: int, kind: type) -> str:
        # As text where it is text, so that secrets in it are found; \xNN for what is not.
        text = head.decode("utf-8", "backslashreplace")
        quoted = self._encoder.quoted(text, max(self._room, 0))
        self._room -= len(quoted)
        rest = size - len(head)
        return '{"$%s": %s%s}' % (kind.__name__, quoted, ', "size": %d' % size if rest > 0 else "")

    def _typed(self, plan: _TypePlan, field: str, text: str) -> str:
        self._room -= len(text)
        return '{"$type": %s, "%s": %s}' % (_quote(plan.name), field, text)

    def _exception(self, value: BaseException, plan: _TypePlan) -> str:
        args = _exception_args(value)
        if type(args) is not tuple:
            return self._leaf("<%s>" % plan.name)
        return self._sequence('{"$type": %s, "args": [' % _quote(plan.name), args, len(args), "]}")

    def _enum(self, value: Any, plan: _TypePlan) -> str:
        name = (plan.fields_of(value) or {}).get("_name_")
        return self._leaf("<%s.%s>" % (plan.name, name if type(name) is str else "?"))

    def _tuple(self, value: Tuple[Any, ...], plan: _TypePlan) -> str:
        names = None
        for base in mro(type(value)):
            names = namespace(base).get("_fields")
            if names is not None:
                break
        size = tuple.__len__(value)
        if type(names) is tuple and len(names) == size and all(type(n) is str for n in names):
            fields = dict(zip(names, tuple.__iter__(value)))
            return self._mapping("{", fields, plan.name)
        return self._items(tuple, value, plan)

    def _items(self, base: Any, value: Any, plan: _TypePlan) -> str:
        """An instance of a subclass of a built-in sequence or set, read by the built-in's own methods."""
        opening = '{"$type": %s, "items": [' % _quote(plan.name)
        return self._sequence(opening, _CItems(base, value), base.__len__(value), "]}")

    def _object(self, value: Any, plan: _TypePlan) -> str:
        fields: Dict[Any, Any] = {}
        bases = mro(type(value))
        for name, position in plan.slots:
            try:
                fields.setdefault(name, namespace(bases[position])[name].__get__(value))
            except AttributeError:  # not set (yet)
                pass
        own = plan.fields_of(value)
        if type(own) is dict:
            for name, item in list(islice(own.items(), self._max_items + 1)):
                if type(name) is str:  # another key's hash may be the user's
                    fields[name] = item
        if not fields:
            if plan.has_fields():
                return self._leaf_object(plan)
            return self._leaf("<%s>" % _with_module(plan))
        if "_mock_children" in fields:  # unittest.mock: thousands of fields, none of them the user's
            return self._leaf("<%s>" % plan.name)
        stands_for = self._enter(value)
        if stands_for is not None:
            return self._leaf(stands_for)
        # The mapping is ours and new: only the object itself counts for cycles and depth.
        depth = self._max_depth
        self._max_depth = depth + 1
        text = self._mapping("{", fields, plan.name)
        self._max_depth = depth
        self._inside.pop()
        return text

    def _leaf_object(self, plan: _TypePlan) -> str:
        text = '{"$type": %s}' % _quote(plan.name)
        self._room -= len(text)
        return text


class _CItems:
    """Iterates an instance of a subclass by the built-in's own iterator; stands for it in cycle checks."""

    __slots__ = ("_base", "_value")

    def __init__(self, base: Any, value: Any) -> None:
        self._base = base
        self._value = value

    def __iter__(self) -> Any:
        return self._base.__iter__(self._value)


def _sorted_if_plain(items: Any) -> List[Any]:
    listed = list(items)
    kinds = {type(item) for item in listed}
    return sorted(listed) if kinds == {str} or kinds == {int} else listed


def _float(value: float) -> str:
    if value != value:
        return '"NaN"'
    if value in (float("inf"), float("-inf")):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    return float.__repr__(value)


def _function_name(function: Any) -> str:
    module = _function_globals(function).get("__name__")
    name = _function_qualname(function)
    return "%s.%s" % (module, name) if type(module) is str else str(name)


def _with_module(plan: _TypePlan) -> str:
    return plan.name if plan.module in ("", "builtins") else "%s.%s" % (plan.module, plan.name)


def _is_enum(kind: type) -> bool:
    enum = sys.modules.get("enum")
    return enum is not None and derives(kind, getattr(enum, "Enum", None))


def _family(bases: Tuple[type, ...]) -> Any:
    """The built-in class among the bases whose instances are written in a way of their own; None for plain objects."""
    for base in bases:
        for family in _FAMILIES:
            if base is family:
                return family
    return None


def _isoformat(value: Any, kind: Any) -> str:
    zone = value.tzinfo
    if zone is not None and (class_module(type(zone)), class_name(type(zone))) not in _TEXT_TYPES:
        value = value.replace(tzinfo=None)  # a time zone of the user's would be asked for its offset
    text = kind.isoformat(value)
    return text if type(text) is str else "<datetime>"


def _array(value: Any, plan: _TypePlan) -> str:
    """An array by type, shape and dtype, read by the C descriptors of its own class only."""
    parts = []
    for name in ("shape", "dtype"):
        for base in mro(type(value)):
            member = namespace(base).get(name)
            if member is not None:
                if type(member) is GetSetDescriptorType:
                    found = member.__get__(value)
                    if type(found) is tuple or name == "dtype":
                        parts.append("%s=%s" % (name, found))
                break
    return "<%s>" % " ".join([_with_module(plan), *parts])
