"""Run the demo: a real client starts the real server over stdio and finds a bug with the tools alone."""

import ast
import json
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from breadcrumb_server.demo.transcript import Transcript, standard_output
from breadcrumb_server.projects.home import ENV_HOME

SAMPLE = Path(__file__).parent / "sample"
PROJECT = "shop"
# The sample ends within a second; the rest is for a busy machine.
TIMEOUT_SECONDS = 60

_AFTERWARDS = """
Where to go next

  Claude Code:     claude mcp add breadcrumb -- {command}
  Claude Desktop:  {config}
  any MCP client:  {command}  (stdio)

Then ask: "Use breadcrumb to find out why my tests fail."
"""


class DemoFailed(Exception):
    """The tools did not lead to the bug, so this installation of Breadcrumb is broken."""


def run_demo(*, keep: bool = False) -> int:
    """Debug a copy of the sample program.

    Args:
        keep: Whether to keep the copy with its traces.

    Returns:
        The exit code: 0 only if the tools' answers led to the bug.
    """
    folder = Path(tempfile.mkdtemp(prefix="breadcrumb-demo-"))
    transcript = standard_output()
    try:
        failure = anyio.run(_walk, folder, transcript)
    finally:
        if keep:
            transcript.plain(f"\nKept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if failure:
        transcript.say(f"The demo failed: {failure}")
        return 1
    command = _own_command()
    config = {"mcpServers": {"breadcrumb": {"command": command[0], "args": command[1:]}}}
    transcript.plain(_AFTERWARDS.format(command=shlex.join(command), config=json.dumps(config)))
    return 0


class _Session:
    """A client that prints each tool call and its answer."""

    def __init__(self, client: Client, transcript: Transcript) -> None:
        self._client = client
        self._transcript = transcript

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        self._transcript.call(tool, arguments)
        result = await self._client.call_tool(tool, arguments)
        if result.is_error or result.structured_content is None:
            text = " ".join(getattr(block, "text", "") for block in result.content)
            raise DemoFailed(f"{tool} answered with an error: {text}")
        size = sum(len(getattr(block, "text", "")) for block in result.content)
        content: dict[str, Any] = result.structured_content
        self._transcript.answer(content, size)
        return content

    async def follow(self, report: str, tool: str) -> dict[str, Any]:
        """Make the call that the last line of a run report proposes."""
        _, _, proposed = report.rpartition("\nnext: ")
        call = ast.parse(proposed, mode="eval").body if proposed.startswith(f"{tool}(") else None
        if not isinstance(call, ast.Call):
            raise DemoFailed(f"the report proposes no {tool}: {report}")
        return await self.call(tool, **{word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg})


async def _walk(folder: Path, transcript: Transcript) -> str | None:
    """Start the server and debug the sample; return what went wrong, or None."""
    shutil.copytree(SAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "breadcrumb_server"],
        env={**os.environ, ENV_HOME: str(folder / "home")},
    )
    transcript.say("A shop bills its orders, and the last one fails. An agent looks into it: each '>' is a tool call.")
    async with Client(stdio_client(server)) as client:
        try:
            await _find_the_bug(_Session(client, transcript), folder / "shop_app", transcript)
        except DemoFailed as error:
            return str(error)
    return None


async def _find_the_bug(session: _Session, workspace: Path, transcript: Transcript) -> None:
    transcript.say("1. Set the project up. What to trace is found in the workspace.")
    await session.call("init_project", project=PROJECT, workspace=str(workspace))

    transcript.say("2. Run the program under the tracer. The report has the exception and the values on its way.")
    command = [sys.executable, "checkout.py"]
    first = await session.call("run", project=PROJECT, command=command, timeout_seconds=TIMEOUT_SECONDS)
    _expect(first["status"] == "failed" and "KeyError: 'BY'" in first["report"], "the first run reports the KeyError")

    transcript.say(
        "3. The error comes out of a library that was called, but not traced: a gap. Make the call that the report "
        "proposes, and run again."
    )
    await session.follow(first["report"], "edit_config")
    second = await session.call("run", project=PROJECT, command=command, timeout_seconds=TIMEOUT_SECONDS)
    _expect(second["status"] == "failed" and "KeyError: 'BY'" in second["report"], "the second run reports it too")

    transcript.say("4. Read the library's functions, with the calls that matter and what came out of them.")
    shown = await session.call("show", project=PROJECT, what=["rate_for", "country_code"])
    _expect("rate_for" in shown["text"] and "!! KeyError: 'BY'" in shown["text"], "the call that raised is shown")
    _expect("region='DE-BY' -> 'BY'" in shown["text"], "the call that turned 'DE-BY' into 'BY' is shown")

    transcript.say("5. Make sure: a probe evaluates an expression at a place while the program runs.")
    probed = await session.call(
        "run",
        project=PROJECT,
        command=command,
        timeout_seconds=TIMEOUT_SECONDS,
        probes={"country_code return": ["region.partition('-')[0]"]},
    )
    _expect("'DE'" in probed["report"], "the probe shows the country")

    transcript.say("6. Anything else can be asked in SQL: the second run recorded what the first one could not see.")
    counted = await session.call(
        "query_traces",
        project=PROJECT,
        sql="SELECT trace_id, count(*) AS calls, count(*) FILTER (module_name LIKE 'ratebook%') AS in_ratebook "
        "FROM calls GROUP BY trace_id ORDER BY trace_id",
    )
    by_trace = {row[0]: row[2] for row in counted["rows"]}
    _expect(by_trace.get(first["trace_id"], 0) == 0 < by_trace.get(second["trace_id"], 0), "the gap was closed")
    transcript.say(
        "Found: ratebook.lookup.country_code('DE-BY') returns 'BY', the part after the dash. The country, 'DE', "
        "is before it. No print statement, no debugger, no change to the code."
    )


def _expect(condition: bool, what: str) -> None:
    if not condition:
        raise DemoFailed(f"expected that {what}.")


def _own_command() -> list[str]:
    """Return the command that starts this server, with a full path because clients do not share the shell's PATH."""
    script = Path(sys.executable).with_name("breadcrumb-mcp")
    return [str(script)] if script.exists() else [sys.executable, "-m", "breadcrumb_server"]
