"""One value on its way into JSON text: goes down into it within the limits, and never asks it anything."""

from __future__ import annotations

from itertools import islice
from types import BuiltinFunctionType, FunctionType, GetSetDescriptorType, MethodType, ModuleType

from ..classes import class_module, class_name, mro, namespace
from ..interruptions import is_of_the_program
from ..record_format import REDACTED
from .json_text import quote
from .type_plan import ARRAY_MODULES, OPAQUE_MODULES, TEXT_TYPES, TypePlan, is_enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

    from .values import Encoder

# Integers with more digits than this are written by their size: turning them into text is quadratic, and
# Python itself refuses beyond 4,300 digits.
_MAX_INT_BITS = 1024

# Only this much beyond the limit is looked through for secrets: one that straddles the cut is found, a
# text of a gigabyte is not read.
REDACTION_MARGIN_CHARS = 4096

# The smallest number of 13 digits: payment cards begin there.
MIN_CARD = 10**12

# Instance internals, read without asking the class.
_module_dict: Callable[[Any], Any] = vars(ModuleType)["__dict__"].__get__
_exception_args: Callable[[BaseException], Any] = BaseException.__dict__["args"].__get__
_function_qualname: Callable[[Any], Any] = FunctionType.__dict__["__qualname__"].__get__
_function_globals: Callable[[Any], Any] = FunctionType.__dict__["__globals__"].__get__
_method_function: Callable[[Any], Any] = MethodType.__dict__["__func__"].__get__


class Walk:
    """One value on its way into text: what room is left, and what it is inside of."""

    __slots__ = ("_encoder", "_inside", "_max_depth", "_max_items", "_room")

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._room = encoder.max_chars
        self._max_items = encoder.max_items
        self._max_depth = encoder.max_depth
        self._inside: List[int] = []

    def text(self, value: Any) -> str:
        """Its JSON text; a description in its place where it cannot be read."""
        try:
            text = self._any(value)
        except RecursionError:  # the walk is bounded: it is the program that is near the limit, and so it is told there
            raise
        except (RuntimeError, TypeError, ValueError, AttributeError, UnicodeError, OverflowError) as error:
            if is_of_the_program(error):
                raise
            # Changed by another thread meanwhile, or built by a C extension in a way unknown here.
            return quote("<%s: not readable (%s)>" % (class_name(type(value)), class_name(type(error))))
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
        if self._encoder.is_secret_number(value):
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
            pieces.append('"$type": ' + quote(type_name))
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
            quoted = text if text.startswith('"') else quote(text)
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

    def _instance(self, value: Any, kind: Any, plan: TypePlan) -> str:
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
        if plan.module in OPAQUE_MODULES:
            return self._leaf("<%s>" % plan.full_name())
        if plan.module.partition(".")[0] in ARRAY_MODULES:
            return self._leaf(_array(value, plan))
        if is_enum(kind):
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
        return max(self._room, 0) + REDACTION_MARGIN_CHARS

    def _bytes(self, head: bytes, size: int, kind: type) -> str:
        # As text where it is text, so that secrets in it are found; \xNN for what is not.
        text = head.decode("utf-8", "backslashreplace")
        quoted = self._encoder.quoted(text, max(self._room, 0))
        self._room -= len(quoted)
        rest = size - len(head)
        return '{"$%s": %s%s}' % (kind.__name__, quoted, ', "size": %d' % size if rest > 0 else "")

    def _typed(self, plan: TypePlan, field: str, text: str) -> str:
        self._room -= len(text)
        return '{"$type": %s, "%s": %s}' % (quote(plan.name), field, text)

    def _exception(self, value: BaseException, plan: TypePlan) -> str:
        args = _exception_args(value)
        if type(args) is not tuple:
            return self._leaf("<%s>" % plan.name)
        return self._sequence('{"$type": %s, "args": [' % quote(plan.name), args, len(args), "]}")

    def _enum(self, value: Any, plan: TypePlan) -> str:
        name = (plan.fields_of(value) or {}).get("_name_")
        return self._leaf("<%s.%s>" % (plan.name, name if type(name) is str else "?"))

    def _tuple(self, value: Tuple[Any, ...], plan: TypePlan) -> str:
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

    def _items(self, base: Any, value: Any, plan: TypePlan) -> str:
        """An instance of a subclass of a built-in sequence or set, read by the built-in's own methods."""
        opening = '{"$type": %s, "items": [' % quote(plan.name)
        return self._sequence(opening, _CItems(base, value), base.__len__(value), "]}")

    def _object(self, value: Any, plan: TypePlan) -> str:
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
            return self._leaf("<%s>" % plan.full_name())
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

    def _leaf_object(self, plan: TypePlan) -> str:
        text = '{"$type": %s}' % quote(plan.name)
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


def _isoformat(value: Any, kind: Any) -> str:
    zone = value.tzinfo
    if zone is not None and (class_module(type(zone)), class_name(type(zone))) not in TEXT_TYPES:
        value = value.replace(tzinfo=None)  # a time zone of the user's would be asked for its offset
    text = kind.isoformat(value)
    return text if type(text) is str else "<datetime>"


def _array(value: Any, plan: TypePlan) -> str:
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
    return "<%s>" % " ".join([plan.full_name(), *parts])
