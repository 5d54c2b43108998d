"""Refuse what is no message of JSON-RPC, in front of the SDK: it drops such lines, and their senders wait for ever.

It may go when the SDK answers them itself.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Self, cast

import anyio
from mcp.types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

logger = logging.getLogger(__name__)

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s"{}\[\],:]+')
_NO_MESSAGE = ErrorData(
    code=INVALID_REQUEST,
    message='This is no JSON-RPC 2.0 message: an object with "jsonrpc": "2.0", a "method", an "id" that is a number or '
    'a string, and "params", if there are any, that are an object. Lists of messages are not taken.',
)
# Characters of a line that no parser takes, in which its id is looked for.
_MAX_SCANNED_CHARS = 256_000
# Characters of a request id that is repeated in an answer.
_MAX_ID_CHARS = 1_000


class WellFormedLines:
    """The lines of a client that the SDK can read; the others are refused.

    Args:
        lines: All lines.
        refuse: Sends a refusal to the client.
    """

    def __init__(self, lines: anyio.AsyncFile[str], refuse: Callable[[JSONRPCError], Awaitable[None]]) -> None:
        self._lines = lines
        self._refuse = refuse

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> str:
        """Return the next line that can be read."""
        while line := await self._lines.readline():
            error = problem(line)
            if error is None:
                return line
            refusal = refusal_of(line, error)
            if refusal is not None:
                await self._refuse(refusal)
        raise StopAsyncIteration


def problem(line: str) -> ErrorData | None:
    """Return what is wrong with a line, None if it is a message of JSON-RPC."""
    try:
        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            return ErrorData(code=PARSE_ERROR, message=f"This line is no JSON that can be read. {first['msg']}.")
        return _NO_MESSAGE
    except ValueError as error:  # what cannot be UTF-8
        return ErrorData(code=PARSE_ERROR, message=f"This line is no text that can be read: {error}")
    # A request whose id is neither passes as a notification, which nobody answers.
    if isinstance(message, JSONRPCNotification) and '"id"' in line and "id" in _fields(line):
        return _NO_MESSAGE
    return None


def refusal_of(line: str, error: ErrorData) -> JSONRPCError | None:
    """Return the answer to a line that cannot be read; None if it awaits none: a notification, or an empty line.

    Args:
        line: The line.
        error: What is wrong with it.
    """
    if not line.strip():
        return None
    fields = _fields(line)
    has_method = "method" in fields
    if has_method and "id" not in fields:
        logger.warning("a notification was dropped: %s", error.message)
        return None
    # An answer to one of our requests has the same numbers as theirs to us.
    found = fields.get("id") if has_method else None
    is_usable = type(found) is int or (type(found) is str and len(found) <= _MAX_ID_CHARS and _is_text(found))
    return JSONRPCError(jsonrpc="2.0", id=cast("int | str", found) if is_usable else None, error=error)


def _fields(line: str) -> dict[str, object]:
    """Return the fields of an object: all of them, or id and method alone if it is too deep for a parser."""
    try:
        content: object = json.loads(line)
    except RecursionError:
        return _outer_fields(line)
    except ValueError:
        return {}
    return cast("dict[str, object]", content) if isinstance(content, dict) else {}


def _outer_fields(line: str) -> dict[str, object]:
    """Return those fields of the outermost object that are simple values, without recursion."""
    found: dict[str, object] = {}
    depth = 0
    name: str | None = None
    for match in _TOKEN.finditer(line[:_MAX_SCANNED_CHARS]):
        token = match.group()
        if token in "{[":
            depth, name = depth + 1, None
        elif token in "}]":
            depth -= 1
        elif depth == 1:
            try:
                value: object = json.loads(token)
            except ValueError:
                return {}
            if name is None and isinstance(value, str):
                name = value
            elif name is not None:
                found[name], name = value, None
    return found


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
