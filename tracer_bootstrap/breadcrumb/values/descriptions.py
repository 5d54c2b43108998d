"""Describe functions, classes, modules, dates and values without content in a short text."""

from __future__ import annotations

from types import FunctionType, MethodDescriptorType, MethodType, ModuleType

from ..runtime.classes import class_module, class_name, derives, imported_class, mro, namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_module_dict: Callable[[Any], Any] = vars(ModuleType)["__dict__"].__get__
_function_qualname: Callable[[Any], Any] = FunctionType.__dict__["__qualname__"].__get__
_function_globals: Callable[[Any], Any] = FunctionType.__dict__["__globals__"].__get__
_method_function: Callable[[Any], Any] = MethodType.__dict__["__func__"].__get__


def qualified_class(cls: type) -> str:
    """Return the name of a class with its module, unless it is built in."""
    module = class_module(cls)
    return class_name(cls) if module in ("", "builtins") else "%s.%s" % (module, class_name(cls))


def describe_class(value: Any) -> str:
    """Describe a class: ``<class shop.Cart>``."""
    return "<class %s>" % qualified_class(value)


def describe_function(value: Any) -> str:
    """Describe a function: ``<function shop.total>``."""
    return "<function %s>" % _function_name(value)


def describe_wrapper(kind: str, function: Any) -> str:
    """Describe a wrapper of a function: ``<staticmethod shop.total>``."""
    return "<%s %s>" % (kind, _function_name(function)) if type(function) is FunctionType else "<%s>" % kind


def describe_method(value: Any) -> str:
    """Describe a bound method: ``<method shop.Cart.total>``."""
    function = _method_function(value)
    return "<method %s>" % _function_name(function) if type(function) is FunctionType else "<method>"


def describe_built_in(value: Any) -> str:
    """Describe a function or bound method written in C, without its ``__qualname__``, which calls into the class."""
    owner = value.__self__
    if owner is None or type(owner) is ModuleType:
        return "<built-in %s>" % value.__name__
    return "<built-in %s.%s>" % (class_name(owner if derives(type(owner), type) else type(owner)), value.__name__)


def describe_descriptor(value: MethodDescriptorType) -> str:
    """Describe an unbound method written in C: ``<method str.join>``."""
    return "<method %s.%s>" % (class_name(value.__objclass__), value.__name__)


def describe_module(value: Any) -> str:
    """Describe a module: ``<module json>``."""
    name = _module_dict(value).get("__name__")
    return "<module %s>" % (name if type(name) is str else "?")


def describe_range(value: Any) -> str:
    """Describe a range, whose bounds may be of a subclass of int."""
    numbers = [value.start, value.stop, value.step]
    if any(number.bit_length() > 200 for number in map(int.__int__, numbers)):
        return "<range>"
    if int.__int__(numbers[2]) == 1:
        numbers.pop()
    return "range(%s)" % ", ".join(int.__repr__(number) for number in numbers)


def describe_date_time(value: Any, base: type) -> str:
    """Describe a datetime or time in ISO 8601, a time zone of the program by its class instead of its offset."""
    zone = namespace(base)["tzinfo"].__get__(value)
    if zone is None or _is_standard_zone(type(zone)):
        return namespace(base)["isoformat"](value)  # type: ignore[no-any-return]
    fields = {}
    for cls in reversed(mro(base)):
        fields.update(namespace(cls))
    parts = [fields[name].__get__(value) for name in ("hour", "minute", "second", "microsecond")]
    text = "%02d:%02d:%02d" % tuple(parts[:3]) + (".%06d" % parts[3] if parts[3] else "")
    if "year" in fields:
        date = tuple(fields[name].__get__(value) for name in ("year", "month", "day"))
        text = "%04d-%02d-%02dT" % date + text
    return "%s[%s]" % (text, qualified_class(type(zone)))


def _is_standard_zone(cls: type) -> bool:
    return cls is imported_class("datetime", "timezone") or cls is imported_class("zoneinfo", "ZoneInfo")


def _function_name(function: Any) -> str:
    module = _function_globals(function).get("__name__")
    name = str.__str__(_function_qualname(function))
    return "%s.%s" % (module, name) if type(module) is str else name
