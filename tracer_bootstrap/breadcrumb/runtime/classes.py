"""Read facts about classes and objects without running any code of theirs.

A metaclass may define its own ``__eq__``, ``__name__`` or ``__mro__``; ``type``'s own descriptors bypass it.
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
_derives: Callable[[type, type], bool] = type.__dict__["__subclasscheck__"]
_flags: Callable[[type], int] = type.__dict__["__flags__"].__get__

module_namespace: Callable[[ModuleType], Any] = vars(ModuleType)["__dict__"].__get__

# Packages that define arrays, tensors and data frames.
ARRAY_PACKAGES = {
    "numpy", "pandas", "torch", "jax", "jaxlib", "cupy", "xarray", "polars", "pyarrow", "scipy", "tensorflow", "dask",
}  # fmt: skip

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE


def class_name(cls: type) -> str:
    """Return the qualified name of a class."""
    name = _qualname(cls)
    return name if type(name) is str else "?"


def class_module(cls: type) -> str:
    """Return the module name of a class, or an empty text if the class set it to something else than a text."""
    module = namespace(cls).get("__module__") if is_heap_type(cls) else _module(cls)
    return module if type(module) is str else ""


def package_of(cls: type) -> str:
    """Return the top-level package of a class's module."""
    return class_module(cls).partition(".")[0]


def is_heap_type(cls: type) -> bool:
    """Return whether a class was created at run time, by a class statement or an extension: not a static type of C."""
    return bool(_flags(cls) & _HEAP_TYPE)


def derives(cls: type, base: Any) -> bool:
    """Return what ``issubclass`` would, by identity alone: a metaclass may define its own answer, and ``==``."""
    try:
        return _derives(base, cls)
    except TypeError:  # something else than a class stands where one is looked for
        return False


def imported_class(module: str, name: str) -> Any:
    """Return a class of an imported module, or None.

    Reads the module's namespace directly: a module's ``__getattr__`` may import or run anything.
    """
    found = sys.modules.get(module)
    return module_namespace(found).get(name) if type(found) is ModuleType else None


def attribute_of(value: Any, name: str) -> Any:
    """Return an attribute from a slot or ``__dict__`` of *value*, or None; runs no ``__getattr__`` and no property."""
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
    """Return whether a class is an enumeration."""
    enum = imported_class("enum", "Enum")
    return enum is not None and derives(cls, enum)


def module_file(module: str) -> str:
    """Return the file that a module was imported from, or an empty text."""
    found = sys.modules.get(module)
    file = module_namespace(found).get("__file__") if type(found) is ModuleType else None
    return file if type(file) is str else ""
