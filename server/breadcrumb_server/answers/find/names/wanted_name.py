"""Parse the name of which a history is asked for."""

from __future__ import annotations

import json
import keyword
import re
from dataclasses import dataclass

from breadcrumb_storage.errors import BreadcrumbError

_PATH = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_SELF = ("self", "cls")


@dataclass(frozen=True, slots=True)
class WantedName:
    """A variable, an attribute, an argument or a key.

    Attributes:
        last: The name itself.
        owner: What stands before it, as in ``cart.total``; "" if nothing does.
        of_self: Whether it is an attribute of any object: it was given as ``self.total``.
    """

    last: str
    owner: str = ""
    of_self: bool = False

    @property
    def is_attribute(self) -> bool:
        """Return whether only attributes have it, and no variables."""
        return self.of_self or bool(self.owner)

    @property
    def recorded_texts(self) -> list[str]:
        """Return the name as it is in recorded values, which are JSON."""
        return list(dict.fromkeys(f"{json.dumps(self.last, ensure_ascii=each)}: " for each in (False, True)))

    def __str__(self) -> str:
        before = "self." if self.of_self else f"{self.owner}." if self.owner else ""
        return before + self.last

    @classmethod
    def parse(cls, name: str) -> WantedName:
        """Parse a name as source has it: ``amount``, ``self._cached``, ``cart.total``.

        Raises:
            BreadcrumbError: It is neither a name nor an attribute.
        """
        text = name.strip()
        if not _PATH.fullmatch(text) or any(keyword.iskeyword(part) for part in text.split(".")):
            raise BreadcrumbError(
                f"{name!r} is not the name of a variable or an attribute.",
                hint='Give a name such as "amount", "self._cached" or "cart.total". For the key of a dict, give the '
                "name of the dict: its changes are told by key. For a value, value=.",
            )
        owner, _, last = text.rpartition(".")
        return cls(last, "", of_self=True) if owner in _SELF else cls(last, owner)
