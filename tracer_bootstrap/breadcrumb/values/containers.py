"""Write sets, views and subclasses of built-in containers, read by the methods of the built-in class."""

from __future__ import annotations

import gc
from itertools import islice

from ..json_text import quote
from ..runtime.classes import class_name, derives, mro, namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Tuple

    from .type_plan import TypePlan
    from .walk import Walk

    Writer = Callable[[Walk, Any, TypePlan], str]

# Number of items up to which a set is sorted, so that two runs with different hashes compare equal: by value if all
# items are plain, else by text. Of larger sets only the size is written.
_MAX_SORTED_ITEMS = 1000
_MAX_SORTED_TEXTS = 200


def set_writer(base: Any, opening: str) -> Writer:
    """Return a writer for a set class or its subclasses.

    Args:
        base: ``set`` or ``frozenset``.
        opening: The beginning of the JSON text; empty for subclasses, which begin with their type.
    """

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        size = base.__len__(value)
        start = opening or _typed_items(plan)
        items = list(base.__iter__(value)) if size <= _MAX_SORTED_ITEMS else []
        if all(_is_plain(type(item)) for item in items):
            return walk.sequence(start, sorted(items, key=_plain_order), value, size)
        return walk.unordered(start, items if size <= _MAX_SORTED_TEXTS else [], value, size)

    return write


def items_writer(base: Any) -> Writer:
    """Return a writer that uses the iterator of the base: for subclasses of list and tuple, deques, arrays."""

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        items = list(islice(base.__iter__(value), walk.max_items))
        return walk.sequence(_typed_items(plan), items, value, base.__len__(value))

    return write


def view_writer(base: Any) -> Writer:
    """Return a writer for the keys, values or items of a dict: ``{"$dict_keys": [...]}``."""
    opening = '{"$%s": [' % class_name(base).replace("odict", "dict")

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        return walk.sequence(opening, list(islice(base.__iter__(value), walk.max_items)), value, base.__len__(value))

    return write


def mapping_writer(base: Any) -> Writer:
    """Return a writer for subclasses of dict, and for mappings like it.

    Args:
        base: ``dict``, ``OrderedDict``, which keeps a separate order, or ``frozendict``, which is no dict.
    """
    plain: Any = dict if derives(base, dict) else base

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        size = plain.__len__(value)
        read = plain
        if base is not plain and size <= _MAX_SORTED_ITEMS and all(type(key) is str for key in dict.__iter__(value)):
            read = base  # iterating in its order looks keys up, which may run the hash of keys that are not str
        items = list(islice(read.items(value), walk.max_items))
        return walk.mapping('{"$type": %s%s' % (quote(plan.name), ", " if items else ""), items, value, size)

    return write


def write_proxy(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write the mapping of a mappingproxy, taken from the garbage collector: a proxy calls the mapping's methods."""
    mappings: List[Any] = [mapping for mapping in gc.get_referents(value) if type(mapping) is dict]
    if len(mappings) != 1:
        return walk.leaf("<%s>" % plan.name)
    return mapping_writer(dict)(walk, mappings[0], plan)


def write_tuple(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write a subclass of tuple, a named tuple by its fields."""
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
    """Return a sort key that compares items of the same type only, and floats by text because of NaN."""
    kind = type(item)
    return kind.__name__, float.__repr__(item) if kind is float else item is not None and item
