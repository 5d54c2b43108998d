"""Write type hints in their own notation: ``list[int]``, ``Optional[Cart]``."""

from __future__ import annotations

import types

from ..runtime.classes import class_module, derives, namespace
from .descriptions import qualified_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Levels, and arguments at the first level; half as many at each further level.
_MAX_DEPTH = 4
_MAX_ARGUMENTS = 20

# list[int] came with 3.9, int | str with 3.10.
_C_KINDS = tuple(getattr(types, name) for name in ("GenericAlias", "UnionType") if hasattr(types, name))


def typing_text(value: Any, depth: int = 0) -> str:
    """Return a type hint in its own notation; of other objects only the type, as their repr is the program's code."""
    kind = type(value)
    if depth > _MAX_DEPTH:  # also ends a list that contains itself
        return "..."
    if derives(kind, type):
        return "None" if value is type(None) else qualified_class(value)
    if value is None or value is Ellipsis:
        return "None" if value is None else "..."
    if kind is str or kind is int or kind is bool:
        return repr(value)
    if kind is list or kind is tuple:
        return "[%s]" % _joined(value, depth)
    if not (class_module(kind) == "typing" or any(kind is known for known in _C_KINDS)):
        return "<%s>" % qualified_class(kind)
    name = _attribute(value, "_name") or _attribute(value, "__name__") or _attribute(value, "__forward_arg__")
    arguments = _attribute(value, "__args__")
    if type(name) is not str:
        origin = _attribute(value, "__origin__")
        name = typing_text(origin, depth + 1) if origin is not None else kind.__name__
    if type(arguments) is not tuple:
        return name
    if name == "Optional" and arguments and arguments[-1] is type(None):
        arguments = arguments[:-1]
    if kind.__name__ == "UnionType" or (kind.__name__ == "Union" and name == "Union"):  # the second since 3.14
        return _joined(arguments, depth, " | ")
    return "%s[%s]" % (name, _joined(arguments, depth))


def _joined(arguments: Any, depth: int, between: str = ", ") -> str:
    limit = _MAX_ARGUMENTS >> depth
    texts = [typing_text(argument, depth + 1) for argument in arguments[:limit]]
    return between.join([*texts, "..."] if len(arguments) > limit else texts)


def _attribute(value: Any, name: str) -> Any:
    """Return a field from the instance's ``__dict__``, or a member or slot of its class; None if there is none."""
    for cls in type.__dict__["__mro__"].__get__(type(value)):
        found = namespace(cls)
        own = found.get("__dict__")
        if type(own) is types.GetSetDescriptorType and name in own.__get__(value):
            return own.__get__(value)[name]
        member = found.get(name)
        if type(member) is types.MemberDescriptorType or type(member) is types.GetSetDescriptorType:
            return member.__get__(value)
    return None
