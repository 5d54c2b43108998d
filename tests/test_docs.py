"""The documentation is true: commands, tools, settings, SQL, links, the picture and the demo's transcript."""

from __future__ import annotations

import ast
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from breadcrumb import record_format
from breadcrumb.redaction.redactor import Redactor
from breadcrumb.values.encoder import Encoder
from breadcrumb_server.clients.descriptions import CLIENTS
from breadcrumb_server.front_door.answers import ANSWERS_FILE
from breadcrumb_server.mcp_server.tools import all_tools
from breadcrumb_server.projects.config import ProjectConfig, parse_config
from breadcrumb_storage.database import Database
from breadcrumb_storage.sql_access.schema_page import TABLES

pytestmark = pytest.mark.slow  # a matter of the whole repository, not of the code at hand

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
DECISIONS = (ROOT / "docs" / "decisions.md").read_text()
QUICKSTART = (ROOT / "docs" / "quickstart.md").read_text()
TROUBLESHOOTING = (ROOT / "docs" / "troubleshooting.md").read_text()
FIRST_SESSION = (ROOT / "docs" / "first-session.md").read_text()
RECORDING = (ROOT / "docs" / "recording.md").read_text()
CLIENT_PAGE = (ROOT / "docs" / "clients.md").read_text()
DATABASE = (ROOT / "docs" / "database.md").read_text()
VALUES = (ROOT / "docs" / "values.md").read_text()
SPOOL_FORMAT = (ROOT / "docs" / "spool-format.md").read_text()
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in (
        "*.md",
        "docs/*.md",
        "docs/sessions/*.md",
        "benchmarks/*.md",
        "clients/**/*.md",
        "examples/*.md",
        "examples/*/*.md",
    )
    for path in ROOT.glob(pattern)
)
# The programs that `python -m benchmarks.NAME` starts.
BENCHMARKS = {path.stem: path for path in (ROOT / "benchmarks").glob("*.py")} | {
    path.parent.name: path for path in (ROOT / "benchmarks").glob("*/__main__.py")
}


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_column(table: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


def words(text: str) -> int:
    """Count the words of a document, with headings, tables and links but without fenced code."""
    return len(re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL).split())


def _in_one_line(text: str) -> str:
    """Remove line breaks and the spaces that fill columns."""
    return " ".join(text.split())


def _comparable(text: str) -> str:
    """Remove line breaks, which depend on the terminal's width, and numbers, which differ between runs."""
    return _in_one_line(re.sub(r"\d+(\.\d+)?", "#", text))


def assert_printed(transcript: str, printed: str, *, comparable: Callable[[str], str] = _comparable) -> None:
    """Fail unless the lines of a transcript are printed in their order."""
    text, position = comparable(printed), 0
    for line in filter(None, map(comparable, transcript.splitlines())):
        found = text.find(line, position)
        assert found >= 0, f"not printed, or not in this order: {line}\n{printed}"
        position = found + len(line)


def anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    without_code = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", without_code, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("document", "most"), [("README.md", 900), ("docs/architecture.md", 1200)])
def test_the_first_pages_are_short(document: str, most: int) -> None:
    assert words((ROOT / document).read_text()) <= most


def test_setting_up_takes_two_commands() -> None:
    demo, tests = re.findall(r"^python3 -m pip install .*", README, re.MULTILINE)  # as .ci/run finds them
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
    assert tests in CONTRIBUTING


def test_the_table_of_tools_lists_the_tools_in_their_order() -> None:
    assert first_column(section(README, "Tools")) == [tool.name for tool in all_tools()]


def test_the_reference_of_the_tools_is_up_to_date() -> None:
    generated = runpy.run_path(str(ROOT / "docs" / "generate.py"))["tools_page"]()
    committed = (ROOT / "docs" / "tools.md").read_text()
    assert committed == generated, "a tool has changed: run `python docs/generate.py` and commit docs/tools.md"


@pytest.mark.processes
def test_the_answers_of_the_front_door_are_up_to_date() -> None:
    generated = runpy.run_path(str(ROOT / "docs" / "front_door.py"))["answers_file"]()
    committed = Path(ANSWERS_FILE).read_text()
    assert committed == generated, "a tool has changed: run `python docs/front_door.py` and commit its file"


def test_the_changelog_names_every_tool() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert not [tool.name for tool in all_tools() if f"`{tool.name}`" not in changelog]


def test_the_example_config_is_valid_and_shows_every_setting_with_its_default() -> None:
    (text,) = blocks(RECORDING, "yaml")
    config = parse_config(text, Path("shop.yaml"), "shop")
    shown = {**config.model_dump(), "workspace": None, "include": ["__main__"], "db_path": None}
    assert shown == ProjectConfig(project="shop").model_dump()
    assert set(re.findall(r"^(\w+):", text, re.MULTILINE)) == set(ProjectConfig.model_fields)


def test_the_example_client_config_starts_the_server() -> None:
    (text,) = blocks(CLIENT_PAGE, "json")
    (server,) = json.loads(text)["mcpServers"].values()
    assert Path(server["command"]).name == "breadcrumb-mcp" and server["args"] == []


def test_every_client_has_a_line_in_the_readme_and_its_files_on_the_page_of_clients() -> None:
    in_readme = re.findall(r"^\| [^|]+ \| `breadcrumb install ([a-z-]+)`", section(README, "Connect"), re.MULTILINE)
    assert sorted(in_readme) == sorted(client.name for client in CLIENTS)
    table = section(CLIENT_PAGE, "Connect")
    assert first_column(table) == [client.name for client in CLIENTS]
    for client in CLIENTS:
        for scope, location in client.scopes.items():
            folder = {"home": "~/", "applications": "~/.config/", "project": ""}[location.base]
            assert re.search(rf"^\|[^|]*\| {scope} \| `{re.escape(folder + location.path)}`", table, re.MULTILINE)
            assert not location.moved_by or f"`{location.moved_by}`" in table


@pytest.mark.parametrize("number", range(6))
def test_each_sql_example_runs_on_a_database(number: int, tmp_path: Path) -> None:
    (text,) = blocks(DATABASE, "sql")
    statements = [each for each in text.split(";") if each.strip()]
    assert len(statements) == 6
    with Database(tmp_path / "shop-traces.duckdb").read() as con:
        assert con.execute(statements[number]).fetchall() == []


def test_the_documented_tables_exist_and_query_traces_describes_them(tmp_path: Path) -> None:
    named = first_column(section(DATABASE, "Tables"))
    assert sorted(named) == sorted(TABLES)
    with Database(tmp_path / "shop-traces.duckdb").read() as con:
        for table in named:
            assert con.execute(f"SELECT count(*) FROM {table}").fetchall() == [(0,)]
    (query_traces,) = (tool for tool in all_tools() if tool.name == "query_traces")
    not_named = [table for table in named if table not in query_traces.description]
    assert not_named == [
        "exception_counts",
        "probes",
        "probe_values",
        "tasks",
    ]  # seldom needed: DESCRIBE and breadcrumb://schema have them


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_have_targets(document: str) -> None:
    file = ROOT / document
    links = re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", file.read_text())
    for link, anchor in links:
        if "://" not in link:
            target = file.parent / link if link else file
            assert target.exists(), link
            assert not anchor or document == "docs/tools.md" or anchor in anchors(target.read_text()), (link, anchor)


def in_shell(commands: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the commands of a page in a folder; `python3` and `breadcrumb` are those of this Python."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", commands],
        cwd=folder, env={**os.environ, "PATH": path, **variables},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.processes
def test_the_session_in_the_shell_goes_as_it_is_written(tmp_path: Path, workspace: Path) -> None:
    (session,) = blocks((ROOT / "docs" / "command-line.md").read_text(), "sh")
    (workspace / "script.py").write_text("def total(n):\n    return n\n\nprint(total(1))\n")
    done = in_shell(session, workspace, BREADCRUMB_HOME=str(tmp_path / "home"))
    assert done.stderr == "" and done.stdout.count('"project": "shop"') == len(session.splitlines())


@pytest.mark.processes
def test_the_quickstart_goes_as_it_is_written(tmp_path: Path, workspace: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for title in ("From a shell", "From the program", "By an agent"):  # the program of the first is used by the second
        part = section(QUICKSTART, title)
        done = in_shell("".join(blocks(part, "sh")), workspace, HOME=str(home), BREADCRUMB_HOME=str(home / "traces"))
        assert done.stderr == ""
        assert_printed("".join(blocks(part, "text")), done.stdout, comparable=_in_one_line)
    assert "breadcrumb-mcp" in (home / ".claude.json").read_text()


@pytest.mark.processes
def test_the_checks_of_the_doctor_are_described(tmp_path: Path, workspace: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    done = in_shell(
        "breadcrumb init shop > init.json; breadcrumb install cursor > cursor.json; breadcrumb doctor -c shop || true",
        workspace, HOME=str(home), BREADCRUMB_HOME=str(home / "traces"),
    )  # fmt: skip
    checks = [finding["check"] for finding in json.loads(done.stdout)["findings"]]
    assert sorted(first_column(section(TROUBLESHOOTING, "What breadcrumb doctor says"))) == sorted(checks)


def test_the_index_of_the_documentation_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert not [page for page in pages if f"({page})" not in index]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_tools_accept_every_call_in_a_document(document: str) -> None:
    tools = {tool.name: tool for tool in all_tools()}
    text = (ROOT / document).read_text()
    without_code = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    whole, shortened = blocks(text, "python"), re.findall(r"`(\w+\(.*?\))`", without_code)
    for snippet in [*whole, *shortened]:
        try:
            tree = ast.parse(snippet)
        except SyntaxError:  # not a call, or one with values in another notation
            continue
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in tools:
                schema = tools[call.func.id].parameters
                given = {word.arg for word in call.keywords}
                assert given <= set(schema["properties"]), snippet
                assert snippet in shortened or set(schema.get("required", [])) <= given, snippet


@cache
def all_sources() -> list[Path]:
    roots = ("server", "storage", "tracer_bootstrap", "tests")
    return [file for root in roots for file in (ROOT / root).rglob("*") if file.suffix in (".py", ".sql")]


def source_files(name: str) -> list[Path]:
    """Return the files whose path ends with a name of a document, such as ``session/spool.py``."""
    return [file for file in all_sources() if file.match(name)]


@pytest.mark.parametrize(
    "document", ["docs/architecture.md", "docs/decisions.md", "docs/spool-format.md", "CONTRIBUTING.md"]
)
def test_every_file_that_a_page_for_developers_names_exists(document: str) -> None:
    text = (ROOT / document).read_text()
    names = {
        name for name in re.findall(r"[\w/*.<>-]+\.(?:py|sql)\b", text) if "/tmp/" not in name and "NNNN" not in name
    }
    names = {name.replace("answers/<question>", "answers/*") for name in names}
    others = {"docs/generate.py", "docs/front_door.py", "docs/picture.py", "clients/check.py", "clients/mcpb.py"}
    assert not [name for name in names - others if not source_files(name)]


def test_the_life_of_a_call_names_existing_functions() -> None:
    rows = re.findall(
        r"^\|[^|]+\| (`[^|]+\.(?:py|sql)`) \| ?([^|]*)\|$", section(ARCHITECTURE, "The life of one call"), re.M
    )
    assert len(rows) > 10
    for files, names in rows:
        text = "".join(file.read_text() for name in re.findall(r"`([^`]+)`", files) for file in source_files(name))
        for name in re.findall(r"`([^`]+)`", names):
            assert re.search(rf"^ *(?:async )?(?:def|class) {name}\b", text, re.M), (files, name)


def test_the_terms_that_the_code_uses_are_defined() -> None:
    terms = re.findall(r"^\| ([a-z, ]+) \|", section(ARCHITECTURE, "Terms"), re.M)
    defined = {term for row in terms for term in row.split(", ")}
    for term in ("call", "frame", "trace", "spool", "segment", "record", "notice", "gap", "strand", "lane", "lone", "round",
                 "symbol", "late call", "counted call", "budget"):  # fmt: skip
        assert term in defined


def test_each_run_time_dependency_has_a_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [re.split(r"[<>=]", requirement)[0] for requirement in project["dependencies"]]
    assert sorted(first_column(DECISIONS.split("### Run-time dependencies")[1])) == sorted(needed)


@pytest.mark.processes
def test_the_commands_to_debug_the_tracer_work(tmp_path: Path) -> None:
    commands = "".join(blocks(section(CONTRIBUTING, "Debug the tracer"), "sh")).replace("/tmp/", f"{tmp_path}/")
    done = in_shell(commands, ROOT)
    assert not done.stderr
    assert "2 half {'number': 5} -> 2.5\n" in done.stdout and '{"k": "process"' in done.stdout


def test_every_kind_of_event_and_file_of_the_spool_is_described() -> None:
    constants = {name: value for name, value in vars(record_format).items() if name.isupper()}
    kinds = {value for name, value in constants.items() if name.startswith("EVENT_") and name != "EVENT_KEY"}
    assert set(first_column(section(SPOOL_FORMAT, "Events"))) == kinds
    intro = SPOOL_FORMAT.split("\n## ")[0]
    for name in (constants["CONFIG_FILE"], constants["SECRETS_FIFO"]):
        assert f"| `{name}` |" in intro
    for suffix in (constants["CALLS_SUFFIX"], constants["EVENTS_SUFFIX"], constants["COUNTERS_SUFFIX"]):
        assert f"{suffix}` |" in intro


@pytest.mark.parametrize("module", sorted(BENCHMARKS))
def test_every_benchmark_is_described(module: str) -> None:
    assert f"`python -m benchmarks.{module}`" in (ROOT / "benchmarks" / "README.md").read_text()


@pytest.mark.processes
@pytest.mark.parametrize("module", sorted(BENCHMARKS))
def test_every_benchmark_shows_its_options_and_measures_nothing(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", "--help"],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ") and "\noptions:\n" in done.stdout
    summary = (ast.get_docstring(ast.parse(BENCHMARKS[module].read_text())) or "").splitlines()[0]
    assert summary[:50] in " ".join(done.stdout.split())


@pytest.mark.processes
def test_the_demo_prints_the_transcript_of_the_first_session() -> None:
    """Compare line by line and in order, without paths, ids and times, which differ between runs."""
    done = subprocess.run(
        [sys.executable, "-m", "breadcrumb_server", "demo"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    printed = done.stdout.replace(sys.executable, "python")
    # From 3.15 on, the interpreter hands a generator expression what it goes through, and not yet an iterator.
    printed = re.sub(r"<genexpr>\(\.0=\[.*?\]\)", "<genexpr>(.0='<list_iterator>')", printed, flags=re.DOTALL)
    printed = re.sub(r"/\S*?/breadcrumb-demo-[^/\s]+", "…", printed)
    transcript = "".join(blocks(FIRST_SESSION, "text"))
    assert transcript.count("\n> ") + transcript.startswith("> ") == 5
    assert_printed(transcript, printed)


@pytest.mark.processes
def test_the_picture_of_the_readme_shows_what_the_tools_answer(tmp_path: Path) -> None:
    drawn = tmp_path / "session.svg"
    done = subprocess.run(
        [sys.executable, "docs/picture.py", str(drawn)],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "](docs/images/session.svg)" in README
    committed = (ROOT / "docs" / "images" / "session.svg").read_text()
    assert _comparable(drawn.read_text()) == _comparable(committed), (
        "an answer has changed: run `python docs/picture.py`"
    )


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
