"""Objects by their fields, exceptions by their arguments, subclasses of built-in scalars by their value."""

from __future__ import annotations

from types import GetSetDescriptorType, MemberDescriptorType

from ..json_text import float_text, quote
from ..runtime.classes import namespace
from .descriptions import describe_enum_member, describe_wrapper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, List, Tuple

    from .type_plan import TypePlan
    from .walk import Walk

    Writer = Callable[[Walk, Any, TypePlan], str]

_exception_args: Any = BaseException.__dict__["args"].__get__


def write_object(walk: Walk, value: Any, plan: TypePlan) -> str:
    """An instance of a class that derives from nothing that is written in a way of its own."""
    fields, size = plan.fields(value, walk.max_items)
    if fields:
        return walk.fields(plan.name, fields, value, size)
    return _typed(walk, plan, "") if plan.has_fields() else write_name(walk, value, plan)


def write_name(walk: Walk, value: Any, plan: TypePlan) -> str:
    """By the name of its type alone."""
    return walk.leaf("<%s>" % plan.full_name())


def write_short_name(walk: Walk, value: Any, plan: TypePlan) -> str:
    """The same without the module."""
    return walk.leaf("<%s>" % plan.name)


def write_exception(walk: Walk, value: Any, plan: TypePlan) -> str:
    """``{"$type": "HTTPError", "args": [...], "code": 404}``: its arguments, and what else it holds."""
    args = _exception_args(value)
    text = walk.sequence('{"$type": %s, "args": [' % quote(plan.name), args, value, len(args))
    fields, size = plan.fields(value, walk.max_items)
    if not fields or walk.room <= 0 or text[0] != "{":
        return text
    return "%s, %s}" % (text[:-1], walk.entries(fields, value, size))


def write_enum(walk: Walk, value: Any, plan: TypePlan) -> str:
    """A member of an enumeration by its name, several flags in one by their number where they have none."""
    own = plan.own_fields(value)
    return walk.leaf(describe_enum_member(value, own.get("_name_"), own.get("_value_")))


def write_cached_function(walk: Walk, value: Any, plan: TypePlan) -> str:
    """What ``functools.lru_cache`` makes of a function."""
    return walk.leaf(describe_wrapper("cached function", plan.own_fields(value).get("__wrapped__")))


def match_writer(base: type) -> Writer:
    """A match of a regular expression: what was found, and where."""
    found, span = namespace(base)["group"], namespace(base)["span"]

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        return walk.fields(plan.name, [("span", span(value)), ("match", found(value))], value, 2)

    return write


def members_writer(base: type, names: Tuple[str, ...]) -> Writer:
    """For classes written in C: these of their attributes, read by the descriptors of the base."""

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        fields: List[Tuple[str, Any]] = []
        for name in names:
            member = namespace(base).get(name)
            if type(member) is MemberDescriptorType or type(member) is GetSetDescriptorType:
                fields.append((name, member.__get__(value)))
        return walk.fields(plan.name, fields, value, len(fields))

    return write


def text_writer(base: Any) -> Writer:
    """For classes of the standard library whose own text says it all."""

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        return walk.leaf(str.__str__(base.__str__(value)))

    return write


def described(describe: Callable[[Any], str]) -> Writer:
    """For what is written as a short text without the quotes of a value."""

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        return walk.leaf(describe(value))

    return write


def typed(describe: Callable[[Any], str]) -> Writer:
    """For a subclass of something that is written as a text: its type with that text."""

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        return _typed(walk, plan, ', "value": %s' % walk.leaf(describe(value)))

    return write


def write_str(walk: Walk, value: Any, plan: TypePlan) -> str:
    return _typed(walk, plan, ', "value": %s' % walk.any(str.__str__(value)))


def write_int(walk: Walk, value: Any, plan: TypePlan) -> str:
    return _typed(walk, plan, ', "value": %s' % walk.int_text(int.__int__(value)))


def write_float(walk: Walk, value: Any, plan: TypePlan) -> str:
    return _typed(walk, plan, ', "value": %s' % float_text(float.__float__(value)))


def _typed(walk: Walk, plan: TypePlan, rest: str) -> str:
    text = '{"$type": %s%s}' % (quote(plan.name), rest)
    walk.room -= len(plan.name) + 10
    return text


def bytes_writer(base: Any) -> Writer:
    """bytes and bytearray: as text where they are text, so that secrets in it are found; ``\\xNN`` for what is not."""

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        return _write_bytes(walk, base.__getitem__, value, base.__len__(value), plan)

    return write


def write_memoryview(walk: Walk, value: Any, plan: TypePlan) -> str:
    """The bytes that it shows, if it is a plain row of them."""
    if value.ndim != 1 or value.format != "B":
        return walk.leaf("<memoryview of %d bytes>" % value.nbytes)
    return _write_bytes(walk, memoryview.__getitem__, value, value.nbytes, plan)


def _write_bytes(walk: Walk, get: Callable[[Any, slice], Iterable[int]], value: Any, size: int, plan: TypePlan) -> str:
    limit = max(walk.room, 0)
    text, is_cut = walk.encoder.quoted_bytes(bytes(get(value, slice(walk.encoder.window(limit)))), size, limit)
    walk.room -= len(text)
    return '{"$%s": %s%s}' % (plan.name, text, ', "size": %d' % size if is_cut else "")
