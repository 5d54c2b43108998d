"""Find what ``of`` means: a function, a class, a module, a file, or one object of a class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import PurePath

from breadcrumb.value_format import OBJECT_KEY, TYPE_KEY
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.text import first_of, one_line
from breadcrumb_server.answers.find.identity import Identity
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.find.functions import TracedFunction
from breadcrumb_storage.queries.find.names import Narrowed

_OBJECT = re.compile(r"(?P<name>.+?)#(?P<number>\d+)")
_MAX_NAMED = 5


@dataclass(frozen=True)
class Owner:
    """What a history is narrowed to.

    Attributes:
        text: As it was given.
        name: Without the number.
        number: Of one object; None for all.
        functions: The functions that it is or that belong to it.
    """

    text: str
    name: str
    number: int | None
    functions: Sequence[TracedFunction]

    @cached_property
    def keys(self) -> frozenset[tuple[int, int]]:
        """Return (process, function) of its functions."""
        return frozenset((each.process_id, each.function_id) for each in self.functions)

    @property
    def narrowed(self) -> Narrowed:
        """Return the condition for queries, which lets more through than `owns`."""
        last = re.split(r"[.:]", self.name)[-1]
        if self.number is not None:
            return Narrowed((), f'"{OBJECT_KEY}": {self.number}')
        return Narrowed(sorted(self.keys), f'{last}"' if last.isidentifier() else "")

    @property
    def call_pattern(self) -> str:
        """Return a regular expression for the arguments of calls that have the object; "" if it is not one object."""
        if self.number is None:
            return ""
        type_name = re.escape(re.split(r"[.:]", self.name)[-1])
        return rf'"{re.escape(TYPE_KEY)}": "(?:[^"]*\.)?{type_name}".{{0,20}}"{re.escape(OBJECT_KEY)}": {self.number}\b'

    @property
    def function_keys(self) -> Sequence[tuple[int, int]] | None:
        """Return (process, function) of its functions; None if it is one object, which any function may be given."""
        return sorted(self.keys) if self.number is None else None

    def owns(self, key: tuple[int, int], owner: Identity | None, of_call: Identity | None) -> bool:
        """Return whether an event belongs to it.

        Args:
            key: (process, function) of the call.
            owner: The object that has the attribute, if it is one.
            of_call: The object whose method was called.
        """
        if self.number is None:
            return key in self.keys or self.is_of(owner)
        return self.is_of(owner) if owner is not None else self.is_of(of_call)

    def is_of(self, identity: Identity | None) -> bool:
        """Return whether an object is the one that is meant, or of the class."""
        if identity is None or (self.number is not None and identity.number != self.number):
            return False
        name, wanted = f".{identity.type_name}", self.name.replace(":", ".")
        return name.endswith(f".{wanted}") or f".{wanted}".endswith(name)


def find_owner(
    of: str | None, functions: Sequence[TracedFunction], places: Places, *, has_objects: bool
) -> tuple[Owner | None, list[str]]:
    """Find what ``of`` means.

    Args:
        of: As it was given; None for everything.
        functions: All functions of the trace.
        places: Shortens paths.
        has_objects: Whether it may be a class of which only objects are recorded.

    Returns:
        The owner, and notes: what else the name stands for.

    Raises:
        BreadcrumbError: It is empty, or nothing has this name.
    """
    if of is None:
        return None, []
    text = of.strip().removesuffix("()")
    if not text:
        raise BreadcrumbError("of is empty.", hint='Give a class, a function or a module, such as "Cart", or omit it.')
    found = _OBJECT.fullmatch(text)
    name = found["name"] if found else text
    by_owner: dict[str, list[TracedFunction]] = {}
    for each in functions:
        if full := _owner_of(each, name):
            by_owner.setdefault(full, []).append(each)
    owner = Owner(text, name, int(found["number"]) if found else None, [f for each in by_owner.values() for f in each])
    if not by_owner and not (
        (has_objects or owner.number is not None) and name.replace(".", "").replace(":", "").isidentifier()
    ):
        raise unknown_owner(of, functions, places)
    notes: list[str] = []
    if len(by_owner) > 1:
        names = [f"{full} ({places.path(members[0].file)})" for full, members in by_owner.items()]
        notes.append(one_line(f"of={text!r} names {first_of(names, _MAX_NAMED)}: all are here", 500))
    return owner, notes


def unknown_owner(
    of: str,
    functions: Sequence[TracedFunction],
    places: Places,
    seen: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> BreadcrumbError:
    """Return the error for an owner that nothing has, with the nearest names.

    Args:
        of: As it was given.
        functions: All functions of the trace.
        places: Shortens paths.
        seen: Objects of this class that are there instead.
        classes: Classes of objects, which may have no traced function.
    """
    known: dict[str, str] = {}
    for each in functions:
        parts = [each.module, *(part for part in each.name.split(".") if not part.startswith("<"))]
        for part in parts:
            if part:
                known.setdefault(part, places.path(each.file))
        known.setdefault(each.name, places.path(each.file))
    for name in classes:
        known.setdefault(name, "")
    lowered = {name.lower(): name for name in known}
    near = [lowered[each] for each in get_close_matches(of.strip().lower(), [*lowered], _MAX_NAMED, 0.6)]
    shown = ", ".join(f"{each} ({known[each]})" if known[each] else each for each in near)
    if seen:
        shown = first_of(seen, _MAX_NAMED)
    return BreadcrumbError(
        one_line(f"of={of!r}: no class, function, module or object of this name is in this trace.", 300),
        hint=one_line(
            f"{'There are' if seen else 'The nearest'}: {shown}." if shown else "Leave of out to see all.", 400
        ),
    )


def _owner_of(function: TracedFunction, name: str) -> str:
    """Return the full name of what ``name`` means if a function is it or belongs to it, else ""."""
    if "/" in name or name.endswith(".py"):
        wanted = PurePath(name).parts
        is_in = bool(function.file) and PurePath(function.file or "").parts[-len(wanted) :] == wanted
        return function.file or "" if is_in else ""
    module, _, inner = name.partition(":")
    full = f".{function.module}.{function.name}."
    if inner:
        return name if function.module == module and f"{function.name}.".startswith(f"{inner}.") else ""
    at = full.find(f".{name}.")
    if at < 0:
        return ""
    found = full[1 : at + 1 + len(name)]
    rest = found[len(function.module) + 1 :]
    return f"{function.module}:{rest}" if rest else found
