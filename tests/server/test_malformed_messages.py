"""Whatever a client sends is answered: with a result, or with an error of JSON-RPC."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from http_servers import http_server
from stdio_server import ServerProcess

pytestmark = pytest.mark.processes

PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS = -32700, -32600, -32602
MIB = 1024 * 1024


def call(number: int, **arguments: Any) -> str:
    params = {"name": "list_traces", "arguments": arguments}
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})


def nested(opening: str, closing: str) -> str:
    deep = opening * 5_000 + "1" + closing * 5_000
    return '{"jsonrpc":"2.0","method":"tools/list","params":{"a":' + deep + '},"id":"x"}'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, processes: None) -> Any:
    from breadcrumb_server.projects.home import Home

    server = ServerProcess(
        Home(tmp_path_factory.mktemp("home")), [sys.executable, "-m", "breadcrumb_server"], hang_seconds=600
    )
    yield server
    server.close()


REFUSED = {
    "no JSON": ("not json", None, PARSE_ERROR),
    "half a message": ('{"jsonrpc": "2.0", "id": 7, "method": ', None, PARSE_ERROR),
    "NUL": ("\0", None, PARSE_ERROR),
    "no message": ("1", None, INVALID_REQUEST),
    "a list": ('[{"jsonrpc": "2.0", "id": 7, "method": "ping"}]', None, INVALID_REQUEST),
    "another version": ('{"jsonrpc": "1.0", "id": 7, "method": "ping"}', 7, INVALID_REQUEST),
    "params in a list": ('{"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": [1]}', 7, INVALID_REQUEST),
    "params that are text": ('{"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": "a"}', 7, INVALID_REQUEST),
    "a method that is a number": ('{"jsonrpc": "2.0", "id": 7, "method": 1}', 7, INVALID_REQUEST),
    "an id that is a list": ('{"jsonrpc": "2.0", "id": [7], "method": "ping"}', None, INVALID_REQUEST),
    "a lone surrogate": ('{"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {"a": "\\ud800"}}', 7, PARSE_ERROR),
    "a lone surrogate as id": ('{"jsonrpc": "2.0", "id": "\\udfff", "method": "tools/list"}', None, PARSE_ERROR),
    "lists 5,000 deep": (nested("[", "]"), "x", PARSE_ERROR),
    "objects 5,000 deep": (nested('{"b":', "}"), "x", PARSE_ERROR),
    "an answer to nothing": ('{"jsonrpc": "2.0", "id": 7, "result": 1}', None, INVALID_REQUEST),
    "8 MiB of brackets": ("[" * 8 * MIB, None, PARSE_ERROR),
}  # fmt: skip


@pytest.mark.parametrize(("line", "request_id", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_message_is_answered_with_an_error(server, line, request_id, code) -> None:
    server.send_line(line)

    message = server.next_message()

    assert (message["id"], message["error"]["code"]) == (request_id, code)
    assert len(message["error"]["message"]) < 500


@pytest.mark.parametrize("line", ["", "   ", '{"jsonrpc": "2.0", "method": "notifications/x", "params": [1]}'])
def test_what_awaits_no_answer_gets_none(server, line) -> None:
    server.send_line(line)
    server.send_line('{"jsonrpc": "2.0", "id": 8, "method": "ping"}')

    assert server.next_message() == {"jsonrpc": "2.0", "id": 8, "result": {}}


@pytest.mark.parametrize("size", [4 * MIB, 8 * MIB])
@pytest.mark.parametrize("text", ["x", "\\u0001", "password=", "((", "\u2028"])
def test_a_large_message_is_answered_in_few_words(server, size, text) -> None:
    server.send_line(call(9, project=text * (size // len(text))))

    message = server.next_message()

    assert message["id"] == 9
    assert message["result"]["isError"]
    assert len(json.dumps(message)) < 4_000


def test_a_thousand_calls_at_once_are_all_answered_and_leave_nothing(server) -> None:
    server.call("list_projects")
    before = resources(server)
    for number in range(1_000, 2_000):
        server.send_line(
            json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "list_projects"}})
        )

    answers = {message["id"]: message for message in (server.next_message() for _ in range(1_000))}

    assert sorted(answers) == list(range(1_000, 2_000))
    assert not any(message["result"].get("isError") for message in answers.values())
    descriptors, threads = resources(server)
    assert descriptors <= before[0] + 5
    assert threads <= before[1] + 40  # the workers that all calls share


def resources(server: ServerProcess) -> tuple[int, int]:
    """Return the numbers of descriptors and threads of the server."""
    folder = Path(f"/proc/{server.process.pid}")
    return len(list((folder / "fd").iterdir())), len(list((folder / "task").iterdir()))


@pytest.mark.anyio
async def test_over_http_what_is_no_message_is_answered_with_an_error_too(tmp_path, server_command) -> None:
    with http_server(server_command, tmp_path / "home") as server:
        async with server.http() as http:
            for name, (line, _, _) in REFUSED.items():
                answer = await http.post(server.url, content=line, headers={"content-type": "application/json"})
                if name == "8 MiB of brackets":  # HTTP has a status for it
                    assert answer.status_code == 413
                    continue
                assert answer.status_code == 400, (name, answer.text)
                assert answer.json()["error"]["code"] in (PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS), name
                assert len(answer.text) < 4_000, name
        async with server.client() as client:
            assert (await client.list_tools()).tools
