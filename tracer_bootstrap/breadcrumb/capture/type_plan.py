"""How values of a class are read: found out once per class, without asking it."""

from __future__ import annotations

import sys
from _weakref import ref
from types import GetSetDescriptorType, MemberDescriptorType

from ..classes import class_module, class_name, derives, is_heap_type, mro, namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Tuple

# Types of the standard library whose own text says it all, by module and name: exact types only.
TEXT_TYPES = {
    ("decimal", "Decimal"), ("fractions", "Fraction"), ("uuid", "UUID"),
    ("datetime", "date"), ("datetime", "timedelta"),
    ("datetime", "timezone"), ("zoneinfo", "ZoneInfo"), ("pathlib", "PosixPath"), ("pathlib", "WindowsPath"),
    ("pathlib", "PurePosixPath"), ("pathlib", "PureWindowsPath"), ("pathlib._local", "PosixPath"),
    ("pathlib._local", "PurePosixPath"), ("ipaddress", "IPv4Address"), ("ipaddress", "IPv6Address"),
}  # fmt: skip

# Arrays and frames: exact types whose shape and dtype are read from C; their content is never touched.
ARRAY_MODULES = ("numpy", "pandas", "torch", "jaxlib", "cupy", "xarray", "polars", "pyarrow", "scipy", "tensorflow")


# Built-in classes whose subclasses are written by the built-in's own methods.
_FAMILIES = (type, BaseException, str, int, float, dict, list, tuple, set, frozenset)

# Types whose fields say nothing about the program: files, locks, sockets.
OPAQUE_MODULES = {
    "_io", "io", "_thread", "threading", "_socket", "socket", "_ssl", "ssl", "_queue", "queue", "_asyncio",
}  # fmt: skip


class TypePlan:
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
        self.text = (self.module, self.name) in TEXT_TYPES
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

    def full_name(self) -> str:
        """With the module, unless it is a built-in class."""
        return self.name if self.module in ("", "builtins") else "%s.%s" % (self.module, self.name)

    def has_fields(self) -> bool:
        """Whether instances can have fields at all."""
        return self.is_heap_type and (self.dict_at >= 0 or bool(self.slots))

    def fields_of(self, value: Any) -> Any:
        """The ``__dict__`` of an instance, or None."""
        if self.dict_at < 0:
            return None
        return namespace(mro(type(value))[self.dict_at])["__dict__"].__get__(value)


def _family(bases: Tuple[type, ...]) -> Any:
    """The built-in class among the bases whose instances are written in a way of their own; None for plain objects."""
    for base in bases:
        for family in _FAMILIES:
            if base is family:
                return family
    return None


def is_enum(kind: type) -> bool:
    """Whether instances of the class are members of an enumeration."""
    enum = sys.modules.get("enum")
    return enum is not None and derives(kind, getattr(enum, "Enum", None))
