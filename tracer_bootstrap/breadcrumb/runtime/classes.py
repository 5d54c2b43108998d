"""What a class is, found out without asking it.

A metaclass may have an ``__eq__``, a ``__name__`` or a ``__mro__`` of its own.
"""

from __future__ import annotations

import sys
from types import GetSetDescriptorType, MemberDescriptorType, ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Tuple

mro: Callable[[type], Tuple[type, ...]] = type.__dict__["__mro__"].__get__
namespace: Callable[[type], Any] = type.__dict__["__dict__"].__get__
_qualname: Callable[[type], Any] = type.__dict__["__qualname__"].__get__
_module: Callable[[type], Any] = type.__dict__["__module__"].__get__
_flags: Callable[[type], int] = type.__dict__["__flags__"].__get__

_module_globals: Callable[[ModuleType], Any] = vars(ModuleType)["__dict__"].__get__

# Arrays, tensors and data frames are classes of these.
ARRAY_PACKAGES = {"numpy", "pandas", "torch", "jaxlib", "cupy", "xarray", "polars", "pyarrow", "scipy", "tensorflow"}

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE


def class_name(cls: type) -> str:
    """The qualified name of a class."""
    name = _qualname(cls)
    return name if type(name) is str else "?"


def class_module(cls: type) -> str:
    """The module of a class, or an empty text where the class made it something else."""
    module = namespace(cls).get("__module__") if is_heap_type(cls) else _module(cls)
    return module if type(module) is str else ""


def package_of(cls: type) -> str:
    """The first part of the name of a class's module."""
    return class_module(cls).partition(".")[0]


def is_heap_type(cls: type) -> bool:
    """Whether it was made at run time, by a class statement or an extension, and is no static type of C."""
    return bool(_flags(cls) & _HEAP_TYPE)


def derives(cls: type, base: Any) -> bool:
    """issubclass by identity alone (``in`` would compare classes with ``==``)."""
    return any(candidate is base for candidate in mro(cls))


def imported_class(module: str, name: str) -> Any:
    """A class of a module that has been imported, or None. The module is not asked: it may load itself then."""
    found = sys.modules.get(module)
    return _module_globals(found).get(name) if type(found) is ModuleType else None


def attribute_of(value: Any, name: str) -> Any:
    """What *value* has under that name in a slot or in its ``__dict__``; None if it has not."""
    for base in mro(type(value)):
        member = namespace(base).get(name)
        if type(member) is MemberDescriptorType:
            try:
                return member.__get__(value)
            except AttributeError:  # the slot is empty
                return None
        own = namespace(base).get("__dict__")
        fields = own.__get__(value) if type(own) is GetSetDescriptorType else None
        if type(fields) is dict and name in fields:
            return fields[name]
    return None


def is_enum(cls: type) -> bool:
    """Whether its instances are members of an enumeration."""
    enum = imported_class("enum", "Enum")
    return enum is not None and derives(cls, enum)


def module_file(module: str) -> str:
    """The file that a module was imported from, or an empty text."""
    found = sys.modules.get(module)
    file = _module_globals(found).get("__file__") if type(found) is ModuleType else None
    return file if type(file) is str else ""
