"""The written sessions can be repeated: the answers contain what is quoted."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from breadcrumb_server.mcp_server.tools import all_tools

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "examples" / "python_api"
EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/README.md") if path.parent != SCRIPTS)
# Sessions on real packages need the package index: `python -m examples.replay docs/sessions/*.md` replays them.
PAGES = ("examples/*/README.md", "docs/sessions/[0-9]*.md", "docs/sessions/field-*.md")
SESSIONS = sorted(path for pattern in PAGES for path in ROOT.glob(pattern))


@pytest.fixture
def replay(server_command, monkeypatch, capfd):
    """Return a function that replays a document, and returns the exit code and what is printed."""
    monkeypatch.syspath_prepend(str(ROOT))
    main = importlib.import_module("examples.replay").main

    def run(document: Path) -> tuple[int, str]:
        code = main([str(document)], server_command=server_command)
        return code, capfd.readouterr().out

    return run


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_session_of_an_example_has_the_written_answers(replay, example) -> None:
    code, printed = replay(ROOT / "examples" / example / "README.md")
    assert code == 0, printed


def test_a_session_is_replayed_by_a_command() -> None:
    words = [sys.executable, "-m", "examples.replay", "examples/wrong_total/README.md"]
    done = subprocess.run(words, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "wrong_total/README.md: as written" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("written", "changed", "message"),
    [
        ("parse_size(text='auto')", "parse_size(text='0x0')", "the answer lacks, or has in another order"),
        ("(306 characters)", "(612 characters)", "not 612"),
        ("timeout_seconds=60)", "timeout_seconds=61)  # proposed", "no earlier answer proposes it"),
    ],
)  # fmt: skip
def test_a_session_with_another_answer_fails(replay, tmp_path, written, changed, message) -> None:
    text = (ROOT / "examples" / "lost_in_a_thread" / "README.md").read_text()
    assert text.count(written) == 1
    document = tmp_path / "session.md"
    document.write_text(text.replace(written, changed))

    code, printed = replay(document)

    assert code == 1 and message in printed, printed


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.py")))
def test_a_script_of_the_python_api_prints_what_its_page_shows(tmp_path, monkeypatch, script) -> None:
    page = (SCRIPTS / "README.md").read_text()
    (shown,) = re.findall(rf"^## {re.escape(script)}\n\n```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert f"]({script})" in page
    folder = tmp_path / "any_folder"
    folder.mkdir()
    for name in ("HOME", "BREADCRUMB_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))

    for _ in range(2):  # the second time beside the database of the first
        done = subprocess.run(
            [sys.executable, "-W", "error", str(SCRIPTS / script)],
            cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert (done.stdout, done.stderr) == (shown, "")
    assert [path.name for path in tmp_path.iterdir()] == ["any_folder"]
    assert [path.name for path in folder.iterdir()] == [".breadcrumb"]


SECRETS = ["correct-horse-9", "k-7431-violet", "AKIAIOSFODNN7EXAMPLE", "B-2290-amber"]


def test_no_secret_of_a_script_reaches_its_database(tmp_path) -> None:
    script = (SCRIPTS / "secret_redaction.py").read_text()
    assert all(secret in script for secret in SECRETS)
    subprocess.run([sys.executable, SCRIPTS / "secret_redaction.py"], cwd=tmp_path, stdout=-1, check=True, timeout=300)

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    stored = b"".join(path.read_bytes() for path in files)
    with duckdb.connect(tmp_path / ".breadcrumb" / "traces.duckdb", read_only=True) as con:
        tables = con.execute("SELECT table_name FROM information_schema.tables").fetchall()
        for (table,) in tables:  # decompressed
            stored += repr(con.execute(f"SELECT * FROM {table}").fetchall()).encode()
    assert b"alice" in stored and b"[REDACTED]" in stored
    assert not [secret for secret in SECRETS if secret.encode() in stored]


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
