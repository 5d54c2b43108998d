"""Write objects of libraries whose content is not in their fields, or is mixed with internal fields."""

from __future__ import annotations

from ..json_text import quote
from ..runtime.classes import class_name, derives, namespace
from .arrays import read_attribute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

    from .type_plan import TypePlan
    from .walk import Walk


def write_row(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write a result row of SQLAlchemy, by the names of its columns if each has one."""
    data, positions = (read_attribute(value, name, ("sqlalchemy",)) for name in ("_data", "_key_to_index"))
    if type(data) is not tuple:
        return walk.leaf("<%s>" % plan.full_name())
    names: Dict[int, str] = {}
    for key, position in list(positions.items()) if type(positions) is dict else ():
        if derives(type(key), str) and type(position) is int:
            names.setdefault(position, str.__str__(key))
    if all(position in names for position in range(len(data))):
        fields = [(names[position], item) for position, item in enumerate(data)]
        return walk.fields(plan.name, fields, value, len(fields))
    return walk.sequence('{"$type": %s, "items": [' % quote(plan.name), data, value, len(data))


def write_logger(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write a logger by its name. Its handlers and parents are configuration, not state."""
    name = plan.own_fields(value).get("name")
    return walk.leaf("<%s %s>" % (plan.full_name(), name) if type(name) is str else "<%s>" % plan.full_name())


def write_validation_error(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write an error of pydantic-core, which is written in Rust and has no arguments."""
    return '{"$type": %s, "message": %s}' % (quote(plan.name), walk.leaf(validation_summary(value)))


def validation_summary(error: Any) -> str:
    """Return the first line of an error's message; the other lines would call the repr of the validated value.

    Args:
        error: A ValidationError of pydantic-core.
    """
    count = namespace(type(error))["error_count"](error)
    title = read_attribute(error, "title", ("pydantic_core",))
    name = title if type(title) is str else class_name(type(error))
    return "%d validation error%s for %s" % (count, "" if count == 1 else "s", name)
