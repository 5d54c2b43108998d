"""Find the objects that answers show as ``Cart#1`` in recorded values."""

from __future__ import annotations

import re
from dataclasses import dataclass

from breadcrumb.value_format import OBJECT_KEY, TYPE_KEY

# Also with the fields that an answer shows: shop.Cart#1(total=5), Future#2<pending>.
_NAME = re.compile(r"(?:[\w.<>]+\.)?(\w+)#(\d{1,15})(?:[(<].*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ObjectName:
    """An object by the last part of its class's name and its number."""

    kind: str
    number: int

    @classmethod
    def parse(cls, text: str) -> ObjectName | None:
        """Return the object that a text names as answers do, with or without its fields; None if it names none."""
        found = _NAME.fullmatch(text.strip())
        return cls(found[1], int(found[2])) if found else None

    def __str__(self) -> str:
        return f"{self.kind}#{self.number}"

    def spellings(self) -> list[str]:
        """Return the texts of which a recorded value has one if it is the object or contains it."""
        keys = [f'{begin}{self.kind}", "{OBJECT_KEY}": {self.number}{end}' for begin in '".' for end in ",}"]
        return [*keys, *(f"{begin}{self}>" for begin in "<. "), f'"{self}"']

    def pattern(self, *, inside: bool) -> str:
        """Return a regular expression that finds the object in the minified JSON of a value.

        Args:
            inside: Whether the value may contain the object, or must be it.
        """
        kind = re.escape(self.kind)
        key = rf'\{{"\{TYPE_KEY}":"(?:[^"]*\.)?{kind}","\{OBJECT_KEY}":{self.number}[,}}]'
        found = rf'{key}|"<(?:[^"]*[. ])?{kind}#{self.number}>"|"{kind}#{self.number}"'
        return found if inside else f"^(?:{found})"
