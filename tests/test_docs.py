"""The documentation says what is true: commands, tools, settings, SQL, links and the demo's transcript."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from breadcrumb import record_format
from breadcrumb.redaction.redactor import Redactor
from breadcrumb.values.encoder import Encoder
from breadcrumb_server.mcp_server.tools import all_tools
from breadcrumb_server.projects.config import ProjectConfig, parse_config
from breadcrumb_storage.database import Database

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
VALUES = (ROOT / "docs" / "values.md").read_text()
SPOOL_FORMAT = (ROOT / "docs" / "spool-format.md").read_text()
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "docs/sessions/*.md", "benchmarks/*.md", "examples/*.md", "examples/*/*.md")
    for path in ROOT.glob(pattern)
)


def blocks(text: str, language: str) -> list[str]:
    """The fenced code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_column(table: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


def test_the_set_up_is_two_commands_that_use_what_the_package_offers() -> None:
    demo, tests = blocks(README, "sh")[0].splitlines()
    assert shlex.split(demo) == [
        "python3",
        "-m",
        "pip",
        "install",
        ".",
        "&&",
        "python3",
        "-m",
        "breadcrumb_server",
        "demo",
    ]
    assert shlex.split(tests) == [
        "python3", "-m", "pip", "install", "-e", ".[test]", "&&", "python3", "-m", "pytest", "-n", "auto",
    ]  # fmt: skip
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "test" in project["optional-dependencies"] and "breadcrumb-mcp" in project["scripts"]
    assert tests in (ROOT / "CONTRIBUTING.md").read_text()


def test_the_table_of_tools_lists_the_tools_in_their_order() -> None:
    assert first_column(section(README, "Tools")) == [tool.name for tool in all_tools()]


def test_the_reference_of_the_tools_is_what_their_schemas_say() -> None:
    generated = runpy.run_path(str(ROOT / "docs" / "generate.py"))["tools_page"]()
    committed = (ROOT / "docs" / "tools.md").read_text()
    assert committed == generated, "a tool has changed: run `python docs/generate.py`, and commit docs/tools.md"


def test_the_changelog_names_every_tool() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert not [tool.name for tool in all_tools() if f"`{tool.name}`" not in changelog]


def test_the_example_of_a_config_is_accepted_and_shows_every_setting_with_its_default() -> None:
    (text,) = blocks(README, "yaml")
    config = parse_config(text, Path("shop.yaml"), "shop")
    shown = {**config.model_dump(), "workspace": None, "include": ["__main__"], "db_path": None}
    assert shown == ProjectConfig(project="shop").model_dump()
    assert set(re.findall(r"^(\w+):", text, re.MULTILINE)) == set(ProjectConfig.model_fields)


def test_the_example_of_a_client_config_is_json_that_starts_the_server() -> None:
    (text,) = blocks(README, "json")
    (server,) = json.loads(text)["mcpServers"].values()
    assert Path(server["command"]).name == "breadcrumb-mcp" and server["args"] == []


@pytest.mark.parametrize("number", range(6))
def test_each_example_of_sql_runs_on_a_database(number: int, tmp_path: Path) -> None:
    (text,) = blocks(README, "sql")
    statements = [each for each in text.split(";") if each.strip()]
    assert len(statements) == 6
    with Database(tmp_path / "shop-traces.duckdb").read() as con:
        assert con.execute(statements[number]).fetchall() == []


def test_the_tables_that_are_called_a_contract_exist_and_are_all_that_queries_are_told_of(tmp_path: Path) -> None:
    named = re.findall(r"`(\w+)`", section(README, "The database").split("contract:")[1].split(".")[0])
    with Database(tmp_path / "shop-traces.duckdb").read() as con:
        for table in named:
            assert con.execute(f"SELECT count(*) FROM {table}").fetchall() == [(0,)]
    (query_traces,) = (tool for tool in all_tools() if tool.name == "query_traces")
    assert not [table for table in named if table not in query_traces.description]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    file = ROOT / document
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", file.read_text())
    missing = [link for link in links if "://" not in link and not (file.parent / link).exists()]
    assert not missing


def test_every_file_that_the_architecture_names_exists() -> None:
    names = set(re.findall(r"[\w/*.<>-]+\.(?:py|sql)\b", ARCHITECTURE))
    roots = ("server", "storage", "tracer_bootstrap", "tests")
    files = [file for root in roots for file in (ROOT / root).rglob("*") if file.is_file()]
    assert len(names) > 25
    assert not [name for name in names if not any(file.match(name) for file in files)]


def test_every_kind_of_event_and_file_of_the_spool_is_described() -> None:
    constants = {name: value for name, value in vars(record_format).items() if name.isupper()}
    kinds = {value for name, value in constants.items() if name.startswith("EVENT_") and name != "EVENT_KEY"}
    assert set(first_column(section(SPOOL_FORMAT, "Events"))) == kinds
    intro = SPOOL_FORMAT.split("\n## ")[0]
    for name in (constants["CONFIG_FILE"], constants["SECRETS_FIFO"]):
        assert f"| `{name}` |" in intro
    for suffix in (constants["CALLS_SUFFIX"], constants["EVENTS_SUFFIX"], constants["COUNTERS_SUFFIX"]):
        assert f"{suffix}` |" in intro


@pytest.mark.parametrize("module", sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py")))
def test_every_benchmark_is_described(module: str) -> None:
    assert f"`python -m benchmarks.{module}`" in (ROOT / "benchmarks" / "README.md").read_text()


@pytest.mark.processes
def test_the_transcript_in_the_readme_is_what_the_demo_prints() -> None:
    """Line by line and in order; paths, ids and times are those of another run."""
    done = subprocess.run(
        [sys.executable, "-m", "breadcrumb_server", "demo"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    printed = done.stdout.replace(sys.executable, "python")
    printed = _comparable(re.sub(r"/\S*?/breadcrumb-demo-[^/\s]+", "…", printed))
    (transcript,) = blocks(README, "text")
    position = 0
    for line in filter(None, map(_comparable, transcript.splitlines())):
        found = printed.find(line, position)
        assert found >= 0, f"not printed, or not in this order: {line}\n{done.stdout}"
        position = found + len(line)


def _comparable(text: str) -> str:
    """Without line breaks, which depend on the terminal's width, and the numbers that differ between runs."""
    return " ".join(re.sub(r"\d+(\.\d+)?", "#", text).split())


def test_values_are_shown_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = ModuleType("shop")
    monkeypatch.setitem(sys.modules, "shop", shop)  # dataclasses look for the module of a class
    exec(blocks(VALUES, "python")[0], vars(shop))
    table = VALUES.split("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| `(.+)` \|$", table, re.MULTILINE)
    assert len(rows) == table.count("\n| ") - 1 > 25
    for expression, shown in rows:
        encoded = Encoder(Redactor()).encode(eval(expression, vars(shop)))
        assert json.loads(encoded) == json.loads(shown), expression
