"""Sets, views, and the subclasses of built-in containers: read by the built-in class's own methods."""

from __future__ import annotations

import gc
from itertools import islice

from ..json_text import quote
from ..runtime.classes import class_name, mro, namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Tuple

    from .type_plan import TypePlan
    from .walk import Walk

    Writer = Callable[[Walk, Any, TypePlan], str]

# Sets of up to this many items are sorted, so that two runs with other hashes compare equal: plain items by value, all
# others by what is written of them. Of larger ones only the size is told.
_MAX_SORTED_ITEMS = 1000
_MAX_SORTED_TEXTS = 200


def set_writer(base: Any, opening: str) -> Writer:
    """opening: of the exact class; empty for subclasses."""

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        size = base.__len__(value)
        start = opening or _typed_items(plan)
        items = list(base.__iter__(value)) if size <= _MAX_SORTED_ITEMS else []
        if all(_is_plain(type(item)) for item in items):
            return walk.sequence(start, sorted(items, key=_plain_order), value, size)
        return walk.unordered(start, items if size <= _MAX_SORTED_TEXTS else [], value, size)

    return write


def items_writer(base: Any) -> Writer:
    """For what the base's own iterator goes through: subclasses of list and tuple, deques, arrays."""

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        items = list(islice(base.__iter__(value), walk.max_items))
        return walk.sequence(_typed_items(plan), items, value, base.__len__(value))

    return write


def view_writer(base: Any) -> Writer:
    """Keys, values and items of a dict: ``{"$dict_keys": [...]}``."""
    opening = '{"$%s": [' % class_name(base).replace("odict", "dict")

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        return walk.sequence(opening, list(islice(base.__iter__(value), walk.max_items)), value, base.__len__(value))

    return write


def mapping_writer(base: Any) -> Writer:
    """For subclasses of dict. base: dict, or OrderedDict, which has an order of its own."""

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        size = dict.__len__(value)
        read: Any = dict
        if base is not dict and size <= _MAX_SORTED_ITEMS and all(type(key) is str for key in dict.__iter__(value)):
            read = base  # going by its order looks its keys up: that may run the hash of other keys
        items = list(islice(read.items(value), walk.max_items))
        return walk.mapping('{"$type": %s%s' % (quote(plan.name), ", " if items else ""), items, value, size)

    return write


def write_proxy(walk: Walk, value: Any, plan: TypePlan) -> str:
    """A mappingproxy would ask the mapping behind it; the garbage collector knows it as well."""
    behind: List[Any] = [mapping for mapping in gc.get_referents(value) if type(mapping) is dict]
    if len(behind) != 1:
        return walk.leaf("<%s>" % plan.name)
    return mapping_writer(dict)(walk, behind[0], plan)


def write_tuple(walk: Walk, value: Any, plan: TypePlan) -> str:
    """A subclass of tuple: by its fields if it is a named tuple."""
    names: Any = None
    for base in mro(type(value)):
        names = namespace(base).get("_fields")
        if names is not None:
            break
    size = tuple.__len__(value)
    if type(names) is tuple and len(names) == size and all(type(name) is str for name in names):
        return walk.fields(plan.name, list(zip(names, tuple.__iter__(value))), value, size)
    return _write_items(walk, value, plan)


_write_items = items_writer(tuple)


def _typed_items(plan: TypePlan) -> str:
    return '{"$type": %s, "items": [' % quote(plan.name)


def _is_plain(kind: type) -> bool:
    return kind is str or kind is int or kind is bytes or kind is float or kind is bool or kind is type(None)


def _plain_order(item: Any) -> Tuple[str, Any]:
    """Only items of the same type are compared with each other. (NaN is neither before nor behind another float.)"""
    kind = type(item)
    return kind.__name__, float.__repr__(item) if kind is float else item is not None and item
