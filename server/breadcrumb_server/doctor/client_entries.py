"""Check the entries in the clients' files: is there one, and does it lead to a program that is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from breadcrumb_server.clients.entries import missing_program
from breadcrumb_server.clients.installation import target, targets
from breadcrumb_server.clients.json_text import NotEditable
from breadcrumb_server.doctor.findings import Finding, ok, problem, warning
from breadcrumb_storage.errors import BreadcrumbError


def check_clients(folder: Path) -> Iterator[Finding]:
    """Check every place where a client may have an entry.

    Args:
        folder: The folder of the code base.
    """
    has_one = False
    for place in targets(folder):
        check = f"client {place.client.name}"
        command = f"breadcrumb install {place.client.name}"
        if place.scope != next(iter(place.client.scopes)):
            command += f" --scope {place.scope}"
        try:
            entry = place.entry()
        except NotEditable as error:
            if place.client.is_found(place.machine):
                yield warning(check, f"{place.file}: {error}", f"Look at the file; {command} --print shows the entry.")
            continue
        except BreadcrumbError as error:
            yield warning(check, str(error), "Give yourself the right to read it.")
            continue
        if entry is None:
            continue
        has_one = True
        missing = missing_program(entry, target(place.client, place.scope, folder).folder)
        if missing:
            yield problem(
                check, f"its entry in {place.file} starts {missing}, which cannot be started", f"{command} --force"
            )
        else:
            yield ok(check, f"has an entry in {place.file}")
    if not has_one:
        yield warning("clients", "no client that is known here has an entry", "breadcrumb install lists the clients.")
