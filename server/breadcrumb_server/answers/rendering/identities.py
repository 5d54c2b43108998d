"""Tell objects apart in texts: ``Cart#1`` is the same object wherever it stands in the answers about a process."""

from __future__ import annotations

import re
from collections.abc import Mapping

from breadcrumb.value_format import OBJECT_KEY, OBJECT_KEY_PATTERN, OBJECT_MARK_PATTERN, TYPE_KEY

_KEY = re.compile(OBJECT_KEY_PATTERN)
_MARK = re.compile(OBJECT_MARK_PATTERN)
# An object of which only the name is recorded: <Cart#1>, <cycle: shop.f.<locals>.Cart#1>.
_DESCRIPTION = re.compile(r"<(?:[^\"#]*[. ])?(\w+#\d+)>")

# A description with a dotted name: <class tests.test_shop.Shop>, <function shop.f.<locals>.g>.
_DOTTED = re.compile(r"(<[a-z][a-z -]* )((?:\w+\.|<\w+>\.)+)(\w+|<\w+>)>")


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


def cut_names(text: str, chars: int) -> str:
    """Shorten the dotted names in a rendered value that is too long, at their beginnings: their ends tell them apart.

    Args:
        text: The value, such as ``'<class tests.strategies.test_included.Included>'``, which becomes
            ``'<class …test_included.Included>'``.
        chars: Maximum characters.

    Returns:
        The text, which may still be too long.
    """
    if len(text) <= chars or "." not in text or "<" not in text:
        return text
    with_owner = _DOTTED.sub(_last_two_parts, text)
    return with_owner if len(with_owner) <= chars else _DOTTED.sub(r"\1…\3>", text)


def _last_two_parts(found: re.Match[str]) -> str:
    owner = found[2][:-1].rpartition(".")[2]
    if found[2] == f"{owner}." or owner.startswith("<"):  # nothing to leave out, or a function's <locals>
        return found[0] if found[2] == f"{owner}." else f"{found[1]}…{found[3]}>"
    return f"{found[1]}…{owner}.{found[3]}>"
