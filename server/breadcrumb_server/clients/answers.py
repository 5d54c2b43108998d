"""Define the answers about the entries in clients."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from breadcrumb_server.answers.common.model import Section, Table


class EntryChanged(Section):
    """What ``install`` or ``uninstall`` did."""

    shown_last: ClassVar[tuple[str, ...]] = ("notes", "next")

    client: str
    scope: str
    file: str
    status: Literal["added", "replaced", "already there", "removed", "not there"]
    entry: dict[str, Any] | None = Field(default=None, description="the entry as it is now")
    backup: str | None = Field(default=None, description="the file as it was before")
    notes: list[str] = Field(default_factory=list)
    next: list[str] = Field(default_factory=list)


class ClientList(Section):
    """The clients, and which of them have the server."""

    always_shown: ClassVar[frozenset[str]] = frozenset({"clients"})
    shown_last: ClassVar[tuple[str, ...]] = ("clients", "notes", "next")

    clients: Table
    notes: list[str] = Field(default_factory=list)
    next: list[str] = Field(default_factory=list)
