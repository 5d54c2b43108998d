"""Define the models that all answers share, and check the limits of pages."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from breadcrumb_storage.errors import BreadcrumbError

Cell = str | int | float | bool | None

# Proposed calls. All answers but that of get_trace have one at most.
MAX_NEXT = 3

NEXT_CURSOR = "for the next page, pass this as cursor and keep all other arguments"


class Section(BaseModel):
    """A part of an answer. Fields without content are left out, but for those that readers count on."""

    model_config = ConfigDict(extra="forbid")
    always_shown: ClassVar[frozenset[str]] = frozenset()
    shown_last: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _without_empty_fields(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        last = {name: fields.pop(name) for name in self.shown_last if name in fields}
        return {
            name: value
            for name, value in (fields | last).items()
            if name in self.always_shown or value not in (None, "", [], {})
        }


class Table(Section):
    """Rows of cells under column names."""

    always_shown = frozenset({"columns", "rows"})

    columns: list[str]
    rows: list[list[Cell]]
    more: int = Field(default=0, description="number of rows that are not shown")

    @model_serializer(mode="wrap")
    def _without_zero(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        return fields if self.more else {"columns": fields["columns"], "rows": fields["rows"]}


class Answer(Section):
    """The fields of every answer."""

    shown_last: ClassVar[tuple[str, ...]] = ("notes", "next")

    project: str
    notes: list[str] = Field(default_factory=list, description="what this answer cut or changed")
    next: list[str] = Field(
        default_factory=list,
        max_length=MAX_NEXT,
        description="the complete call to make next, where that is not obvious",
    )


class Page(Answer):
    """An answer that is a table in pages."""

    always_shown = frozenset({"columns", "rows", "total"})
    shown_last: ClassVar[tuple[str, ...]] = ("columns", "rows", "next_cursor", "notes", "next")

    total: int = Field(description="number of rows on all pages")
    columns: list[str]
    rows: list[list[Cell]]
    next_cursor: str | None = Field(default=None, description=NEXT_CURSOR)


def check_limit(limit: int, maximum: int) -> tuple[int, list[str]]:
    """Return the limit to use, and a note if it was lowered to ``maximum``.

    Raises:
        BreadcrumbError: ``limit`` is below 1.
    """
    if limit < 1:
        raise BreadcrumbError(f"limit must be at least 1, not {limit}.", hint=f"Use a limit from 1 to {maximum}.")
    if limit > maximum:
        return maximum, [f"limit {limit} was lowered to {maximum}; continue with next_cursor"]
    return limit, []
