from __future__ import annotations

from pathlib import Path

import pytest

from breadcrumb_server.projects.home import Home, check_project_name
from breadcrumb_storage.errors import BreadcrumbError


@pytest.mark.parametrize("name", ["shop", "my-app_1.2", "A", "0", "a" * 100])
def test_a_name_may_have_letters_digits_dashes_underscores_and_dots(name: str) -> None:
    assert check_project_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a b", "café", "a\n", "a\0", "a" * 101, "~x"])
def test_any_other_name_is_refused_with_what_is_allowed(name: str) -> None:
    with pytest.raises(BreadcrumbError) as caught:
        check_project_name(name)
    assert "letters, digits, '-', '_' and '.'" in str(caught.value)


def test_the_error_for_a_refused_name_suggests_a_valid_one() -> None:
    with pytest.raises(BreadcrumbError, match="Try 'my-shop'"):
        check_project_name("my shop!")


def test_the_home_folder_is_that_of_the_environment_or_the_default() -> None:
    assert Home.from_environment({"BREADCRUMB_HOME": "/x/y"}).folder == Path("/x/y")
    assert Home.from_environment({}).folder == Path.home() / ".breadcrumb"
    assert Home.from_environment({"BREADCRUMB_HOME": ""}).folder == Path.home() / ".breadcrumb"


def test_the_home_folder_is_private(home: Home) -> None:
    home.create()
    assert home.folder.stat().st_mode & 0o777 == 0o700


def test_the_error_for_an_unusable_home_names_the_variable_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BreadcrumbError, match="BREADCRUMB_HOME"):
        Home(tmp_path / "file" / "home").create()
