"""Write tables by their shape, the dtypes of their columns, and the first items of each."""

from __future__ import annotations

from ..json_text import quote
from ..value_format import FIRST_FIELD
from .arrays import shape_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Sequence, Tuple

    from .type_plan import TypePlan
    from .walk import Walk

# Rows and columns whose items are shown.
FIRST_ROWS = 3
FIRST_COLUMNS = 10


def write_table(
    walk: Walk,
    plan: TypePlan,
    shape: Tuple[int, int],
    dtypes: Sequence[Tuple[Any, str]],
    first: Callable[[], List[Tuple[Any, List[Any]]]],
) -> str:
    """Write a table as an object; where that would be too deep, as a short text.

    Args:
        walk: Has the room.
        plan: The plan of its class.
        shape: The numbers of its rows and columns.
        dtypes: Names and dtypes of its first columns.
        first: Returns the names of the first columns, and the first items of each.
    """
    if not walk.can_enter():
        return walk.leaf("<%s shape=%s>" % (plan.full_name(), shape_text(shape)))
    dtypes = _numbered(dtypes)
    # Names may be of any type: they are no dict. A dtype is no secret, whatever its column is called.
    columns = walk.mapping("{", dtypes, dtypes, shape[1], hides=False)
    text = '{"$type": %s, "shape": {"$tuple": [%d, %d]}, "columns": %s' % (quote(plan.name), *shape, columns)
    if walk.can_enter() and shape[0]:
        items = _numbered(first())
        if items:
            text += ', "%s": %s' % (FIRST_FIELD, walk.mapping("{", items, items, shape[1]))
    return text + "}"


def _numbered(columns: Sequence[Tuple[Any, Any]]) -> List[Tuple[Any, Any]]:
    """Return columns with different names: a name that is used again is numbered, as JSON would keep only one."""
    counts: Dict[str, int] = {}
    found: List[Tuple[Any, Any]] = []
    for name, content in columns:
        if type(name) is str:
            counts[name] = count = counts.get(name, 0) + 1
            name = name if count == 1 else "%s (%d)" % (name, count)
        found.append((name, content))
    return found


def is_secret_column(walk: Walk, name: str, items: Any) -> bool:
    """Return whether the items of a series are redacted for its name, and learn the secrets in them."""
    encoder = walk.encoder
    return bool(name) and bool(items) and encoder.is_secret_name(name) and encoder.is_hidden(items, name)
