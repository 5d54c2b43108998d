"""Test what the front door answers: exactly what the server answers, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import product
from typing import Any

import pytest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from breadcrumb_server.front_door.answers import Answers, load_answers
from breadcrumb_server.front_door.session import Session
from breadcrumb_server.front_door.shapes import CLIENT_CAPABILITIES, CLIENT_INFO, PROTOCOL_VERSION
from breadcrumb_server.mcp_server.resources import MAX_LISTED_PROJECTS
from breadcrumb_server.mcp_server.server import BreadcrumbServer, build_server
from breadcrumb_server.projects.home import Home
from breadcrumb_server.tool_sets import ALL, TOOL_SETS
from server_answers import server_answers

LISTS = ["tools/list", "prompts/list", "resources/list", "resources/templates/list"]
INFO = {"name": "client", "version": "1"}
ENVELOPE = {"_meta": {PROTOCOL_VERSION: MODERN_PROTOCOL_VERSIONS[-1], CLIENT_CAPABILITIES: {}, CLIENT_INFO: INFO}}
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'


def handshake(protocol_version: str = "2025-06-18", **changed: Any) -> dict[str, Any]:
    return {"protocolVersion": protocol_version, "capabilities": {}, "clientInfo": INFO} | changed


def request(number: Any, method: str, params: Any = None) -> bytes:
    content = {"jsonrpc": "2.0", "id": number, "method": method} | ({} if params is None else {"params": params})
    return json.dumps(content).encode()


def call(number: Any, tool: str, **arguments: Any) -> bytes:
    return request(number, "tools/call", {"name": tool, "arguments": arguments})


def cancel(number: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}}).encode()


def beginning(era: str) -> list[bytes]:
    """Return the messages with which clients of an era begin."""
    if era == "handshake":
        return [request(0, "initialize", handshake()), INITIALIZED, *(request(i, m) for i, m in enumerate(LISTS, 1))]
    return [request(i, m, ENVELOPE) for i, m in enumerate(["server/discover", *LISTS])]


@pytest.fixture(scope="module")
def answers() -> Answers:
    loaded = load_answers(ALL)
    assert loaded is not None
    return loaded


@pytest.fixture
def door(home: Home, answers: Answers) -> Session:
    return Session(answers)


eras = pytest.mark.parametrize("era", ["handshake", "envelope"])


@pytest.mark.anyio
@eras
@pytest.mark.parametrize("projects", [0, 1, MAX_LISTED_PROJECTS + 1])
async def test_what_a_client_asks_first_is_answered_as_the_server_does(
    door: Session, server: BreadcrumbServer, home: Home, era: str, projects: int
) -> None:
    for number in range(projects):
        home.create()
        home.config_file(f"project-{number}").touch()
        (home.folder / f"not a project {number}.yaml").touch()
    lines = beginning(era)
    assert [door.receive(line) for line in lines] == await server_answers(server, lines)
    assert not door.needs_server


@pytest.mark.anyio
@eras
@pytest.mark.parametrize("tool_set", TOOL_SETS)
async def test_the_tools_of_each_set_are_listed_as_the_server_does(home: Home, era: str, tool_set: str) -> None:
    door = Session(load_answers(tool_set))
    lines = beginning(era)
    assert [door.receive(line) for line in lines] == await server_answers(build_server(home, tool_set), lines)


@pytest.mark.anyio
@pytest.mark.parametrize("offered", [*HANDSHAKE_PROTOCOL_VERSIONS, *MODERN_PROTOCOL_VERSIONS, "2031-01-01", ""])
async def test_every_version_is_negotiated_as_the_server_does(
    door: Session, server: BreadcrumbServer, offered: str
) -> None:
    lines = [request(0, "initialize", handshake(offered)), *(request(i, m) for i, m in enumerate(["ping", *LISTS], 1))]
    given = [door.receive(line) for line in lines]
    assert given == await server_answers(server, lines)
    assert all(given)
    assert json.loads(given[0])["result"]["serverInfo"]["version"] == version("breadcrumb-mcp")


ODD: list[Any] = [None, True, 0, 1.5, "", "true", [], [{}], {}, {"listChanged": True}, {"a": {}}, {"a": 1}, {"src": 1}]
IN_CAPABILITIES = [
    (),
    ("roots",),
    ("roots", "listChanged"),
    ("roots", "list_changed"),
    ("sampling",),
    ("sampling", "context"),
    ("sampling", "tools"),
    ("elicitation",),
    ("elicitation", "form"),
    ("elicitation", "url"),
    ("experimental",),
    ("extensions",),
    ("tasks",),
    ("tasks", "list"),
    ("tasks", "cancel"),
    ("tasks", "requests"),
    ("tasks", "requests", "sampling"),
    ("tasks", "requests", "sampling", "createMessage"),
    ("tasks", "requests", "elicitation"),
    ("tasks", "requests", "elicitation", "create"),
    ("tools",),
]
IN_INFO = [(), *((name,) for name in ("name", "version", "title", "description", "websiteUrl", "icons", "other"))]
IN_HANDSHAKE = [
    (),
    ("protocolVersion",),
    ("_meta",),
    ("other",),
    *(("capabilities", *path) for path in IN_CAPABILITIES),
    *(("clientInfo", *path) for path in IN_INFO),
]
IN_ENVELOPE = [
    (),
    ("cursor",),
    ("other",),
    ("_meta",),
    ("_meta", PROTOCOL_VERSION),
    ("_meta", "progressToken"),
    ("_meta", "io.modelcontextprotocol/logLevel"),
    ("_meta", "other"),
    *(("_meta", CLIENT_CAPABILITIES, *path) for path in IN_CAPABILITIES),
    *(("_meta", CLIENT_INFO, *path) for path in IN_INFO),
]
IN_LIST = [(), ("cursor",), ("other",), ("_meta",), *(("_meta", name) for name in ("progressToken", "progress_token"))]


def changed(content: Any, path: tuple[str, ...], value: Any) -> Any:
    """Return a copy of an object with another value at a path."""
    if not path:
        return value
    return {**content, path[0]: changed(content.get(path[0], {}), path[1:], value)}


def odd_params(params: dict[str, Any], paths: list[tuple[str, ...]]) -> Iterator[Any]:
    """Yield parameters that have another value, or none, in one place."""
    for path in paths:
        for value in ODD:
            yield changed(params, path, value)
    for name in params:
        yield {key: value for key, value in params.items() if key != name}


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "a carriage return at the end": lambda line: line + b"\r",
    "white space": lambda line: b" \t" + line + b"  ",
    "a mark of the byte order": lambda line: b"\xef\xbb\xbf" + line,
    "a cut": lambda line: line[:-1],
    "more at the end": lambda line: line + b"{}",
    "a batch": lambda line: b"[" + line + b"]",
    "a byte that is no UTF-8": lambda line: line.replace(b"here", b"\xff"),
    "a surrogate as bytes": lambda line: line.replace(b"here", b"\xed\xa0\x80"),
    "a lone surrogate": lambda line: line.replace(b"here", b"\\ud800"),
    "another lone surrogate": lambda line: line.replace(b"here", b"\\uDFFF"),
    "a character as two escapes": lambda line: line.replace(b"here", b"\\ud83d\\ude00"),
    "a character of another language": lambda line: line.replace(b"here", "日本".encode()),
    "a control character": lambda line: line.replace(b"here", b"\x01"),
    "an id twice": lambda line: line.replace(b"{", b'{"id": 5,', 1),
    "a method twice": lambda line: line.replace(b"{", b'{"method": "ping",', 1),
    "parameters twice": lambda line: line.replace(b'"params":', b'"params": {"cursor": 1}, "params":', 1),
    "parameters twice, right ones first": lambda line: line[:-1] + b', "params": {"cursor": 1}}',
    "a key twice": lambda line: line.replace(b'"here"', b'"here", "roots": true, "roots": {}'),
    "no number": lambda line: line.replace(b'"here"', b"NaN"),
    "no end": lambda line: line.replace(b'"here"', b"-Infinity"),
    "too large a number": lambda line: line.replace(b'"here"', b"1e999"),
    "many digits": lambda line: line.replace(b'"here"', b"9" * 5000),
    "a leading zero": lambda line: line.replace(b'"here"', b"01"),
    "deep brackets": lambda line: line.replace(b'"here"', b'{"a":' * 250 + b"1" + b"}" * 250),
    "a large message": lambda line: line.replace(b"here", b"c" * 100_000),
}
IDS: list[Any] = [
    *(0, "a", "7", "", -1, 1.0, True, None, [], {}, 2**53, 2**53 + 1, 2**64, 2**70),
    *("\xe4", 'quote"', "back\\slash", "\x7f", "new\nline", "\x01", "\u2028", " "),
]


def odd_lines(method: str, params: dict[str, Any], marked: tuple[str, ...]) -> Iterator[bytes]:
    """Yield requests with something odd in one place outside of the parameters.

    Args:
        method: Of the requests.
        params: Their parameters.
        marked: Where the parameters may have anything.
    """
    line = request(1, method, changed(params, marked, "here"))
    yield line
    for damage in DAMAGE.values():
        yield damage(line)
    for number in IDS:
        yield request(number, method, params)
    content = json.loads(request(1, method, params))
    for key, value in [("jsonrpc", "1.0"), ("result", {}), ("error", {"code": 1, "message": ""}), ("other", 1)]:
        yield json.dumps(content | {key: value}).encode()
    for key in content:
        yield json.dumps({name: value for name, value in content.items() if name != key}).encode()


async def compare(answers: Answers, server: BreadcrumbServer, lines: list[bytes]) -> int:
    """Check that each answer to a session is the server's; return how many were left to the server."""
    session = Session(answers)
    given = [session.receive(line) for line in lines]
    for line, here, there in zip(lines, given, await server_answers(server, lines), strict=True):
        assert here in (b"", there), line[:1000]
    return given.count(b"")


@pytest.mark.anyio
async def test_odd_handshakes_are_answered_as_the_server_does(answers: Answers, server: BreadcrumbServer) -> None:
    sent = [request(0, "initialize", params) for params in odd_params(handshake(), IN_HANDSHAKE)]
    sent += odd_lines("initialize", handshake(), ("capabilities", "here"))
    left = sum([await compare(answers, server, [line, request("list", "prompts/list")]) > 0 for line in sent])
    assert 0 < left < len(sent)


@pytest.mark.anyio
async def test_odd_requests_in_envelopes_are_answered_as_the_server_does(
    answers: Answers, server: BreadcrumbServer
) -> None:
    sent = [request(0, "prompts/list", params) for params in odd_params(ENVELOPE, IN_ENVELOPE)]
    sent += odd_lines("prompts/list", ENVELOPE, ("_meta", CLIENT_CAPABILITIES, "here"))
    left = sum([await compare(answers, server, [line, request("list", "prompts/list", ENVELOPE)]) > 0 for line in sent])
    assert 0 < left < len(sent)


@pytest.mark.anyio
async def test_odd_requests_after_a_handshake_are_answered_as_the_server_does(
    answers: Answers, server: BreadcrumbServer
) -> None:
    sent = [request(0, "prompts/list", params) for params in odd_params({"_meta": {}}, IN_LIST)]
    sent += odd_lines("ping", {"_meta": {}}, ("_meta", "here"))
    for line in sent:
        await compare(answers, server, [request("first", "initialize", handshake()), line, request(2, "prompts/list")])


KINDS = {
    "ping": request("ping", "ping"),
    "handshake": request("handshake", "initialize", handshake()),
    "odd handshake": request("odd", "initialize", handshake("2024-11-05", _meta={})),
    "list": request("list", "prompts/list"),
    "list in an envelope": request("envelope", "prompts/list", ENVELOPE),
    "call": call("call", "get_config"),
    "notification": INITIALIZED,
}


@pytest.mark.anyio
@pytest.mark.parametrize("first", KINDS)
async def test_any_order_of_messages_is_answered_as_the_server_does(
    answers: Answers, server: BreadcrumbServer, first: str
) -> None:
    for others in product(KINDS.values(), repeat=2):
        await compare(answers, server, [KINDS[first], *others, request("last", "resources/templates/list")])


def test_a_request_that_is_cancelled_while_it_waits_never_reaches_the_server(door: Session) -> None:
    for line in [*beginning("handshake"), call(7, "list_projects"), call("8", "list_projects"), cancel(7), cancel(8)]:
        door.receive(line)
    assert not door.needs_server
    assert b"list_projects" not in door.hand_over()


def test_what_cancels_no_waiting_request_is_left_to_the_server(door: Session) -> None:
    twice = [call(7, "list_projects"), call("7", "list_projects")]
    lines = [*twice, cancel(7), cancel(9), cancel(None), cancel([])]
    for line in [*beginning("handshake"), *lines]:
        door.receive(line)
    assert door.hand_over().splitlines()[-len(lines) :] == lines


@eras
def test_the_server_gets_what_it_has_to_know_in_the_order_in_which_it_came(door: Session, era: str) -> None:
    params = ENVELOPE if era == "envelope" else {}
    lines = [
        *beginning(era),
        request("call", "tools/call", {"name": "list_projects", "arguments": {}, **params}),
        request("page", "tools/list", {"cursor": "x", **params}),
        cancel("other"),
    ]
    unanswered = [line for line in lines if not door.receive(line)]
    first, *others = door.hand_over().splitlines()
    replayed = json.loads(first)
    assert {replayed.pop("id")} == door.replayed
    assert replayed == {key: value for key, value in json.loads(lines[0]).items() if key != "id"}
    assert others == unanswered


def test_the_server_is_told_the_version_that_the_client_was_told(door: Session) -> None:
    answer = json.loads(door.receive(request(0, "initialize", handshake("2031-01-01"))))
    assert json.loads(door.hand_over())["params"]["protocolVersion"] == answer["result"]["protocolVersion"]


def test_projects_that_cannot_be_listed_are_left_to_the_server(door: Session, monkeypatch: Any) -> None:
    def fail() -> Home:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Home, "from_environment", fail)
    given = [door.receive(line) for line in beginning("handshake")]
    assert [bool(answer) for answer in given] == [True, False, True, True, False, True]


def test_without_its_answers_everything_is_left_to_the_server() -> None:
    session = Session(None)
    lines = beginning("handshake")
    assert not any(session.receive(line) for line in lines)
    assert session.hand_over().splitlines() == lines
