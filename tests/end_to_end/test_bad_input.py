"""Mistakes of an agent are answered with what happened and what to do, and damage nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.anyio


@pytest.fixture
async def project(session, workspace: Path) -> Any:
    """Make a project with one run, which nothing that follows may damage."""
    (workspace / "app.py").write_text("def twice(n):\n    return 2 * n\ntwice(21)\n")
    await session.project(workspace)
    report = await session.run(sys.executable, "app.py")
    yield session
    assert (await session.ok("list_traces", project="p"))["rows"][-1][0] == report["trace_id"]
    assert await session.rows("SELECT DISTINCT return_value FROM calls WHERE function_name = 'twice'") == [["42"]]


RUN = {"project": "p", "command": [sys.executable, "app.py"], "timeout_seconds": 60}

# Tool, arguments, and texts that the answer must contain.
MISTAKES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("find_gaps", {"project": "nowhere"}, ["nowhere", "init_project", "p"]),
    ("init_project", {"project": "../etc"}, ["../etc", "letters, digits"]),
    ("init_project", {"project": "q", "workspace": "/no/such/folder"}, ["/no/such/folder"]),
    ("run", {**RUN, "command": []}, ["empty", "command"]),
    ("run", {**RUN, "command": "   "}, ["empty", "command"]),
    ("run", {**RUN, "command": ["no-such-program"]}, ["no-such-program"]),
    ("run", {**RUN, "command": ["./app.py"]}, ["./app.py"]),
    ("run", {**RUN, "command": "python 'app.py"}, ["quot"]),
    ("run", {**RUN, "cwd": "/no/such/folder"}, ["/no/such/folder"]),
    ("run", {**RUN, "timeout_seconds": 0}, ["timeout_seconds", "0"]),
    ("run", {**RUN, "timeout_seconds": -5}, ["timeout_seconds", "-5"]),
    ("run", {**RUN, "timeout": 5}, ["timeout", "timeout_seconds"]),
    ("run", {"project": "p", "command": ["python"]}, ["timeout_seconds"]),
    ("get_trace", {"project": "p", "trace_id": "1999"}, ["1999", "list_traces"]),
    ("get_trace", {"project": "p", "trace_id": "20"}, ["20"]),
    ("edit_config", {"project": "p", "set": {"capture.mood": "full"}}, ["capture.mood", "mode"]),
    ("edit_config", {"project": "p", "set": {"capture.mode": "most"}}, ["most", "adaptive", "full"]),
    ("query_traces", {"project": "p", "sql": "SELEC 1"}, ["SELEC"]),
    ("query_traces", {"project": "p", "sql": "SELECT * FROM callz"}, ["callz", "calls", "exceptions"]),
    ("query_traces", {"project": "p", "sql": "DROP TABLE traces"}, ["read"]),
    ("query_traces", {"project": "p", "sql": "DELETE FROM exceptions"}, ["read"]),
    ("query_traces", {"project": "p", "sql": "SELECT 1; DROP TABLE traces"}, ["one"]),
    ("query_traces", {"project": "p", "sql": "COPY traces TO '/tmp/x.csv'"}, ["read"]),
    ("query_traces", {"project": "p", "sql": "SELECT * FROM read_csv('/etc/passwd')"}, ["/etc/passwd"]),
    ("query_traces", {"project": "p", "sql": ""}, ["SELECT"]),
    ("find_exceptions", {"project": "p", "since": "yesterday-ish"}, ["yesterday-ish", "1h"]),
    ("get_calls", {"project": "p", "function": "twice", "where": {"colour": 1}}, ["colour", "outcome"]),
    ("get_calls", {"project": "p", "function": "twice", "cursor": "abc"}, ["cursor"]),
    ("get_calls", {"project": "p", "function": "twice", "limit": 0}, ["limit"]),
]


async def test_the_answer_to_each_mistake_says_what_to_do(project) -> None:
    await project.run(sys.executable, "app.py")  # so that "20" is the beginning of two trace ids
    for tool, arguments, expected in MISTAKES:
        text = await project.error(tool, **arguments)
        missing = [part for part in expected if part not in text]
        assert not missing, f"{tool}({arguments}) answered without {missing}: {text}"
        assert len(text) < 2500, text
        assert "Traceback" not in text


async def test_a_function_that_was_never_called_is_no_error(project) -> None:
    answer = await project.ok("get_calls", project="p", function="thrice")
    assert answer["total"] == 0
    assert answer["next"]


async def test_a_pattern_that_matches_nothing_is_kept_with_a_warning(project) -> None:
    answer = await project.ok("edit_config", project="p", add_include=["no_such_module.*"])
    assert "no_such_module.*" in str(answer["warnings"])
    assert "no_such_module.*" in answer["config"]["include"]


async def test_an_error_in_a_config_is_named_with_its_line_and_the_file_stays_unchanged(project, home) -> None:
    file = home / "p.yaml"
    before = file.read_text()
    broken = before.replace("exclude: []", "exclude: [")
    assert broken != before
    file.write_text(broken)
    for tool, arguments in (("run", RUN), ("edit_config", {"project": "p", "add_include": ["x.*"]})):
        text = await project.error(tool, **arguments)
        assert str(file) in text
        assert "line" in text
    assert file.read_text() == broken
    file.write_text(before)
