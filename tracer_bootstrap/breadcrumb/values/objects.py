"""Write objects by their fields, exceptions by their arguments, subclasses of built-in scalars by their value."""

from __future__ import annotations

from types import GetSetDescriptorType, MemberDescriptorType

from ..json_text import float_text, quote
from ..runtime.classes import namespace
from .descriptions import describe_wrapper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, List, Tuple

    from .type_plan import TypePlan
    from .walk import Walk

    Writer = Callable[[Walk, Any, TypePlan], str]

_exception_args: Any = BaseException.__dict__["args"].__get__


def write_object(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write an object by its fields."""
    fields, size = plan.fields(value, walk.max_items)
    if fields:
        return walk.fields(plan.name, fields, value, size, plan)
    return _typed(walk, plan, walk.number_key(value, plan)) if plan.has_fields() else write_name(walk, value, plan)


def write_name(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write an object by the full name of its type."""
    return walk.named(plan.full_name(), value, plan)


def write_short_name(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write an object by the name of its type, without the module."""
    return walk.named(plan.name, value, plan)


def write_exception(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write an exception by its arguments and fields: ``{"$type": "HTTPError", "args": [...], "code": 404}``."""
    args = _exception_args(value)
    text = walk.sequence('{"$type": %s, "args": [' % quote(plan.name), args, value, len(args))
    fields, size = plan.fields(value, walk.max_items)
    if not fields or walk.room <= 0 or text[0] != "{":
        return text
    return "%s, %s}" % (text[:-1], walk.entries(fields, value, size))


def write_enum(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write a member of an enumeration by its name, or by its number if it is an unnamed combination of flags."""
    own = plan.own_fields(value)
    name, number = own.get("_name_"), own.get("_value_")
    if type(name) is str:
        return typed_repr(walk, plan, "%s.%s" % (plan.name, name))
    value_text = ', "value": %s' % walk.encoder.int_text(number) if type(number) is int else ""
    return _typed(walk, plan, value_text)


def write_cached_function(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write a function that is wrapped by ``functools.lru_cache``."""
    return walk.leaf(describe_wrapper("cached function", plan.own_fields(value).get("__wrapped__")))


def match_writer(base: type) -> Writer:
    """Return a writer for matches of a regular expression: position and text."""
    found, span = namespace(base)["group"], namespace(base)["span"]

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        return walk.fields(plan.name, [("span", span(value)), ("match", found(value))], value, 2)

    return write


def members_writer(base: type, names: Tuple[str, ...]) -> Writer:
    """Return a writer for classes written in C: by these attributes, read by the descriptors of the base."""

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        fields: List[Tuple[str, Any]] = []
        for name in names:
            member = namespace(base).get(name)
            if type(member) is MemberDescriptorType or type(member) is GetSetDescriptorType:
                fields.append((name, member.__get__(value)))
        return walk.fields(plan.name, fields, value, len(fields))

    return write


def write_template(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write a template string (PEP 750): its literal parts, and each value under its expression, for redaction."""
    members = namespace(type(value))
    found = members["interpolations"].__get__(value)
    fields = [("strings", members["strings"].__get__(value)), *[_interpolated(each) for each in found]]
    return walk.fields(plan.name, fields, value, len(fields))


def write_interpolation(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write a part of a template string: its value under its expression."""
    return walk.fields(plan.name, [_interpolated(value)], value, 1)


def _interpolated(value: Any) -> Tuple[str, Any]:
    """Return the expression and the value of a part of a template string."""
    members = namespace(type(value))
    expression: str = members["expression"].__get__(value)
    return expression, members["value"].__get__(value)


def write_sentinel(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write a sentinel (PEP 661) by its name."""
    return walk.leaf("<sentinel %s>" % namespace(type(value))["__name__"].__get__(value))


def described(describe: Callable[[Any], str]) -> Writer:
    """Return a writer for values that are written as a description."""

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        return walk.leaf(describe(value))

    return write


def typed(describe: Callable[[Any], str]) -> Writer:
    """Return a writer for values that are written by their type and a text, such as a Decimal."""

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        return _typed(walk, plan, ', "value": %s' % walk.leaf(describe(value)))

    return write


def in_notation(describe: Callable[[Any], str]) -> Writer:
    """Return a writer for values that are written by their type and Python's notation: ``range(0, 3)``."""

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        return typed_repr(walk, plan, describe(value))

    return write


def typed_repr(walk: Walk, plan: TypePlan, notation: str) -> str:
    """Write a value by its type and a text in Python's notation.

    Args:
        walk: Has the room.
        plan: The plan of the value's class.
        notation: The text.
    """
    return _typed(walk, plan, ', "$repr": %s' % walk.leaf(notation))


def write_str(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write an instance of a subclass of str."""
    return _typed(walk, plan, ', "value": %s' % walk.render(str.__str__(value)))


def write_int(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write an instance of a subclass of int."""
    return _typed(walk, plan, ', "value": %s' % walk.encoder.int_text(int.__int__(value)))


def write_float(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write an instance of a subclass of float."""
    return _typed(walk, plan, ', "value": %s' % float_text(float.__float__(value)))


def _typed(walk: Walk, plan: TypePlan, rest: str) -> str:
    text = '{"$type": %s%s}' % (quote(plan.name), rest)
    walk.room -= len(plan.name) + 10
    return text


def bytes_writer(base: Any) -> Writer:
    r"""Return a writer for bytes or bytearray: as text, so that secrets are found, with ``\xNN`` for other bytes."""

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        return _write_bytes(walk, base.__getitem__, value, base.__len__(value), plan)

    return write


def write_memoryview(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write the bytes of a memoryview if it is one row of plain bytes, else their number."""
    if value.ndim != 1 or value.format != "B":
        return walk.leaf("<memoryview of %d bytes>" % value.nbytes)
    return _write_bytes(walk, memoryview.__getitem__, value, value.nbytes, plan)


def _write_bytes(walk: Walk, get: Callable[[Any, slice], Iterable[int]], value: Any, size: int, plan: TypePlan) -> str:
    limit = max(walk.room, 0)
    text, is_cut = walk.encoder.quoted_bytes(bytes(get(value, slice(walk.encoder.window(limit)))), size, limit)
    walk.room -= len(text)
    return '{"$%s": %s%s}' % (plan.name, text, ', "size": %d' % size if is_cut else "")
