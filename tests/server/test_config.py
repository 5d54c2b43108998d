from __future__ import annotations

import pytest

from breadcrumb_server.projects.config import ProjectConfig, load_config
from breadcrumb_server.projects.home import Home
from breadcrumb_storage.errors import BreadcrumbError


@pytest.fixture
def refused(home: Home):
    """Return a function that loads a text that must be refused and returns the error; the file must stay unchanged."""

    def load(text: str) -> str:
        home.create()
        file = home.config_file("shop")
        file.write_text(text)
        with pytest.raises(BreadcrumbError) as caught:
            load_config(home, "shop")
        assert file.read_text() == text
        return str(caught.value)

    return load


def load(home: Home, text: str) -> ProjectConfig:
    home.create()
    home.config_file("shop").write_text(text)
    return load_config(home, "shop").config


def test_every_key_but_the_name_has_a_default(home: Home) -> None:
    config = load(home, "project: shop\n")
    assert config.include == ["__main__"]
    assert config.capture.calls_per_function == 1000
    assert config.database_file(home) == home.folder / "shop-traces.duckdb"


@pytest.mark.parametrize("pattern", ["shop/pricing.py", "pricing.py", "total()", "shop.total, Cart.add", ""])
def test_capture_lines_refuses_patterns_that_name_no_function(refused, pattern: str) -> None:
    error = refused(f"project: shop\ncapture: {{lines: ['{pattern}']}}\n")
    assert f'capture.lines[0] = "{pattern}": must ' in error
    assert not pattern or "shop.pricing.total, Cart.total (in any module) or shop.cart.*" in error


def test_capture_lines_accepts_function_names_as_answers_show_them(home: Home) -> None:
    names = ["shop.pricing:total", "Cart.*", "__main__.<module>", "outer.<locals>.inner", "to?al"]
    assert load(home, f"project: shop\ncapture: {{lines: {names}}}\n").capture.lines == names


def test_the_error_for_an_unknown_project_lists_the_existing_ones(home: Home) -> None:
    load(home, "project: shop\n")
    with pytest.raises(BreadcrumbError, match=r"Projects here: shop\.(.|\n)*init_project"):
        load_config(home, "shopp")


def test_broken_yaml_names_file_and_line(refused, home: Home) -> None:
    error = refused("project: shop\ninclude: [a, b\nexclude: []\n")
    assert f"{home.config_file('shop')}, line 3, column" in error
    assert "left untouched" in error


def test_every_problem_is_named_at_once_with_what_is_allowed(refused) -> None:
    error = refused(
        "project: shop\ncapture:\n  mode: sometimes\n  max_dept: 3\nretention: {max_traces: 0}\nenabled: 3\n"
    )
    assert "4 problems" in error
    assert "capture.mode = \"sometimes\": must be one of 'adaptive' or 'full'" in error
    assert "unknown key 'capture.max_dept' (did you mean 'max_depth'?)" in error
    assert "retention.max_traces = 0: must be at least 1" in error
    assert "enabled = 3: must be true or false" in error


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("include: shop.*", 'include = "shop.*": must be a list'),
        ("include: [3]", "include[0] = 3: must be text"),
        ('include: [""]', "must not be empty"),
        ("capture: full", 'capture = "full": must be a mapping'),
        ("capture: {sample_rate: 1.5}", "must be at most 1"),
        ("capture: {sample_rate: .nan}", "finite"),
        ("capture: {max_items: 2.5}", "must be a whole number"),
        ("backend: fast", "must be one of 'auto', 'monitoring' or 'settrace'"),
        ("workspace: relative/path", "must be an absolute path"),
        ("db_path: traces.duckdb", "must be an absolute path"),
    ],
)
def test_a_bad_value_is_refused_with_key_value_and_what_is_allowed(refused, line: str, expected: str) -> None:
    assert expected in refused(f"project: shop\n{line}\n")


@pytest.mark.parametrize("text", ["", "- a\n", "just text\n", "# only a comment\n"])
def test_a_file_without_a_mapping_is_refused(refused, text: str) -> None:
    assert "does not hold a mapping" in refused(text)


def test_a_duplicate_key_is_refused_with_both_line_numbers(refused) -> None:
    error = refused("project: shop\nenabled: true\nenabled: false\n")
    assert "line 3: the key 'enabled' is already in line 2" in error


def test_a_copied_file_that_names_another_project_is_refused(refused) -> None:
    assert "says project: 'other'" in refused("project: other\n")
