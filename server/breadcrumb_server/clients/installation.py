"""Add, replace, remove and list the server's entries in the files of clients."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from breadcrumb_server.answers.common.model import Cell, Table
from breadcrumb_server.answers.common.parsed_json import is_object
from breadcrumb_server.clients import json_text, toml_text
from breadcrumb_server.clients.answers import ClientList, EntryChanged
from breadcrumb_server.clients.descriptions import CLIENTS, JSON, SERVER_NAME, Client, Location, Machine, Scope
from breadcrumb_server.clients.entries import entry_for, launch_for, missing_program, snippet
from breadcrumb_server.clients.json_text import NotEditable
from breadcrumb_server.projects.atomic_file import write_file
from breadcrumb_server.projects.home import FILE_MODE, locked_folder
from breadcrumb_storage.errors import BreadcrumbError

BACKUP_SUFFIX = ".before-breadcrumb"
# What others may read of a new file that git is to share.
SHARED_MODE = 0o644
_BYTE_ORDER_MARK = "\ufeff"


class Notation(Protocol):
    """What the modules offer that edit a format."""

    def parse(self, text: str) -> dict[str, Any]:
        """Return what a text says."""
        ...

    def with_member(self, text: str, path: Sequence[str], value: Mapping[str, Any]) -> str:
        """Return the text with a value at a path of keys."""
        ...

    def without_member(self, text: str, path: Sequence[str]) -> str:
        """Return the text without the value at a path of keys."""
        ...


@dataclass(frozen=True)
class Target:
    """The place of an entry.

    Args:
        client: The client.
        scope: One of the client's scopes.
        location: That scope's place.
        folder: The folder of the code base, for the scopes that are about one.
        machine: The machine that the files are on.
    """

    client: Client
    scope: Scope
    location: Location
    folder: Path
    machine: Machine

    @property
    def file(self) -> Path:
        """Return the file of the client."""
        return self.location.file(self.machine, self.folder)

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the keys that lead to the table of servers."""
        return self.location.keys(self.folder)

    @property
    def path(self) -> tuple[str, ...]:
        """Return the keys that lead to the entry."""
        return (*self.keys, SERVER_NAME)

    @property
    def notation(self) -> Notation:
        """Return the module that edits the format of the file."""
        return json_text if self.client.file_format == JSON else toml_text

    def entry(self) -> Mapping[str, Any] | None:
        """Return the entry that is there, None if there is none.

        Raises:
            NotEditable: The file cannot be read as what it should be.
        """
        text = _read(self.file)
        return _entry(self, text) if text else None


def target(client: Client, scope: str | None, folder: Path, machine: Machine | None = None) -> Target:
    """Return the place of an entry.

    Args:
        client: The client.
        scope: A scope, None for the client's default.
        folder: The folder of the code base.
        machine: The machine; None means this one.

    Raises:
        BreadcrumbError: The client has no such scope.
    """
    for name, location in client.scopes.items():
        if scope in (None, name):
            return Target(client, name, location, folder.absolute(), machine or Machine.this())
    raise BreadcrumbError(
        f"{client.title} has no scope {scope!r}.",
        why=f"It has {' and '.join(client.scopes)}.",
        hint=f"breadcrumb install {client.name} --scope {next(iter(client.scopes))}",
    )


def wanted(place: Target) -> tuple[str, str]:
    """Return the text to be pasted, and the file that it belongs into."""
    entry = entry_for(place.client, launch_for(place.scope))
    return snippet(place.client, place.keys, entry), str(place.file)


def install(place: Target, *, force: bool = False) -> EntryChanged:
    """Write the entry. An equal one is left as it is, whatever other fields the user has given it.

    Args:
        place: Where it belongs.
        force: Replace an entry that says something else.

    Raises:
        BreadcrumbError: There is another entry, or the file cannot be edited. Nothing was changed.
    """
    launch = launch_for(place.scope)
    entry = entry_for(place.client, launch)
    found: list[Mapping[str, Any]] = []

    def change(text: str) -> str | None:
        before = _entry(place, text)
        if before is not None:
            found.append(before)
            if _says_the_same(before, entry):
                return None
            if not force:
                raise _different(place, before, entry)
        return place.notation.with_member(text, place.path, entry)

    backup = _edit(place, change, make=True)
    is_same = bool(found) and _says_the_same(found[0], entry)
    then = [place.client.then] if place.client.then and not is_same else []
    return EntryChanged(
        client=place.client.title,
        scope=place.scope,
        file=str(place.file),
        status="already there" if is_same else "replaced" if found else "added",
        entry=_without_values(found[0] if is_same else entry),
        backup=str(backup) if backup else None,
        notes=[*launch.notes, *then],
        next=[place.client.check or "breadcrumb doctor"],
    )


def uninstall(place: Target) -> EntryChanged:
    """Remove the entry, whatever it says.

    Raises:
        BreadcrumbError: The file cannot be edited. It was not changed.
    """

    def change(text: str) -> str | None:
        return None if _entry(place, text) is None else place.notation.without_member(text, place.path)

    backup = _edit(place, change, make=False)
    return EntryChanged(
        client=place.client.title,
        scope=place.scope,
        file=str(place.file),
        status="removed" if backup else "not there",
        backup=str(backup) if backup else None,
    )


def targets(folder: Path, machine: Machine | None = None) -> Iterator[Target]:
    """Yield every place in which a client looks for an entry.

    Args:
        folder: The folder of the code base.
        machine: The machine; None means this one.
    """
    for client in CLIENTS:
        for scope in client.scopes:
            yield target(client, scope, folder, machine)


def list_clients(folder: Path, machine: Machine | None = None) -> ClientList:
    """List the clients: which seem to be here, and where each has an entry.

    Args:
        folder: The folder of the code base.
        machine: The machine; None means this one.
    """
    rows: list[list[Cell]] = []
    proposed: list[str] = []
    for place in targets(folder, machine):
        client = place.client
        is_default = place.scope == next(iter(client.scopes))
        state = entry_state(place)
        if is_default or state != "none":
            rows.append([client.name, client.is_found(place.machine), place.scope, state, str(place.file)])
        if is_default and state == "none" and client.is_found(place.machine):
            proposed.append(f"breadcrumb install {client.name}")
    return ClientList(
        clients=Table(columns=["client", "found", "scope", "entry", "file"], rows=rows),
        notes=["found: one of its programs or its settings are on this machine"],
        next=proposed,
    )


def entry_state(place: Target) -> str:
    """Return in a few words whether an entry is there and whether it leads anywhere."""
    try:
        entry = place.entry()
    except (NotEditable, BreadcrumbError):
        return "unknown: the file cannot be read"
    if entry is None:
        return "none"
    missing = missing_program(entry, place.folder)
    return f"there, but {missing} cannot be started" if missing else "there"


def _edit(place: Target, change: Callable[[str], str | None], *, make: bool) -> Path | None:
    """Change the file of a place, with a backup beside it; return the backup, None if there was no file or no change.

    Args:
        place: The place.
        change: Returns the new text, None to leave the file as it is.
        make: Whether a missing file is made.
    """
    file = Path(os.path.realpath(place.file))
    if not make and not file.exists():
        return None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with locked_folder(file.parent):
            old = _read(file)
            new = change(old or "")
            if new is None:
                return None
            backup = None
            mode = SHARED_MODE if place.scope == "project" else FILE_MODE
            if old is not None:
                mode = stat.S_IMODE(file.stat().st_mode)
                backup = file.with_name(file.name + BACKUP_SUFFIX)
                write_file(backup, old, mode=mode)
            if _read(file) != old:
                raise BreadcrumbError(
                    f"{file} was changed by another program at this moment.",
                    why="Nothing was changed by breadcrumb.",
                    hint="Run the command again.",
                )
            write_file(file, new, mode=mode)
            return backup
    except (NotEditable, UnicodeDecodeError) as error:
        lost = "A file with comments or trailing commas would lose them, and a broken one is not overwritten."
        raise _refused(place, str(error), lost) from error
    except OSError as error:
        raise _refused(place, str(error), "Its folder cannot be made or written to.") from error


def _read(file: Path) -> str | None:
    """Return the text of a file with its line breaks as they are, None if there is none."""
    try:
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BreadcrumbError(
            f"Cannot read {file}.", why=str(error), hint="Look at its rights, and whether it is a file."
        ) from error
    except UnicodeDecodeError as error:
        raise NotEditable(f"it is not UTF-8 ({error})") from error


def _entry(place: Target, text: str) -> Mapping[str, Any] | None:
    if text.startswith(_BYTE_ORDER_MARK):
        raise NotEditable("it begins with a byte order mark")
    found = json_text.lookup(place.notation.parse(text), place.path)
    if found is not None and not is_object(found):
        raise NotEditable(f"its {'.'.join(place.path)!r} is not a table of settings")
    return found


def _says_the_same(before: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Return whether an entry has all that the wanted one has; what the user has added to it stays."""
    return all(before.get(name) == value for name, value in entry.items())


def _different(place: Target, before: Mapping[str, Any], entry: Mapping[str, Any]) -> BreadcrumbError:
    shown = json_text.render(_without_values(before))
    return BreadcrumbError(
        f"{place.client.title} has another entry {SERVER_NAME!r} in {place.file}; it was left as it is.",
        why=f"It is:\n{shown}\nThis one would be:\n{json_text.render(_without_values(entry))}",
        hint="--force replaces it, and keeps a backup beside the file.",
    )


def _refused(place: Target, what: str, why: str) -> BreadcrumbError:
    text, file = wanted(place)
    return BreadcrumbError(
        f"{file} was not changed: {what}.",
        why=why,
        hint=f"For {place.client.title}, put this in yourself:\n{text}",
    )


def _without_values(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry without the values of variables and headers, which may be secret."""
    return {
        name: dict.fromkeys(value, "…") if name in ("env", "headers") and is_object(value) else value
        for name, value in entry.items()
    }
