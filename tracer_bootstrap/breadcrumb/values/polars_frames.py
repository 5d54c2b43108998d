"""Write data frames and series of polars by their shape, columns, dtypes and first items.

They are read by the methods of the objects in Rust that they hold, and not by their own, which a subclass may replace.
"""

from __future__ import annotations

from types import MethodDescriptorType

from ..runtime.classes import class_name, derives, imported_class, namespace
from ..value_format import FIRST_FIELD, REDACTED
from .array_content import FIRST_ITEMS
from .arrays import write_described
from .tables import FIRST_COLUMNS, FIRST_ROWS, is_secret_column, write_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional, Tuple

    from .type_plan import TypePlan
    from .walk import Walk

    Writer = Callable[[Walk, Any, TypePlan], str]

# Columns up to which a frame is described by them: polars tells the names and dtypes of all at once.
_MAX_COLUMNS = 500


def polars_writer(cls: type) -> Optional[Writer]:
    """Choose the writer for a class that derives from a class of polars; None for those that have no items yet."""
    for module, name, write in (
        ("polars.dataframe.frame", "DataFrame", _write_frame),
        ("polars.series.series", "Series", _write_series),
    ):
        base = imported_class(module, name)
        if base is not None and derives(cls, base):
            return write
    return None


def _write_frame(walk: Walk, value: Any, plan: TypePlan) -> str:
    frame = plan.own_fields(value).get("_df")
    shape = _call(frame, "shape")
    if type(shape) is not tuple or len(shape) != 2:
        return walk.leaf("<%s>" % plan.full_name())
    if shape[1] > _MAX_COLUMNS:
        return write_described(walk, value, plan, shape, {})
    names = _call(frame, "columns")
    dtypes = [(name, _dtype_name(dtype)) for name, dtype in zip(names, _call(frame, "dtypes"))]

    def first() -> List[Tuple[Any, List[Any]]]:
        rows = [_call(frame, "row_tuple", row) for row in range(min(shape[0], FIRST_ROWS))]
        return [(name, [row[at] for row in rows]) for at, name in enumerate(names[:FIRST_COLUMNS])]

    return write_table(walk, plan, shape, dtypes[: walk.max_items], first)


def _write_series(walk: Walk, value: Any, plan: TypePlan) -> str:
    series = plan.own_fields(value).get("_s")
    length = _call(series, "len")
    if type(length) is not int:
        return walk.leaf("<%s>" % plan.full_name())

    name = _call(series, "name")

    def content(_: Any) -> List[Tuple[str, Any]]:
        missing = _call(series, "null_count")
        found: List[Tuple[str, Any]] = [("null", missing)] if missing else []
        items = [_call(series, "get_index", at) for at in range(min(length, FIRST_ITEMS))]
        if is_secret_column(walk, name, items):
            items = [REDACTED]
        return [*found, (FIRST_FIELD, items)] if items else found

    texts = {"dtype": _dtype_name(_call(series, "dtype")), "name": name}
    return write_described(walk, value, plan, (length,), texts, content)


def _call(target: Any, method: str, *arguments: Any) -> Any:
    """Call a method that is written in Rust; return None if there is none of this name."""
    member = namespace(type(target)).get(method)
    return member(target, *arguments) if type(member) is MethodDescriptorType else None


def _dtype_name(dtype: Any) -> str:
    return class_name(dtype if derives(type(dtype), type) else type(dtype))
