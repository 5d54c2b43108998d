"""Write data frames, series, indexes and arrays of pandas by their shape, columns, dtypes and first items.

No method of pandas is called: what is read are the stored NumPy or Arrow arrays. So instances of the program's
subclasses can be written too.
"""

from __future__ import annotations

from itertools import islice

from ..runtime.classes import class_name, derives, imported_class, namespace, package_of
from ..value_format import FIRST_FIELD, REDACTED
from .array_content import FIRST_ITEMS, content_of, items_of
from .arrays import dtype_text, position_of, read_at, read_attribute, write_described
from .tables import FIRST_COLUMNS, FIRST_ROWS, is_secret_column, write_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

    from .type_plan import TypePlan
    from .walk import Walk

    Writer = Callable[[Walk, Any, TypePlan], str]

# Fields in which an index or an array of pandas keeps its items, depending on its class.
_STORED = ("_data", "_range", "_ndarray", "_codes", "_pa_array", "_left")

# Maximum number of steps from an object to its array: an interval index holds an interval array, which holds an index
# of the left ends, which holds an array.
_MAX_STORED_DEPTH = 5

# Dtypes of a frame that has no room for its columns.
_MAX_DTYPES = 8


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
    own = plan.own_fields(value)
    manager = own.get("_mgr")
    axes, blocks = _stored(manager, "axes", walk), _stored(manager, "blocks", walk)
    blocks = blocks if type(blocks) is tuple else ()
    lengths = [_length(axis, walk) for axis in reversed(axes)] if type(axes) is list else []
    if lengths and min(lengths) < 0:
        lengths = []
    if len(lengths) == 2 and walk.can_enter():
        shape = (lengths[0], lengths[1])
        count = min(shape[1], walk.max_items)
        names = _first_items(axes[0], count, walk) or list(range(count))
        columns = _columns(blocks, count, walk)
        dtypes = [(name, block.dtype) for name, (block, _) in zip(names, columns)]
        return write_table(walk, plan, shape, dtypes, lambda: _first_rows(names, columns, shape[0], walk))
    arrays = [_stored(block, "values", walk) for block in blocks]
    dtype = ",".join(sorted({_dtype_text(array, walk) for array in arrays})[:_MAX_DTYPES])
    if len(lengths) != 1 or len(arrays) != 1:  # a frame without room for its columns
        return _write(walk, value, plan, lengths, dtype, None)
    name = own.get("_name")
    labels = _first_items(axes[0], FIRST_ITEMS, walk)
    return _write(walk, value, plan, lengths, dtype, arrays[0], name if type(name) is str else "", labels)


def _write_index(walk: Walk, value: Any, plan: TypePlan) -> str:
    stored = _storage(value, walk)
    is_multiple = derives(type(stored), list)
    dtype = "" if is_multiple else _dtype_text(stored, walk)
    return _write(walk, value, plan, [_length(value, walk)], dtype, None if is_multiple else value)


def _write_array(walk: Walk, value: Any, plan: TypePlan) -> str:
    return _write(walk, value, plan, [_length(value, walk)], _stored_dtype(value, walk) or "", value)


def _write(
    walk: Walk,
    value: Any,
    plan: TypePlan,
    lengths: List[int],
    dtype: str,
    array: Any,
    name: str = "",
    labels: Optional[List[Any]] = None,
) -> str:
    """Write a series, an index or an array.

    Args:
        walk: Has the room.
        value: The object.
        plan: The plan of its class.
        lengths: Its sizes; empty or negative if they are not known.
        dtype: Its dtype; empty if it has none.
        array: What stores its items; None if they are not shown.
        name: The name of a series.
        labels: The labels of its first items, which are shown with them if they are texts.
    """

    def content(_: Any) -> List[Tuple[str, Any]]:
        fields = dict(content_of(array))
        items = fields.pop(FIRST_FIELD, None) or _first_items(array, FIRST_ITEMS, walk)
        if is_secret_column(walk, name, items):
            return [(FIRST_FIELD, REDACTED)]
        if items and labels and all(type(label) is str for label in labels):
            items = dict(zip(labels, items))
        return [*fields.items(), (FIRST_FIELD, items)] if items else [*fields.items()]

    shape = tuple(lengths) if lengths and min(lengths) >= 0 else None
    return write_described(walk, value, plan, shape, {"dtype": dtype, "name": name}, content)


class _Block:
    """An array that stores some columns of a frame, each as a row."""

    __slots__ = ("array", "dtype", "rows")

    def __init__(self, array: Any, walk: Walk) -> None:
        self.array = array
        self.dtype = _dtype_text(array, walk)
        # Dates of pandas have an array with rows too; its other arrays store one column.
        stored = array if package_of(type(array)) == "numpy" else _stored(array, "_ndarray", walk)
        self.rows = stored if len(read_attribute(stored, "shape") or ()) == 2 else None

    def first_items(self, row: int, size: int, walk: Walk) -> Optional[List[Any]]:
        """Return the first items of a row, of which each has *size* items."""
        if self.rows is None:
            return _first_items(self.array, FIRST_ROWS, walk)
        return items_of(self.rows, row * size, row * size + min(size, FIRST_ROWS))


def _columns(blocks: Tuple[Any, ...], count: int, walk: Walk) -> List[Tuple[_Block, int]]:
    """Return the first columns of a frame: for each its block, and its row in it."""
    found: Dict[int, Tuple[_Block, int]] = {}
    for each in blocks:
        block = _Block(_stored(each, "values", walk), walk)
        places = _stored(_stored(each, "_mgr_locs", walk), "as_array", walk)
        for row, position in enumerate(items_of(places, 0, count) or ()):  # in ascending order
            if position < count:
                found[position] = (block, row)
    return [found[position] for position in sorted(found)]


def _first_rows(
    names: List[Any], columns: List[Tuple[_Block, int]], size: int, walk: Walk
) -> List[Tuple[Any, List[Any]]]:
    shown = list(zip(names, columns))[:FIRST_COLUMNS]
    found = [(name, block.first_items(row, size, walk)) for name, (block, row) in shown]
    return [(name, items) for name, items in found if items is not None]


def _first_items(value: Any, count: int, walk: Walk) -> Optional[List[Any]]:
    """Return the first items of an index or array; None if only code of the program could tell them."""
    for _ in range(_MAX_STORED_DEPTH):
        if package_of(type(value)) == "numpy":
            return items_of(value, 0, count)
        if type(value) is range:
            return list(islice(value, count))
        arrow = imported_class("pyarrow.lib", "ChunkedArray")
        if arrow is not None and type(value) is arrow:
            return _arrow_items(value, count)
        mask = _stored(value, "_mask", walk)
        if mask is not None:
            missing = items_of(mask, 0, count) or ()
            items = items_of(_stored(value, "_data", walk), 0, count)
            return None if items is None else [None if gone else item for item, gone in zip(items, missing)]
        categories = _stored(_stored(value, "_dtype", walk), "_categories", walk)
        if categories is not None:
            codes = items_of(_stored(value, "_codes", walk) or _stored(value, "_ndarray", walk), 0, count)
            known = _first_items(categories, max(codes or [0]) + 1, walk)
            return None if codes is None or known is None else [known[code] if code >= 0 else None for code in codes]
        if _stored(value, "_left", walk) is not None or derives(type(value), list):
            return None  # intervals, and the levels of a multi-index
        value = _storage(value, walk)
    return None


def _arrow_items(chunks: Any, count: int) -> Optional[List[Any]]:
    members = namespace(type(chunks))
    if str(members["type"].__get__(chunks)).startswith("extension"):  # a type of the program's has its own as_py
        return None
    items: List[Any] = members["to_pylist"](members["slice"](chunks, 0, count))
    return items


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
    """Return an attribute from an instance's ``__dict__`` or by a C descriptor; None if it has none or no value."""
    plan = walk.encoder.plan(type(value))
    found = plan.own_fields(value).get(name)
    if found is not None:
        return found
    position = plan.positions.get(name)
    if position is None:  # looked up once for each class, as most of these attributes are in few of them
        position = plan.positions[name] = position_of(type(value), name)
    return None if position < 0 else read_at(value, name, position)
