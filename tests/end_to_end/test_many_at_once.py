"""Test that servers, the command line and a user's program that share a project cure by waiting what waiting cures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from breadcrumb_server.projects.home import ENV_HOME, Home
from breadcrumb_storage.database import Database

pytestmark = pytest.mark.processes

CALLS = 300
PROGRAM = f"def half(number):\n    return number / 2\nfor number in range({CALLS}):\n    half(number)\n"

# Two runs one after the other, with questions in between; prints the errors.
SERVER = """
import anyio, json, sys
from pathlib import Path
from mcp import Client
from breadcrumb_server.mcp_server.server import build_server
from breadcrumb_server.projects.home import ENV_HOME, Home

async def main(home, script):
    errors = []
    async with Client(build_server(Home(Path(home))), mode="legacy") as client:
        command = {"command": [sys.executable, script], "timeout_seconds": 120, "wait_seconds": 120}
        for tool, arguments in [("run", command), ("list_traces", {}), ("run", command), ("find_gaps", {})]:
            answer = await client.call_tool(tool, {"project": "shop", **arguments})
            if answer.is_error:
                errors.append(answer.content[0].text)
    print(json.dumps(errors))

anyio.run(main, *sys.argv[1:])
"""
BREADCRUMB = "import sys; from breadcrumb_server.command_line.breadcrumb import main; sys.exit(main())"
# A user's program that holds the database again and again.
HOLDER = """
import sys, time, duckdb
while True:
    try:
        con = duckdb.connect(sys.argv[1], read_only=True)
    except duckdb.Error:
        time.sleep(0.02)
        continue
    time.sleep(0.2)
    con.close()
    time.sleep(0.05)
"""


def test_runs_of_two_servers_and_a_shell_beside_a_program_that_holds_the_database_are_complete(
    tmp_path: Path, workspace: Path
) -> None:
    home = Home(tmp_path / "shared")
    script = workspace / "halves.py"
    script.write_text(PROGRAM)
    home.folder.mkdir(mode=0o700)
    home.config_file("shop").write_text(
        f'project: shop\nworkspace: {workspace}\ninclude: ["__main__"]\ncapture: {{mode: full}}\n'
    )
    file = home.database_file("shop")
    with Database(file).write():
        pass
    environment = {**os.environ, ENV_HOME: str(home.folder)}
    shell = [
        sys.executable,
        "-c",
        BREADCRUMB,
        "run",
        "-c",
        "shop",
        "--timeout",
        "120",
        sys.executable,
        str(script),
    ]
    servers = [[sys.executable, "-c", SERVER, str(home.folder), str(script)] for _ in range(2)]
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(file)]) as holder:
        try:
            started = [
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
                for command in (*servers, shell)
            ]
            outputs = [each.communicate() for each in started]
        finally:
            holder.kill()
    assert [each.returncode for each in started] == [0, 0, 0], outputs
    assert [json.loads(out) for out, _ in outputs[:2]] == [[], []]
    with Database(file).read() as con:
        complete = con.execute(
            "SELECT status, count(*) FROM traces JOIN calls USING (trace_id) GROUP BY trace_id, status"
        ).fetchall()
    assert complete == [("completed", CALLS + 1)] * 5
    assert not list(home.spool_folder("shop").iterdir())
