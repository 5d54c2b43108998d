"""Whether a command selects single tests decides whether others of their files are run before it."""

from __future__ import annotations

import shlex

import pytest

from breadcrumb_server.runs.first_pass.selection import single_tests


@pytest.mark.parametrize(
    ("command", "runner"),
    [
        ("pytest tests/test_a.py::test_one", "pytest"),
        ("python3.12 -X dev -m pytest -x tests/test_a.py::TestA::test_one[1-x]", "pytest"),
        ("uv run pytest -k one", "pytest"),
        (".venv/bin/pytest -kone tests", "pytest"),
        ("coverage run -m pytest tests/test_a.py::test_one", "pytest"),
        ("python -m unittest -f test_a.TestA.test_one", "unittest"),
        ("python -m unittest test_a -k one", "unittest"),
        ("pytest tests/test_a.py", None),
        ("pytest", None),
        ("pytest --collect-only tests/test_a.py::test_one", None),
        ("pytest --snapshot-update tests/test_a.py::test_one", None),
        ("pytest -f tests/test_a.py::test_one", None),
        ("python -m unittest", None),
        ("python -m unittest tests/test_a.py", None),
        ("python -m unittest discover -k one", None),
        ("python deploy.py -k a::b", None),
        ("sh -c 'pytest tests/test_a.py::test_one'", None),
        ("./run_tests pytest tests/test_a.py::test_one", None),
    ],
)
def test_single_tests_are_known_by_the_words_of_the_command(command: str, runner: str | None) -> None:
    selection = single_tests(shlex.split(command))
    assert (selection.runner if selection else None) == runner


@pytest.mark.parametrize(
    ("command", "node_id", "is_selected"),
    [
        ("pytest tests/test_a.py::test_one", "tests/test_a.py::test_one[3]", True),
        ("pytest tests/test_a.py::test_one", "tests/test_a.py::test_one_more", False),
        ("pytest test_a.py::TestA", "tests/test_a.py::TestA::test_one", True),
        ("pytest tests/test_a.py::test_one", "tests/test_b.py::test_one", False),
        ("python -m unittest test_a.TestA", "test_a.TestA.test_one", True),
        ("python -m unittest test_a.TestA", "test_a.TestAll.test_one", False),
    ],
)
def test_a_remembered_test_that_is_selected_now_is_no_neighbour(command: str, node_id: str, is_selected: bool) -> None:
    selection = single_tests(shlex.split(command))
    assert selection is not None
    assert selection.selects(node_id) == is_selected


def test_what_is_remembered_holds_for_all_tests_of_a_file_but_for_one_keyword_expression() -> None:
    def scope(command: str) -> list[str]:
        selection = single_tests(shlex.split(command))
        assert selection is not None
        return selection.scope

    assert scope("pytest test_a.py::test_one") == scope("pytest test_a.py::test_two")
    assert scope("pytest test_a.py -k one") != scope("pytest test_a.py -k two")
