"""The written sessions can be repeated: the answers contain what is quoted."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from breadcrumb_server.mcp_server.tools import all_tools

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/README.md"))
# Sessions on real packages need the package index: `python -m examples.replay docs/sessions/*.md` replays them.
SESSIONS = sorted([*ROOT.glob("examples/*/README.md"), *ROOT.glob("docs/sessions/[0-9]*.md")])


def replay(document: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.replay", str(document)],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_session_of_an_example_has_the_written_answers(example: str) -> None:
    done = replay(ROOT / "examples" / example / "README.md")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("written", "changed", "message"),
    [
        ("parse_size(text='auto')", "parse_size(text='0x0')", "the answer lacks, or has in another order"),
        ("(1,270 characters)", "(2,540 characters)", "not 2,540"),
        ("timeout_seconds=60)", "timeout_seconds=61)  # proposed", "no earlier answer proposes it"),
    ],
)  # fmt: skip
def test_a_session_with_another_answer_fails(written: str, changed: str, message: str, tmp_path: Path) -> None:
    text = (ROOT / "examples" / "lost_in_a_thread" / "README.md").read_text()
    assert text.count(written) == 1
    document = tmp_path / "session.md"
    document.write_text(text.replace(written, changed))

    done = replay(document)

    assert done.returncode == 1 and message in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("document", SESSIONS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_tools_accept_every_call_of_a_session(document: Path) -> None:
    tools = {tool.name: tool for tool in all_tools()}
    console = "".join(re.findall(r"^```console\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL))
    calls = re.findall(r"^> (.*?\))(?:  # proposed)?$", console, re.MULTILINE | re.DOTALL)
    assert len(calls) == console.count("\n> ") + console.startswith("> ")
    for text in calls:
        call = ast.parse(text, mode="eval").body
        assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        given = {word.arg for word in call.keywords}
        schema = tools[call.func.id].parameters
        assert set(schema.get("required", [])) <= given <= set(schema["properties"]), text
