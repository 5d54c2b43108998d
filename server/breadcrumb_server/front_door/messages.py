"""Read the messages of a client, strictly: what is not understood exactly is left to the MCP server."""

from __future__ import annotations

import json

TYPE_CHECKING = False  # typing is not imported at run time
if TYPE_CHECKING:
    from typing import TypeGuard

# A first message has a few hundred bytes; in a large one there is nothing to be answered early.
MAX_MESSAGE_BYTES = 64_000
# Far fewer than either parser stops at, whatever they are in.
MAX_BRACKETS = 100

RequestId = int | str

# Beyond it, numbers are not written alike everywhere.
_MAX_NUMBER = 2**53


class Message:
    """A request, or a notification, whose id is None."""

    __slots__ = ("id", "method", "params")

    def __init__(self, request_id: RequestId | None, method: str, params: dict[str, object] | None) -> None:
        self.id = request_id
        self.method = method
        self.params = params

    def line(self) -> bytes:
        """Return the message as a line of JSON, without its newline."""
        content: dict[str, object] = {"jsonrpc": "2.0", "method": self.method}
        if self.id is not None:
            content["id"] = self.id
        if self.params is not None:
            content["params"] = self.params
        return to_json(content)


def read_message(line: bytes) -> Message | None:
    """Return the request or notification in a line, or None if the server might read anything else in it.

    Args:
        line: A line without its newline.
    """
    line = line.removesuffix(b"\r")
    # The server also ends a line at a lone carriage return. Its parser refuses lone surrogates, Python's accepts them.
    if len(line) > MAX_MESSAGE_BYTES or b"\r" in line or b"\\ud" in line or b"\\uD" in line:
        return None
    if line.count(b"{") + line.count(b"[") > MAX_BRACKETS:
        return None
    try:
        content = json.loads(line.decode())
    except ValueError:
        return None
    if not is_object(content) or not content.keys() <= {"jsonrpc", "id", "method", "params"}:
        return None
    method, params = content.get("method"), content.get("params")
    if content.get("jsonrpc") != "2.0" or type(method) is not str or not (params is None or is_object(params)):
        return None
    if "id" not in content:
        return Message(None, method, params)
    request_id = content["id"]
    return Message(request_id, method, params) if is_request_id(request_id) and _is_plain(request_id) else None


def read_request_id(line: bytes) -> RequestId | None:
    """Return the id of the request in a line, or None if there is none; reads whatever can be read."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not is_object(content) or type(content.get("method")) is not str:
        return None
    request_id = content.get("id")
    return request_id if is_request_id(request_id) else None


def to_json(content: object) -> bytes:
    """Return content as the server writes it: compact, and UTF-8 without escapes."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def same_request(one: RequestId | None, other: RequestId) -> bool:
    """Return whether two ids name the same request: "7" and 7 do, as in the SDK."""
    return one is not None and str(one) == str(other)


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Return whether a parsed value is a JSON object."""
    return type(value) is dict


def is_request_id(value: object) -> TypeGuard[RequestId]:
    """Return whether a parsed value can be the id of a request, which a boolean cannot."""
    return type(value) is int or type(value) is str


def _is_plain(request_id: RequestId) -> bool:
    """Return whether an id is written back as it came, whoever writes it."""
    if isinstance(request_id, int):
        return 0 <= request_id <= _MAX_NUMBER
    return request_id.isascii() and request_id.isprintable()
