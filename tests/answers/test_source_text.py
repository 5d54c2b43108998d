"""Source lines are shown without secrets, and only if they have not changed since the run."""

from __future__ import annotations

import os
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.answers.lines.source import SourceText, redact_source
from breadcrumb_storage.queries.trace_reader import TraceReader


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('password = "hunter2"', 'password = "[REDACTED]"'),
        ("self.api_key: str = f'abc{x}'", "self.api_key: str = '[REDACTED]'"),
        ('d["token"] = "abc"', 'd["token"] = "[REDACTED]"'),
        ('os.environ.get("DB_PASSWORD", "abc")', 'os.environ.get("DB_PASSWORD", "[REDACTED]")'),
        ('config = {"user": "bob", "password": "hunter2"}', 'config = {"user": "bob", "password": "[REDACTED]"}'),
        ('connect("postgres://bob:pw@host/db")', 'connect("postgres://bob:[REDACTED]@host/db")'),
        ("key = 'ghp_abcdefghijklmnopqrstuvwxyz0123456789'", "key = '[REDACTED]'"),
        ("my_house = b'xyz'", "my_house = '[REDACTED]'"),
        ("pin = 1234", "pin = [REDACTED]"),
        ("card = 4111111111111111", "card = [REDACTED]"),
        ("x = 1  # the password is hunter2", "x = 1"),
        ("password = '''hunter2", "password = '''[REDACTED]'''"),
        # Only literals are secret, whatever the names.
        ("token = make_token(secret, 12)", "token = make_token(secret, 12)"),
        ("if password is None:", "if password is None:"),
        ("order = 4111111111111112", "order = 4111111111111112"),
        ('name = "it\'s # no comment"', 'name = "it\'s # no comment"'),
        ("tokenize('a', keyboard='b')", "tokenize('a', keyboard='b')"),
    ],
)
def test_literals_that_hold_secrets_are_redacted_and_code_is_not(line: str, shown: str) -> None:
    assert redact_source(line, Redactor(["my_house"])) == shown


@pytest.fixture
def source(project):
    """Read the text of a file, given the time of its last change relative to the start of the run."""

    def read(file: Path | str, changed: timedelta = timedelta(hours=-1)) -> tuple[dict[int, str], set[str]]:
        reader = TraceReader.open(project.con, project.trace().trace_id, "shop")
        if Path(file).is_file():
            when = (reader.trace.started_at.replace(tzinfo=UTC) + changed).timestamp()
            os.utime(file, (when, when))
        text = SourceText(reader, Redactor())
        return text.lines(str(file), [2, 3, 99]), text.changed

    return read


def test_lines_lose_the_indentation_that_they_share(source, tmp_path: Path) -> None:
    file = tmp_path / "f.py"
    file.write_text("def f():\n    if x:\n\treturn 1\n")
    assert source(file) == ({2: "if x:", 3: "    return 1"}, set())


def test_a_file_that_was_changed_since_the_run_is_not_shown(source, tmp_path: Path) -> None:
    file = tmp_path / "f.py"
    file.write_text("def f():\n    a\n    b\n")
    assert source(file, timedelta(seconds=1)) == ({}, {str(file)})


@pytest.mark.parametrize("file", ["<string>", "/nowhere/f.py", "relative.py", "/", "/dev/null"])
def test_a_path_that_is_no_readable_file_has_no_text(source, file: str) -> None:
    assert source(file) == ({}, set())


def test_a_file_is_read_in_the_encoding_that_it_declares(source, tmp_path: Path) -> None:
    file = tmp_path / "f.py"
    file.write_bytes("# coding: latin-1\nname = 'Zoë'\nx\n".encode("latin-1"))
    assert source(file)[0][2] == "name = 'Zoë'"
    file.write_bytes(b"x\n\xff\xfe\n\xff\n")
    assert source(file) == ({}, set())
