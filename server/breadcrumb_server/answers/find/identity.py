"""Tell recorded objects apart."""

from __future__ import annotations

from dataclasses import dataclass

from breadcrumb.value_format import OBJECT_KEY, TYPE_KEY
from breadcrumb_server.answers.common.parsed_json import is_object


@dataclass(frozen=True, slots=True)
class Identity:
    """An object by its class and, if it is recorded, its number."""

    type_name: str
    number: int | None = None

    def __str__(self) -> str:
        name = self.type_name.rpartition(".")[2]
        return name if self.number is None else f"{name}#{self.number}"

    @classmethod
    def of(cls, value: object) -> Identity | None:
        """Return that of a recorded value; None if it is no object of a class."""
        if not is_object(value) or TYPE_KEY not in value:
            return None
        number = value.get(OBJECT_KEY)
        return cls(str(value[TYPE_KEY]), number if isinstance(number, int) else None)
