"""Decide which messages of a client are answered at once, and keep what the MCP server has to do or to know."""

from __future__ import annotations

import json
import os

from breadcrumb_server.front_door.answers import ENVELOPE, HANDSHAKE, INITIALIZE, LIST_TOOLS, Answers
from breadcrumb_server.front_door.messages import (
    Message,
    RequestId,
    is_request_id,
    read_message,
    read_request_id,
    same_request,
    to_json,
)
from breadcrumb_server.front_door.shapes import envelope_version, is_initialize, is_plain

_CANCELLED = "notifications/cancelled"
_INTERNAL_ERROR = -32603  # JSON-RPC 2.0


class _Kept:
    """A line for the server, and the id of the request in it if the client waits for its answer."""

    __slots__ = ("line", "waiting")

    def __init__(self, line: bytes, waiting: RequestId | None) -> None:
        self.line = line
        self.waiting = waiting


class Session:
    """The session of one client until the server takes it over.

    What it has answered, it answered as the server would have. It stops at the first message of which it cannot tell
    what the server will read in it: from then on the server has to see every message before the next one is answered.

    Attributes:
        stopped: Whether all further lines are left to the server.
        has_listed_tools: Whether the client has got the list of tools.
        replayed: The ids of the requests that the server gets although they have been answered: the first one, which
            decides on the era of the protocol, and the handshake. Their answers are not for the client.

    Args:
        answers: The answers to give; None leaves everything to the server.
    """

    def __init__(self, answers: Answers | None) -> None:
        self.stopped = answers is None
        self.has_listed_tools = False
        self.replayed: set[str] = set()
        self._answers = answers
        self._era: str | None = None
        self._has_handshake = False
        self._kept: list[_Kept] = []
        self._failure: str | None = None

    @property
    def needs_server(self) -> bool:
        """Whether something waits for the server."""
        return self.stopped or any(each.waiting is not None for each in self._kept)

    def receive(self, line: bytes) -> bytes:
        """Take a line of the client, and return the answer to it, or nothing.

        Args:
            line: Without its newline.
        """
        message = None if self.stopped else read_message(line)
        result = None if message is None else self._result(message)
        if message is not None and result is not None:
            return to_json({"jsonrpc": "2.0", "id": message.id, "result": result}) + b"\n"
        if self._failure is not None:
            return self._refusal(line)
        if message is None:
            self.stopped = True
        elif message.id is not None:
            # A handshake that is not known exactly changes what all answers have to be.
            self.stopped = self._era is None or message.method == INITIALIZE
        elif message.method == _CANCELLED and self._cancel(message.params):
            return b""
        self._keep(line, None if message is None else message.id)
        return b""

    def fail(self, reason: str) -> bytes:
        """Give up waiting for the server: return refusals of all that waits for it, and refuse what comes.

        Args:
            reason: Why there is no server, and what to do, in whole sentences.
        """
        self._failure = reason
        refusals = b"".join(self._refusal(each.line) for each in self._kept)
        self._kept.clear()
        return refusals

    def hand_over(self) -> bytes:
        """Return all lines for the server, in the order in which they came."""
        return b"".join(each.line + b"\n" for each in self._kept)

    def _keep(self, line: bytes, waiting: RequestId | None = None) -> None:
        self._kept.append(_Kept(line, waiting))

    def _result(self, message: Message) -> dict[str, object] | None:
        """Return the result of a request that is known exactly, and remember what it changes."""
        if message.id is None or self._answers is None:
            return None
        if message.method == INITIALIZE:
            return self._shake_hands(message)
        version = envelope_version(message.params)
        era = HANDSHAKE if version is None and is_plain(message.params) else ENVELOPE
        if era == ENVELOPE and version not in self._answers.versions[ENVELOPE]:
            return None
        if self._era not in (None, era):
            return None
        if era == HANDSHAKE and not self._has_handshake and message.method != "ping":
            return None
        result = self._answers.result(era, message.method)
        if result is None:
            return None
        if self._era is None:
            self._era = era
            self._replay(message.method, message.params)
        if message.method == LIST_TOOLS:
            self.has_listed_tools = True
        return result

    def _shake_hands(self, message: Message) -> dict[str, object] | None:
        if self._answers is None or self._has_handshake or self._era == ENVELOPE or not is_initialize(message.params):
            return None
        assert message.params is not None
        version = self._answers.negotiated(str(message.params["protocolVersion"]))
        self._era, self._has_handshake = HANDSHAKE, True
        # The version that was answered: a newer SDK than the one of the answers may know the one that was asked for.
        self._replay(message.method, message.params | {"protocolVersion": version})
        return self._answers.initialized(version)

    def _replay(self, method: str, params: dict[str, object] | None) -> None:
        """Keep a request that was answered, under an id that no client can have."""
        request_id = f"replayed-{os.urandom(8).hex()}"
        self.replayed.add(request_id)
        self._keep(Message(request_id, method, params).line())

    def _cancel(self, params: dict[str, object] | None) -> bool:
        """Drop the one waiting request that a client cancels, and return whether there was one: it never runs."""
        cancelled = (params or {}).get("requestId")
        if not is_request_id(cancelled):
            return False
        found = [each for each in self._kept if same_request(each.waiting, cancelled)]
        if len(found) != 1:
            return False
        self._kept.remove(found[0])
        return True

    def _refusal(self, line: bytes) -> bytes:
        request_id = read_request_id(line)
        if request_id is None or request_id in self.replayed:
            return b""
        error = {"code": _INTERNAL_ERROR, "message": self._failure}
        return json.dumps({"jsonrpc": "2.0", "id": request_id, "error": error}).encode() + b"\n"
