"""Test that the page for users of the older breadcrumb tells the truth about each of its lines."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "from-the-older-breadcrumb.md").read_text()
CODE = """
import json

def multiply(a, b):
    return a * b

class Pizza:
    def __init__(self, name):
        self.name = name

def my_function(data):
    return json.dumps({"breadcrumbs": 1})

if __name__ == "__main__":
    Pizza("margherita")
    multiply(6, 7)
    my_function({"api_key": "sk-1234567890", "password": "secret"})
"""
PLACEHOLDERS = {
    "<project-name>": "another", "<project>": "myapp", "<name>": "myapp", "<seconds>": "60", "<pattern>": "'requests.*'",
    "<command>": "python main.py", "<func>": "my_function", "config create <name>": "config create third",
}  # fmt: skip


def rows(title: str) -> list[tuple[str, str]]:
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| `([^`]+)` \| (.*) \|$", section, re.MULTILINE)
    assert found
    return found


def words(line: str, trace_id: str) -> list[str]:
    for name, value in (*reversed(PLACEHOLDERS.items()), ("<trace_id>", trace_id)):
        line = line.replace(name, value)
    return shlex.split(line)[1:]


@pytest.fixture
def projects(breadcrumb, shop, processes):
    """Return the command, in a project with a run."""
    (shop / "main.py").write_text(CODE)
    breadcrumb("init", "myapp")
    breadcrumb("run", "-c", "myapp", "python", "main.py")
    return breadcrumb


@pytest.mark.slow
def test_each_line_of_the_shell_and_of_sql_does_what_the_page_says(projects, shop, monkeypatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    for name in ("my_code", "script", "legacy_system", "test_api", "load_test"):
        (shop / f"{name}.py").write_text(CODE)
    (shop / "tests").mkdir()
    (shop / "tests" / "test_payment.py").write_text("def test_refund(): ...\n")
    for project in ("example01", "legacy", "tests", "myproject"):  # as the older page names them
        projects("init", project)
        projects("run", "-c", project, "python", "main.py")
    trace_id = projects("list", "-c", "myapp").answer["rows"][0][0]
    lines = [(line, here) for line, here in rows("The shell") + rows("SQL") if line.startswith("breadcrumb ")]
    assert len(lines) > 50
    lines.sort(key=lambda line: " clear " in line[0])  # last
    wrong = [
        (line, done.code, done.err)
        for line, here in lines
        for done in [projects(*words(line, trace_id))]
        if (done.code == 0) != here.startswith("works")
    ]
    assert wrong == []
    assert projects("list", "-c", "myapp").answer["total"] == 0


def test_options_may_stand_before_the_command(projects, home) -> None:
    after = projects("list", "-c", "myapp", "--format", "table").out
    assert projects("--format", "table", "list", "-c", "myapp").out == after
    assert "project: myapp" in projects("--format", "table", "config", "show", "myapp").out
    assert projects("--format", "table", "list", "-c", "myapp", "--format", "json").answer["total"] == 1
    assert projects("--db-path", str(home / "myapp-traces.duckdb"), "list").answer["total"] == 1
    assert projects("--db-path", "missing", "list").code == 2


def test_a_statement_is_asked_in_place_with_whole_cells_if_wanted(projects) -> None:
    statement = "SELECT repeat('x', 20000) AS text FROM range(3)"
    cut = projects("query", "-c", "myapp", statement).answer
    assert cut == projects("query", "-c", "myapp", "--sql", statement).answer and len(cut["rows"][0][0]) < 8000
    whole = projects("query", "-c", "myapp", "--disable-truncation", statement).answer
    assert [len(row[0]) for row in whole["rows"]] == [20_000] * 3
    assert projects("query", "-c", "myapp", statement, "--gaps").code == 2
    assert projects("query", "-c", "myapp", "--disable-truncation", "--gaps").code == 2
    assert projects("query", "-c", "myapp", statement, "--sql", statement).code == 2


def test_longer_values_are_kept_in_one_run(projects, shop) -> None:
    (shop / "long.py").write_text("def f(text):\n    return len(text)\n\nf('x' * 4000)\n")
    length = "SELECT max(length(args)) FROM calls WHERE function_name = 'f' AND trace_id = (FROM traces SELECT arg_max(trace_id, started_at))"
    for options, most in (([], 2100), (["--max-chars", "5000"], 4100)):
        projects("run", "-c", "myapp", *options, "python", "long.py")
        assert most - 200 < projects("query", "-c", "myapp", length).answer["rows"][0][0] <= most
    assert projects("run", "-c", "myapp", "--max-chars", "5", "python", "long.py").code == 1


def test_the_functions_with_most_calls_come_first(projects, shop) -> None:
    (shop / "busy.py").write_text("def a(): ...\ndef b(): ...\nfor _ in range(3): a()\nb()\nb()\n")
    projects("run", "-c", "myapp", "python", "busy.py")
    top = projects("top", "-c", "myapp", "2").answer["functions"]
    assert [row[:2] for row in top["rows"]] == [["__main__:a", 3], ["__main__:b", 2]] and top["more"] == 1
    assert projects("top", "-c", "myapp", "2", "--skip", "1").answer["functions"]["rows"][0][0] == "__main__:b"
    assert projects("top", "-c", "myapp", "0").code == 1


def test_nothing_is_deleted_without_a_yes(projects) -> None:
    done = projects("clear", "-c", "myapp")
    assert done.code == 2 and "--force" in done.err
    assert projects("list", "-c", "myapp").answer["total"] == 1
    assert projects("clear", "-c", "myapp", "--force").answer["deleted"] == 1


def python_lines(*begin: str) -> list[str]:
    found = [line for line, here in rows("Python") if line.startswith(begin) and here.startswith("works")]
    assert len(found) == len(begin)
    return found


def run_python(lines: list[str], **variables: str) -> str:
    environment = {**os.environ, **variables}
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_lines_of_duckdb_work_and_the_secrets_are_redacted(projects, home) -> None:
    lines = [*python_lines("import duckdb", "conn = ", "result = "), "print(len(result))"]
    assert run_python([line.replace("~/.breadcrumb", str(home)) for line in lines]) == "1\n"
    (recorded,) = (here for line, here in rows("Python") if line.startswith("data"))
    statement = "SELECT args FROM calls WHERE function_name = 'my_function'"
    (row,) = projects("query", "-c", "myapp", "--disable-truncation", statement).answer["rows"]
    assert re.findall(r"`(.*)`", recorded)[0] in row[0]


def test_the_lines_of_the_python_api_work(projects, tmp_path) -> None:
    lines = python_lines("import breadcrumb", "breadcrumb.init(", "from breadcrumb.", "configure_redactor(")
    code = ["def f(my_secret_plan, internal_token): ...", "f('plan-9-from', 'token-of-mine')"]
    init = lines[1].replace('["myapp.*"', '["__main__", "myapp.*"')
    run_python([lines[0], init, *lines[2:], *code], HOME=str(tmp_path))
    file = tmp_path / ".breadcrumb" / "myapp-traces.duckdb"
    statement = "SELECT args FROM calls WHERE function_name = 'f'"
    (row,) = projects("query", "--db-path", str(file), statement).answer["rows"]
    assert row == ['{"my_secret_plan": "[REDACTED]", "internal_token": "[REDACTED]"}']

    named = python_lines("export BREADCRUMB_ENABLED", "export BREADCRUMB_DB_PATH", "export BREADCRUMB_SAMPLE_RATE")
    variables = dict(shlex.split(line)[1].split("=", 1) for line in named)
    other = tmp_path / "custom" / "traces.duckdb"
    run_python([lines[0], init, *code], HOME=str(tmp_path), **variables | {"BREADCRUMB_DB_PATH": str(other)})
    assert projects("list", "--db-path", str(other)).answer["total"] == 1
