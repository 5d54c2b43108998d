from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breadcrumb.session.patterns import IncludeFilter
from breadcrumb_server.workspace.patterns import matches, matches_any

WORKSPACE = Path("/somewhere/workspace")


def test_a_package_pattern_matches_the_package_itself_too() -> None:
    assert matches("shop.*", "shop", "", None)
    assert matches("shop.*", "shop.orders.book", "", None)
    assert not matches("shop.*", "shopping", "", None)


@pytest.mark.parametrize(
    ("pattern", "file", "expected"),
    [
        ("*.py", "main.py", True),
        ("*.py", "shop/main.py", False),
        ("tests/**/*.py", "tests/test_a.py", True),
        ("tests/**/*.py", "tests/unit/deep/test_a.py", True),
        ("tests/**", "tests/unit/test_a.py", True),
        ("./shop/cart.py", "shop/cart.py", True),
        ("shop/*.py", "other/shop/cart.py", False),
    ],
)
def test_path_patterns_are_relative_to_the_workspace(pattern: str, file: str, expected: bool) -> None:
    assert matches(pattern, "", f"{WORKSPACE}/{file}", WORKSPACE) is expected


def test_without_a_workspace_a_path_pattern_may_begin_at_any_folder() -> None:
    assert matches("shop/*.py", "", "/any/where/shop/cart.py", None)


def test_an_absolute_pattern_needs_no_workspace() -> None:
    assert matches("/opt/lib/**/*.py", "", "/opt/lib/a/b.py", None)


def test_matches_any_needs_one_match() -> None:
    seen = [("shop", "/w/shop/__init__.py"), ("", "/w/x.py"), ("builtins", "")]
    assert matches_any("shop.*", seen, Path("/w"))
    assert matches_any("*.py", seen, Path("/w"))
    assert not matches_any("rates.*", seen, Path("/w"))


PATTERNS = st.text("ab*?./_", min_size=1, max_size=10)


@settings(max_examples=400, deadline=None)
@given(pattern=PATTERNS, module=st.text("ab._", min_size=1, max_size=8), path=st.text("ab/_", min_size=1, max_size=8))
def test_a_pattern_matches_the_same_code_as_in_the_tracer(pattern: str, module: str, path: str) -> None:
    file = os.path.normpath(f"{WORKSPACE}/{path}.py")
    here = matches(pattern, module, file, WORKSPACE)
    assert IncludeFilter([pattern], [], str(WORKSPACE)).is_included(module, file) is here
