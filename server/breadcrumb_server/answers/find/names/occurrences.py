"""Find what has a name within recorded values: variables, attributes of objects, entries of dicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from breadcrumb.value_format import CUT_MARK, DELETED_KEY, KEY_MARK
from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_server.answers.find.identity import Identity
from breadcrumb_server.answers.find.names.wanted_name import WantedName


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A variable, attribute or entry with a name.

    Attributes:
        path: How to reach it from the variables of the call: ``amount``, ``self.lines[2].amount``.
        owner: The object that it is an attribute of; None for variables and entries of dicts.
        value: Parsed JSON.
        is_variable: Whether it is a variable.
    """

    path: str
    owner: Identity | None
    value: object
    is_variable: bool = False


def occurrences(variables: Mapping[str, object], wanted: WantedName) -> Iterator[Occurrence]:
    """Find what has a name in variables and in what they contain.

    Args:
        variables: Parsed values by name.
        wanted: The name.
    """
    for name, value in variables.items():
        if name == wanted.last and not wanted.is_attribute:
            yield Occurrence(name, None, value, is_variable=True)
        yield from _inside(name, value, wanted)


def is_deleted(value: object) -> bool:
    """Return whether a variable had no value any more."""
    return is_object(value) and DELETED_KEY in value


def _inside(path: str, value: object, wanted: WantedName) -> Iterator[Occurrence]:
    if is_array(value):
        for number, item in enumerate(value):
            yield from _inside(f"{path}[{number}]", item, wanted)
        return
    if not is_object(value):
        return
    owner = Identity.of(value)
    for key, item in value.items():
        if key.startswith("$") and not key.startswith(KEY_MARK):
            if is_array(item):  # a tuple or a set
                yield from _inside(path, item, wanted)
            continue
        if key == CUT_MARK:
            continue
        inner = f"{path}.{key}" if owner is not None else f"{path}[{key!r}]"
        if key == wanted.last and _belongs(path, owner, wanted):
            yield Occurrence(inner, owner, item)
        yield from _inside(inner, item, wanted)


def _belongs(path: str, owner: Identity | None, wanted: WantedName) -> bool:
    if wanted.of_self:
        return owner is not None
    if not wanted.owner:
        return True
    same_path = path == wanted.owner or path.endswith(f".{wanted.owner}")
    return same_path or (owner is not None and owner.type_name.rpartition(".")[2] == wanted.owner)
