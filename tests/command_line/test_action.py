"""Test the action for GitHub and the jobs of docs/ci.md, by running their steps."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from breadcrumb_server.mcp_server.tools import all_tools
from workflow_steps import Job

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parent.parent.parent
ACTION = ROOT / ".github" / "actions" / "breadcrumb"
PAGE = (ROOT / "docs" / "ci.md").read_text()
FAILING = "from shop import tax\n\ndef test_tax():\n    print('::error::`a` <b>')\n    assert tax('fr', 100) == 20\n"
SHOP = "RATES = {'at': 20}\n\ndef tax(country, amount):\n    return amount * RATES[country] / 100\n"

# Stands for the installation, which needs a package index.
INSTALLED = f"""mkdir -p "$ENVIRONMENT/bin"
test -f "$SOURCE/pyproject.toml" && test -x "$PYTHON"
printf '#!/bin/sh\\nexec {sys.executable} -m breadcrumb_server.command_line "$@"\\n' > "$ENVIRONMENT/bin/breadcrumb"
chmod +x "$ENVIRONMENT/bin/breadcrumb"
"""


def job_of_page(name: str = "test") -> dict[str, Any]:
    workflow = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0]
    return yaml.safe_load(workflow)["jobs"][name]


@pytest.fixture
def job(workspace: Path, tmp_path: Path) -> Job:
    for name, text in (("requirements.txt", ""), ("shop.py", SHOP), ("test_shop.py", FAILING)):
        (workspace / name).write_text(text)
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PIP_NO_INDEX": "1"}
    return Job(workspace, tmp_path / "runner", {"OWNER/breadcrumb/": ACTION}, {"install": INSTALLED}, environment)


def test_a_failing_job_stays_red_and_its_summary_shows_what_the_test_did(job) -> None:
    job.run(job_of_page())
    assert job.failed
    assert "tax(country='fr', amount=100)" in job.summary and "1 of 1 failed test failed again" in job.summary
    outputs = job.outputs["breadcrumb"]
    assert outputs["failed-before"] == outputs["failed-again"] == "1" and outputs["passed-now"] == "0"
    kept = Path(job.given["actions/upload-artifact"]["path"])
    assert kept.name == "ci-traces.duckdb" and kept.is_file() and str(kept) == outputs["database"]
    # pytest shows the output of a failed test, in its own step: what ours writes is no command to the runner
    ours = job.log.split("generated xml file")[1]
    assert "| project: ci" in ours and not re.search(r"^\s*::", ours, re.MULTILINE)


def test_a_green_job_stays_green_and_runs_nothing_again(job) -> None:
    (job.workspace / "test_shop.py").write_text("def test_passes(): ...\n")
    job.run(job_of_page())
    assert not job.failed and job.summary == "" and "breadcrumb" not in job.outputs


def test_a_test_that_passes_the_second_time_leaves_the_job_red(job) -> None:
    (job.workspace / "test_shop.py").write_text(
        "from pathlib import Path\n\ndef test_flaky():\n    seen = Path('seen').exists()\n    Path('seen').write_text('')\n    assert seen\n"
    )
    job.run(job_of_page())
    assert job.failed and job.outputs["breadcrumb"]["passed-now"] == "1" and "flaky" in job.summary


def always_traced() -> list[dict[str, Any]]:
    """Return the steps of the page, with the action in a job that does not fail."""
    steps = job_of_page()["steps"]
    return [step | {"if": "success()"} if step.get("id") == "breadcrumb" else step for step in steps]


@pytest.mark.parametrize("broken", ["no file", "no installation", "another system"])
def test_what_goes_wrong_in_the_action_does_not_make_a_green_job_red(job, broken) -> None:
    (job.workspace / "test_shop.py").write_text("def test_passes(): ...\n")
    steps = always_traced()
    if broken == "no file":
        steps = [step for step in steps if step.get("name") != "Test"]
    if broken == "no installation":
        job.replaced = {"install": "exit 3"}
    if broken == "another system":
        job.system = "macOS"
    job.run({"steps": steps})
    assert not job.failed and job.outputs["breadcrumb"]["database"] == ""
    if broken == "another system":
        assert "::notice title=Breadcrumb::It runs on Linux alone" in job.log and job.summary == ""
    else:
        assert "::warning title=Breadcrumb::" in job.log
        assert job.summary.startswith("## Breadcrumb: the failed tests were not run again\n")


def test_inputs_reach_the_run_and_are_no_code(job) -> None:
    (job.workspace / "sub dir").mkdir()
    for name in ("shop.py", "test_shop.py"):
        (job.workspace / name).rename(job.workspace / "sub dir" / name)
    inputs = {
        "junit": "\nnope$(touch pwned).xml\njunit.xml\n",
        "command": f"{sys.executable} -m pytest -p no:randomly $(touch${{IFS}}pwned)",
        "working-directory": "sub dir",
    }
    steps = job_of_page()["steps"]
    test = next(step for step in steps if step.get("name") == "Test")
    test["working-directory"] = "sub dir"
    next(step for step in steps if step.get("id") == "breadcrumb")["with"] = inputs
    job.run({"steps": steps})
    assert "There is no file" in job.log and "nope$(touch pwned).xml" in job.log
    assert not list(job.workspace.rglob("pwned"))


def test_the_lines_for_any_shell_do_what_the_page_says(job, tmp_path) -> None:
    (script,) = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    environment = {**os.environ, **job.environment, "BREADCRUMB_HOME": str(tmp_path / "home")}
    done = subprocess.run(["bash", "-ec", script], cwd=job.workspace, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == ""
    assert "1 of 1 failed test failed again" in (job.workspace / "breadcrumb.md").read_text()
    assert "failed_again=1\n" in (job.workspace / "breadcrumb.env").read_text()


def test_the_script_for_gitlab_leaves_its_artifacts(job) -> None:
    gitlab = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1])["test"]
    job.temp.mkdir()
    environment = {**os.environ, **job.environment, "CI_PROJECT_DIR": str(job.workspace), "CI_JOB_STATUS": "failed"}
    (script,) = gitlab["after_script"]
    installed = INSTALLED.partition("test -f")[0] + INSTALLED.partition('test -x "$PYTHON"\n')[2]
    lines = [installed, *(line for line in script.splitlines() if "venv" not in line and "pip install" not in line)]
    text = "\n".join(lines).replace("/tmp/breadcrumb/", f"{job.temp}/")
    for commands, code in (("\n".join(gitlab["script"]), 1), (text, 0)):
        env = {**environment, "ENVIRONMENT": str(job.temp)}
        done = subprocess.run(["sh", "-ec", commands], cwd=job.workspace, env=env, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
    for path in [*gitlab["artifacts"]["paths"], gitlab["artifacts"]["reports"]["junit"]]:
        assert (job.workspace / path).is_file()


@pytest.mark.anyio
async def test_the_session_of_an_agent_reads_the_recording_of_the_job(job) -> None:
    job.run(job_of_page())
    page = (ROOT / "docs" / "ci-agent.md").read_text()
    jobs = yaml.safe_load("jobs:\n" + re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[0])
    steps: list[dict[str, Any]] = jobs["jobs"]["explain"]["steps"]
    download, prepare, ask = steps[1], steps[-2], steps[-1]
    assert download["with"]["name"] == job.given["actions/upload-artifact"]["name"]
    downloaded = Path(download["with"]["path"].replace("${{ runner.temp }}", str(job.temp)))
    shutil.copy(job.outputs["breadcrumb"]["database"], downloaded / "ci-traces.duckdb")
    scripts = job.temp / "environment" / "bin"
    scripts.mkdir(parents=True)
    for name, module in (("breadcrumb", "breadcrumb_server.command_line"), ("breadcrumb-mcp", "breadcrumb_server")):
        (scripts / name).write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
        (scripts / name).chmod(0o755)
    # the agent's client is not there: what it is given is kept instead
    (scripts / "claude").write_text('#!/bin/sh\nprintf "%s\\n" "$@" > arguments; cat prompt.txt; cat > /dev/null\n')
    (scripts / "claude").chmod(0o755)
    job.environment = {**job.environment, "PATH": f"{scripts}:{job.environment['PATH']}"}
    session = Job(job.workspace, job.temp, environment=job.environment)
    session.run({"steps": [prepare, ask | {"env": {}}]})
    folder = job.temp / "session"
    assert not session.failed, session.log
    assert f"the code is in {job.workspace}" in " ".join(session.summary.split())
    assert "country='fr'" in (folder / "report.md").read_text()

    arguments = (folder / "arguments").read_text().splitlines()
    tools = arguments[arguments.index("--allowedTools") + 1].split(",")
    names = {tool.name: tool for tool in all_tools()}
    for tool in tools[1:]:
        hints = names[tool.removeprefix("mcp__breadcrumb__")].annotations
        assert hints is not None and hints.read_only_hint
    server = json.loads((folder / "mcp.json").read_text())["mcpServers"]["breadcrumb"]
    transport = stdio_client(StdioServerParameters(command=server["command"], env={**os.environ, **server["env"]}))
    async with Client(transport) as client:
        report = await client.call_tool("get_trace", {"project": "ci", "trace_id": "latest"})
    assert "country='fr'" in str(report.structured_content)


def test_the_tables_of_the_page_name_every_input_and_output() -> None:
    action = yaml.safe_load((ACTION / "action.yml").read_text())
    named = set(
        re.findall(r"`([a-z-]+)`", "".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")))
    )
    assert named == action["inputs"].keys() | action["outputs"].keys()
