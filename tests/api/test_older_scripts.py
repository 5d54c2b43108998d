"""Test what scripts use that were written for an older Breadcrumb, and the page that describes the API."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import duckdb
import pytest

import breadcrumb
from breadcrumb.capture.secret_redactor import SecretRedactor, configure_redactor, redact_secrets
from breadcrumb_server.projects.config import load_config
from breadcrumb_server.projects.home import Home
from breadcrumb_server.projects.manage import init_project
from breadcrumb_storage.database import Database

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "python-api.md").read_text()


def test_the_names_of_the_older_breadcrumb_exist() -> None:
    older = ["init", "get_config", "reset_config", "get_backend", "get_events", "shutdown", "BreadcrumbConfig"]
    assert set(older) <= set(breadcrumb.__all__) <= set(dir(breadcrumb))
    for name in breadcrumb.__all__:
        assert (callable(getattr(breadcrumb, name)) and f"`{name}" in PAGE) or name == "Tracing"
    with pytest.raises(AttributeError, match="module 'breadcrumb' has no attribute 'nothing'"):
        getattr(breadcrumb, "nothing")  # noqa: B009
    assert breadcrumb.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_settings_can_be_made_and_shown() -> None:
    config = breadcrumb.BreadcrumbConfig(
        enabled=True,
        include=["src/**/*.py"],
        exclude=["tests/**"],
        sample_rate=0.5,
        db_path="traces.db",
        backend="sqlite",
    )
    assert config.summary().startswith(
        "Breadcrumb enabled: include=['src/**/*.py'], exclude=['tests/**'], sample_rate=0.5"
    )
    assert config.to_dict()["backend"] == "settrace" and config.max_repr_length == 2000


@pytest.mark.parametrize(
    ("statement", "instead"),
    [
        ("from breadcrumb.storage.query import query_traces", "duckdb.connect("),
        ("from breadcrumb.storage import TraceWriter", "duckdb.connect("),
        ("from breadcrumb.instrumentation.pep669_backend import PEP669Backend", "breadcrumb.init("),
    ],
)
def test_what_is_gone_says_what_to_write_instead(statement, instead) -> None:
    with pytest.raises(ModuleNotFoundError) as raised:
        exec(statement)
    assert instead in str(raised.value)


def test_events_are_in_the_database_and_not_in_memory() -> None:
    with pytest.warns(RuntimeWarning, match="SELECT \\* FROM trace_events"):
        assert breadcrumb.get_events() is None  # type: ignore[func-returns-value]


def test_data_is_redacted_as_it_is_recorded() -> None:
    data = {
        "username": "alice",
        "password": "secret123",
        "nested": [
            {"my_secret_key": 5, "card": "4111 1111 1111 1111"},
            ("AKIAIOSFODNN7EXAMPLE", None, 4111111111111111),
        ],
    }
    assert redact_secrets(data, patterns=["my_secret_*"]) == {
        "username": "alice",
        "password": "[REDACTED]",
        "nested": [{"my_secret_key": "[REDACTED]", "card": "[REDACTED]"}, ("[REDACTED]", None, "[REDACTED]")],
    }
    assert data["password"] == "secret123"
    circle: list = []
    circle.append(circle)
    assert "TOO DEEP" in str(redact_secrets(circle))


def test_redaction_cannot_be_weakened_and_wrong_patterns_are_refused() -> None:
    with pytest.warns(RuntimeWarning, match="redact_ssns=False has no effect"):
        redactor = SecretRedactor(key_patterns=["password"], redact_ssns=False)
    assert redactor.redact("SSN 123-45-6789") == "SSN [REDACTED]"
    for wrong in ({"custom_patterns": "my_*"}, {"custom_patterns": [1]}, {"patterns": ["x"]}):
        with pytest.raises(TypeError):
            configure_redactor(**wrong)


def test_the_examples_of_the_page_run_and_are_traced(program, python) -> None:
    examples = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        process = program.start(python, program.write(example))
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out, err) == (0, "", "")
    assert ("total", '{"prices": [1, 2, 3]}') in program.calls()
    database = program.folder / "data" / "traces.duckdb"
    sql = "SELECT label, args FROM traces JOIN calls USING (trace_id) WHERE function_name = 'half' ORDER BY traces.started_at"
    assert program.rows(sql, database) == [("nightly", '{"n": 4}'), (None, '{"n": 6}'), (None, '{"n": 8}')]
    assert '"half' not in program.ask("get", "latest") and "total" in program.ask("query", "--call", "total")


def test_the_page_lists_every_argument_with_its_default(program, python) -> None:
    done = program.run(python, "    import breadcrumb, inspect; print(inspect.signature(breadcrumb.init))")
    signature = re.sub(r": [^=,]+(?:\[[^\]]*\])?(?= =)|'?\) ->.*", "", done.stdout)
    for name, default in re.findall(r"(\w+) = ('[^']*'|[\w.]+)", signature):
        assert f"{name}={default}".replace("'", '"') in re.sub(r"\s+", " ", PAGE), name
        assert re.search(rf"^\| .*`{name}`", PAGE, re.MULTILINE), name


def test_a_new_project_takes_the_database_of_the_programs_in_its_workspace(program, tmp_path) -> None:
    program.run(sys.executable, "    import breadcrumb; breadcrumb.init(label='alone')")
    home = Home(tmp_path / "home")
    made = init_project(home, "mine", workspace=str(program.folder))
    assert made.database == str(program.database) and any("breadcrumb.init()" in note for note in made.notes)
    with Database(load_config(home, "mine").config.database_file(home)).read() as con:
        assert con.execute("SELECT label FROM traces").fetchall() == [("alone",)]


def test_a_new_project_leaves_a_database_alone_that_is_not_breadcrumbs(program, tmp_path) -> None:
    program.database.parent.mkdir()
    with duckdb.connect(str(program.database)) as con:
        con.execute("CREATE TABLE mine (x INTEGER)")
    made = init_project(Home(tmp_path / "home"), "mine", workspace=str(program.folder))
    assert made.database != str(program.database) and any("is not used" in note for note in made.notes)
