"""Tell objects apart in texts: ``Cart#1`` is the same object wherever it stands in the answers about a process."""

from __future__ import annotations

import re
from collections.abc import Mapping

from breadcrumb.value_format import OBJECT_KEY, OBJECT_KEY_PATTERN, OBJECT_MARK_PATTERN, TYPE_KEY

_KEY = re.compile(OBJECT_KEY_PATTERN)
_MARK = re.compile(OBJECT_MARK_PATTERN)
# An object of which only the name is recorded: <Cart#1>, <cycle: shop.f.<locals>.Cart#1>.
_DESCRIPTION = re.compile(r"<(?:[^\"#]*[. ])?(\w+#\d+)>")


def without_numbers(stored: str) -> str:
    """Return a recorded value without the numbers of objects, to compare it with that of another run."""
    return _MARK.sub('>"', _KEY.sub("", stored))


def identity_of(value: Mapping[str, object]) -> str:
    """Return ``Cart#1`` for a recorded object that has a number, else an empty text."""
    number = value.get(OBJECT_KEY)
    return f"{short_name(str(value.get(TYPE_KEY)))}#{number}" if isinstance(number, int) else ""


def described_identity(description: str) -> str:
    """Return ``Cart#1`` for the description of an object that has a number, else an empty text."""
    found = _DESCRIPTION.fullmatch(description)
    return found[1] if found else ""


def short_name(name: str) -> str:
    """Return the last part of a class's name. The numbers of objects count by it."""
    return name.rpartition(".")[2]
