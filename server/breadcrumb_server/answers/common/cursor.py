"""Cursors: where the next page of an answer begins."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass

from breadcrumb_storage.errors import BreadcrumbError


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: a number that means something to the answer, and the trace that it is about, if one."""

    at: int
    trace_id: str = ""


def encode_cursor(query: tuple[object, ...], position: Position) -> str:
    """An opaque text that only the same query takes back.

    Args:
        query: the tool and every argument that decides which rows there are, the trace left out.
    """
    content = json.dumps([_digest(query), position.at, position.trace_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, query: tuple[object, ...]) -> Position:
    """The position in a cursor that this query gave out.

    Raises:
        BreadcrumbError: it is no cursor, or one of another query.
    """
    try:
        content = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        digest, at, trace_id = content
        position = Position(int(at), str(trace_id))
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise BreadcrumbError(
            "This is not a cursor.",
            hint="Pass next_cursor of the previous page unchanged, or leave cursor out for the first page.",
        ) from error
    if digest != _digest(query):
        raise BreadcrumbError(
            "This cursor belongs to another query.",
            hint="Repeat the call that gave it with the same arguments, or leave cursor out for the first page.",
        )
    return position


def _digest(query: tuple[object, ...]) -> str:
    # Six bytes guard against mistakes, not against attacks: a cursor opens nothing that its caller cannot ask for.
    return hashlib.blake2b(json.dumps(query, sort_keys=True, default=str).encode(), digest_size=6).hexdigest()
