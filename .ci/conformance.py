"""Run MCP's official conformance suite against ``breadcrumb-mcp serve --transport http``.

The suite (npm: @modelcontextprotocol/conformance) knows no Authorization header, and calls tools, resources and prompts
of its own test server. A forwarder between the two adds the token, and replaces those names where Breadcrumb has
something of the same kind. What it has nothing of the kind for does not apply; NOT_APPLICABLE says why.

Needs npx with its package index. Run it in Breadcrumb's environment: python .ci/conformance.py
Exits with 0 if every scenario that applies passes. docs/http.md lists the last result.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

SUITE = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
NODE = "node@22"  # the suite needs 22, which not every system has
VERSIONS = ("2025-11-25", "2026-07-28")

NOT_APPLICABLE = {
    "tools-call-image": "no tool answers with an image",
    "tools-call-audio": "no tool answers with audio",
    "tools-call-embedded-resource": "no tool embeds a resource",
    "tools-call-mixed-content": "no tool answers with images or resources",
    "tools-call-with-logging": "no tool logs on purpose: only failures are logged",
    "tools-call-sampling": "the server asks nothing of the client's model",
    "tools-call-elicitation": "the server asks the user nothing",
    "elicitation-sep1034-defaults": "the server asks the user nothing",
    "elicitation-sep1330-enums": "the server asks the user nothing",
    "json-schema-2020-12": "wants a tool with a given schema",
    "server-sse-polling": "wants a tool that closes its own stream; no call does that",
    "resources-read-binary": "no resource is binary",
    "prompts-get-embedded-resource": "no prompt embeds a resource",
    "prompts-get-with-image": "no prompt has an image",
    "http-custom-header-server-validation": "no argument of a tool is mirrored in a header (x-mcp-header)",
}
NOT_APPLICABLE_PREFIXES = {
    "input-required-result-": "no answer asks for input",
    "tasks-": "the extension is not offered",
    "sep-2640-": "the extension is not offered",
}

# Of the scenario server-stateless: both call a tool test_missing_capability, whose name has no counterpart.
NOT_APPLICABLE_CHECKS = {
    "sep-2575-server-rejects-undeclared-capability": "no tool needs a capability of the client",
    "sep-2575-missing-capability-http-400": "no tool needs a capability of the client",
}

PROJECT = "123"  # the suite reads test://template/123/data and looks for 123 in it
URIS = {
    "test://static-text": "breadcrumb://schema",
    "test://watched-resource": "breadcrumb://schema",
    "test://template/123/data": f"breadcrumb://projects/{PROJECT}/config",
}
SLOW = ["python3", "-c", "import time; time.sleep(4)"]  # progress is reported once a second
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "test_simple_text": ("list_projects", {}),
    "test_error_handling": ("get_config", {"project": "missing"}),
    "test_tool_with_progress": ("run", {"project": PROJECT, "command": SLOW, "timeout_seconds": 60}),
}


def replace_names(message: dict[str, Any]) -> str | None:
    """Replace the names of the suite in a request, and return the new name or URI, which a header repeats."""
    method, params = message.get("method"), message.get("params") or {}
    if method == "tools/call" and params.get("name") in CALLS:
        params["name"], params["arguments"] = CALLS[params["name"]]
        return params["name"]
    if method == "prompts/get" and params.get("name") == "test_simple_prompt":
        params["name"], params["arguments"] = "debug", {"command": "python app.py"}
        return params["name"]
    if method == "prompts/get" and params.get("name") == "test_prompt_with_arguments":
        given = params.get("arguments") or {}
        params["name"], params["arguments"] = "debug", {"command": given.get("arg1"), "workspace": given.get("arg2")}
        return params["name"]
    if method == "completion/complete" and params.get("ref", {}).get("name") == "test_prompt_with_arguments":
        params["ref"]["name"], params["argument"]["name"] = "explain_failure", "project"
    if isinstance(params, dict) and params.get("uri") in URIS:
        params["uri"] = URIS[params["uri"]]
        return params["uri"]
    return None


def make_forwarder(port: int, token: str) -> Starlette:
    """Make the application that stands between the suite and the server on ``port``."""
    client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=None)

    async def forward(request: Request) -> StreamingResponse:
        body = await request.body()
        headers = {
            name: value for name, value in request.headers.items() if name not in ("content-length", "accept-encoding")
        }
        headers["authorization"] = f"Bearer {token}"
        try:
            message = json.loads(body)
        except ValueError:  # also part of the suite
            message = None
        if isinstance(message, dict):
            name = replace_names(message)
            if name and "mcp-name" in headers:
                headers["mcp-name"] = name
            body = json.dumps(message).encode()
        answer = await client.send(
            client.build_request(request.method, request.url.path, content=body, headers=headers), stream=True
        )

        async def content() -> Any:
            try:
                async for part in answer.aiter_raw():
                    yield part
            finally:
                await answer.aclose()

        kept = {
            name: value for name, value in answer.headers.items() if name not in ("content-length", "transfer-encoding")
        }
        return StreamingResponse(content(), answer.status_code, kept)

    return Starlette(routes=[Route("/mcp", forward, methods=["GET", "POST", "DELETE", "PUT", "OPTIONS"])])


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def breadcrumb_server(folder: Path) -> Any:
    """Start Breadcrumb with a home of its own, and yield its port and its token."""
    home, port = folder / "home", free_port()
    environment = {**os.environ, "BREADCRUMB_HOME": str(home)}
    subprocess.run(
        [sys.executable, "-m", "breadcrumb_server.command_line", "init", PROJECT],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    command = [sys.executable, "-m", "breadcrumb_server", "serve", "--transport", "http", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        print(server.stderr.readline().strip())
        threading.Thread(target=server.stderr.read, daemon=True).start()  # or its pipe fills up
        try:
            yield port, (home / "http-token").read_text().strip()
        finally:
            server.terminate()


@contextmanager
def forwarding(port: int, token: str) -> Any:
    """Run the forwarder in a thread, and yield its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(make_forwarder(port, token), log_level="warning", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def run_suite(url: str, version: str, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Run the suite for one version of the protocol, and return the checks of each scenario."""
    folder.mkdir()
    command = ["npx", "--yes", "-p", NODE, "-p", SUITE, "conformance", "server", "--url", url, "--suite", "all"]
    done = subprocess.run(
        [*command, "--spec-version", version, "-o", str(folder)], capture_output=True, text=True, cwd=folder
    )
    results = re.findall(r"^[✓✗] ([\w-]+): \d+ passed", done.stdout, re.MULTILINE)
    if not results:
        raise SystemExit(f"The suite did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    saved = {name: next(folder.glob(f"server-{name}-20*/checks.json")) for name in results}
    return {name: json.loads(file.read_text()) for name, file in saved.items()}


def failures(checks: list[dict[str, Any]]) -> list[str]:
    """Return the checks that failed, of those that apply."""
    wrong = [each for each in checks if each["status"] == "FAILURE" and each["id"] not in NOT_APPLICABLE_CHECKS]
    return [f"{each['id']}: {each.get('errorMessage', each)}" for each in wrong]


def reason(scenario: str) -> str | None:
    """Return why a scenario does not apply, or None."""
    by_prefix = (why for prefix, why in NOT_APPLICABLE_PREFIXES.items() if scenario.startswith(prefix))
    return NOT_APPLICABLE.get(scenario) or next(by_prefix, None)


def main() -> int:
    """Run the suite for each version of the protocol and print a table."""
    failed = []
    with (
        tempfile.TemporaryDirectory() as name,
        breadcrumb_server(Path(name)) as (port, token),
        forwarding(port, token) as forwarder,
    ):
        for version in VERSIONS:
            results = run_suite(f"http://127.0.0.1:{forwarder}/mcp", version, Path(name, version))
            applying = [each for each in results if not reason(each)]
            print(f"\n{SUITE}, protocol {version}: {len(applying)} of {len(results)} scenarios apply")
            for scenario, checks in results.items():
                passed = sum(each["status"] == "SUCCESS" for each in checks)
                if why := reason(scenario):
                    print(f"  -    {scenario:45} {why}")
                elif wrong := failures(checks):
                    failed.append(f"{scenario} ({version})")
                    print(f"  FAIL {scenario}", *wrong, sep="\n         ")
                else:
                    print(f"  pass {scenario:45} {passed} checks")
    print(f"\nFailed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
