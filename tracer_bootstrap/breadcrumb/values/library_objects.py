"""Objects of libraries that keep what they hold where fields are not looked for, or beside much that is their own."""

from __future__ import annotations

from ..json_text import quote
from ..runtime.classes import class_name, derives, namespace
from .arrays import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

    from .type_plan import TypePlan
    from .walk import Walk


def write_row(walk: Walk, value: Any, plan: TypePlan) -> str:
    """A row of a result of SQLAlchemy, by the names of its columns if each has one."""
    data, positions = (read(value, name, ("sqlalchemy",)) for name in ("_data", "_key_to_index"))
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
    """A logger by its name; its handlers and parents are the program's configuration, not the object's state."""
    name = plan.own_fields(value).get("name")
    return walk.leaf("<%s %s>" % (plan.full_name(), name) if type(name) is str else "<%s>" % plan.full_name())


def write_validation_error(walk: Walk, value: Any, plan: TypePlan) -> str:
    """An error of pydantic-core: it is written in Rust and has no arguments."""
    return '{"$type": %s, "message": %s}' % (quote(plan.name), walk.leaf(validation_summary(value)))


def validation_summary(error: Any) -> str:
    """The first line of its message: the others may hold the repr of what was validated, which is the user's code."""
    count = namespace(type(error))["error_count"](error)
    title = read(error, "title", ("pydantic_core",))
    name = title if type(title) is str else class_name(type(error))
    return "%d validation error%s for %s" % (count, "" if count == 1 else "s", name)
