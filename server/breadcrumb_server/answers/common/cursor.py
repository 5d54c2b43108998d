"""Encode and decode cursors, which mark where the next page of an answer begins."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass

from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.trace_rows import LATEST


@dataclass(frozen=True, slots=True)
class Position:
    """The beginning of a page: a number that the answer defines, and the id of the trace if there is one."""

    at: int
    trace_id: str = ""


def encode_cursor(query: tuple[object, ...], position: Position) -> str:
    """Encode a position as an opaque text that only the same query accepts.

    Args:
        query: The tool and all arguments that select rows, except the trace.
        position: Where the next page begins.
    """
    content = json.dumps([_digest(query), position.at, position.trace_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, query: tuple[object, ...]) -> Position:
    """Decode a cursor that this query returned.

    Raises:
        BreadcrumbError: The text is no cursor, or one of another query.
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


def trace_of_page(trace_id: str | None, start: Position) -> str | None:
    """Return the trace of a page: that of its cursor where the newest is meant, as a newer run may have begun since.

    Args:
        trace_id: The trace that was asked for; None or LATEST for the newest.
        start: The beginning of the page.
    """
    if start.trace_id and trace_id in (None, "", LATEST):
        return start.trace_id
    return trace_id or None


def _digest(query: tuple[object, ...]) -> str:
    # Six bytes detect mistakes. A forged cursor gains nothing: it reads only rows that its caller may read anyway.
    return hashlib.blake2b(json.dumps(query, sort_keys=True, default=str).encode(), digest_size=6).hexdigest()
