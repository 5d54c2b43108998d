"""Test that failed tests are read out of the JUnit files that test runners write."""

from __future__ import annotations

from pathlib import Path

import pytest

from breadcrumb_server.failed_tests.junit import FailedCase, read_junit_files
from breadcrumb_storage.errors import BreadcrumbError


def read(tmp_path: Path, text: str | bytes) -> list[FailedCase]:
    file = tmp_path / "junit.xml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    (found,) = read_junit_files([file])
    return found.failed


def test_failures_and_errors_are_read_and_nothing_else(tmp_path) -> None:
    failed = read(
        tmp_path,
        """<?xml version="1.0" encoding="utf-8"?>
        <testsuites><testsuite name="outer"><testsuite name="inner">
          <testcase classname="tests.test_a" name="test_passes"/>
          <testcase classname="tests.test_a" name="test_skipped"><skipped message="no"/></testcase>
          <testcase classname="tests.test_a.TestA" name="test_fails[a.b-&lt;c&gt;]" file="tests/test_a.py">
            <system-out>&lt;failure/&gt;</system-out><failure message="assert 1&#10;  == 2">trace</failure></testcase>
          <testcase classname="tests.test_a" name="test_error"><error type="OSError">disk
          full</error></testcase>
        </testsuite></testsuite></testsuites>""",
    )
    assert failed == [
        FailedCase("tests.test_a.TestA", "test_fails[a.b-<c>]", "tests/test_a.py", "failed", "assert 1 == 2"),
        FailedCase("tests.test_a", "test_error", "", "error", "OSError disk full"),
    ]


def test_a_test_that_also_fails_in_its_teardown_is_one_test(tmp_path) -> None:
    cases = "".join(
        f'<testcase classname="t" name="a"><{kind} message="{number}"/></testcase>'
        for number, kind in ((1, "failure"), (2, "error"))
    )
    failed = read(tmp_path, f"<testsuite>{cases}</testsuite>")
    assert [(each.outcome, each.message) for each in failed] == [("failed", "1")]


def test_namespaces_and_other_encodings_are_read(tmp_path) -> None:
    text = '<?xml version="1.0" encoding="latin-1"?><j:testsuite xmlns:j="urn:j"><j:testcase classname="t" name="ä"><j:failure/></j:testcase></j:testsuite>'
    assert [each.name for each in read(tmp_path, text.encode("latin-1"))] == ["ä"]


def test_a_folder_stands_for_its_files(tmp_path) -> None:
    for name in ("b.xml", "a.xml", "notes.txt"):
        (tmp_path / name).write_text(
            f'<testsuite><testcase classname="t" name="{name}"><failure/></testcase></testsuite>'
        )
    files = read_junit_files([tmp_path])
    assert [case.name for file in files for case in file.failed] == ["a.xml", "b.xml"]


BOMB = """<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<testsuite><testcase classname="&b;" name="&b;"><failure/></testcase></testsuite>"""
EXTERNAL = """<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/hostname">]><testsuite><testcase classname="t" name="&x;"><failure/></testcase></testsuite>"""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB, "document type"),
        (EXTERNAL, "document type"),
        ("", "killed before"),
        ("<testsuite><testcase", "unclosed token"),
        ("<testsuite>\x00</testsuite>", "invalid token"),
        ("<html/>", "its root is <html>"),
        ("plain text", "syntax error"),
    ],
)
def test_a_file_that_is_none_is_refused_with_the_reason(tmp_path, text, why) -> None:
    with pytest.raises(BreadcrumbError) as caught:
        read(tmp_path, text)
    assert why in caught.value.why and str(tmp_path / "junit.xml") in caught.value.what


def test_a_missing_file_and_an_empty_folder_are_told(tmp_path) -> None:
    with pytest.raises(BreadcrumbError, match=r"There is no file .*missing.xml"):
        read_junit_files([tmp_path / "missing.xml"])
    with pytest.raises(BreadcrumbError, match=r"holds no .xml file"):
        read_junit_files([tmp_path])
