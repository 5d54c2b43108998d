"""Write data frames, series, indexes and arrays of pandas by type, shape and dtype.

No method of pandas is called: the shape is that of the stored NumPy or Arrow arrays. So instances of the program's
subclasses can be written too.
"""

from __future__ import annotations

from ..runtime.classes import class_name, derives, imported_class, namespace, package_of
from .arrays import dtype_text, read_attribute, shape_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, List, Optional

    from .type_plan import TypePlan
    from .walk import Walk

    Writer = Callable[[Walk, Any, TypePlan], str]

_MAX_DTYPES = 8

# Fields in which an index or an array of pandas keeps its items, depending on its class.
_STORED = ("_data", "_range", "_ndarray", "_codes", "_pa_array", "_left")

# Maximum number of steps from an object to its array: an interval index holds an interval array, which holds an index
# of the left ends, which holds an array.
_MAX_STORED_DEPTH = 5


def pandas_writer(cls: type) -> Writer:
    """Choose the writer for a class that derives from a class of pandas."""
    for module, name, write in (
        ("pandas.core.generic", "NDFrame", _write_frame),
        ("pandas.core.indexes.base", "Index", _write_index),
        ("pandas.core.arrays.base", "ExtensionArray", _write_array),
    ):
        base = imported_class(module, name)
        if base is not None and derives(cls, base):
            return write
    return _write_name


def _write_name(walk: Walk, value: Any, plan: TypePlan) -> str:
    return walk.leaf("<%s>" % plan.full_name())


def _write_frame(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write a frame or a series. A series' manager has fields where a frame's has C descriptors."""
    manager = plan.own_fields(value).get("_mgr")
    axes, blocks = _stored(manager, "axes", walk), _stored(manager, "blocks", walk)
    lengths = [_length(axis, walk) for axis in reversed(axes)] if type(axes) is list else []
    values = [_stored(block, "values", walk) for block in blocks] if type(blocks) is tuple else []
    return _write(walk, plan, lengths, [_dtype_text(array, walk) for array in values])


def _write_index(walk: Walk, value: Any, plan: TypePlan) -> str:
    stored = _storage(value, walk)
    is_multiple = derives(type(stored), list)
    return _write(walk, plan, [_length(value, walk)], [] if is_multiple else [_dtype_text(stored, walk)])


def _write_array(walk: Walk, value: Any, plan: TypePlan) -> str:
    return _write(walk, plan, [_length(value, walk)], [_stored_dtype(value, walk)])


def _write(walk: Walk, plan: TypePlan, lengths: List[int], dtypes: Iterable[Optional[str]]) -> str:
    parts = [plan.full_name()]
    if lengths and min(lengths) >= 0:
        parts.append("shape=%s" % shape_text(tuple(lengths)))
    names = sorted({name for name in dtypes if name})
    if names:
        shown = names[:_MAX_DTYPES]
        if len(names) > _MAX_DTYPES:
            shown.append("...")
        parts.append("dtype=%s" % ",".join(shown))
    return walk.leaf("<%s>" % " ".join(parts))


def _length(value: Any, walk: Walk) -> int:
    """Return the number of items of an index or array; -1 if only code of the program could tell it."""
    for _ in range(_MAX_STORED_DEPTH):
        shape = read_attribute(value, "shape")
        if type(shape) is tuple:
            return shape[0] if shape else -1
        arrow = imported_class("pyarrow.lib", "ChunkedArray")
        if type(value) is range or type(value) is arrow:
            return len(value)
        if derives(type(value), list):  # a multi-index stores, for each level, the codes of all items
            value = next(list.__iter__(value), None)
        else:
            value = _storage(value, walk)
    return -1


def _dtype_text(value: Any, walk: Walk) -> str:
    """Return the dtype of an array, or the name of its class if it stores none."""
    return "int64" if type(value) is range else _stored_dtype(value, walk) or class_name(type(value))


def _stored_dtype(value: Any, walk: Walk) -> Optional[str]:
    """Return the name of the dtype that an array stores, or None."""
    for name in ("dtype", "_dtype"):
        dtype = _stored(value, name, walk)
        known = dtype_text(dtype)
        if known:
            return known
        if package_of(type(dtype)) == "pandas":
            own_name = namespace(type(dtype)).get("name")
            return own_name if type(own_name) is str else class_name(type(dtype))
    return None


def _storage(value: Any, walk: Walk) -> Any:
    return next((found for found in (_stored(value, name, walk) for name in _STORED) if found is not None), None)


def _stored(value: Any, name: str, walk: Walk) -> Any:
    """Return an attribute from an instance's ``__dict__`` or by a C descriptor."""
    found = walk.encoder.plan(type(value)).own_fields(value).get(name)
    return read_attribute(value, name) if found is None else found
