"""Test the change of one table of a TOML text: the rest stays as it is, or the change is refused."""

from __future__ import annotations

import tomllib

import pytest

from breadcrumb_server.clients.json_text import NotEditable
from breadcrumb_server.clients.toml_text import parse, with_member, without_member

PATH = ("mcp_servers", "breadcrumb")
ENTRY = {"command": '/o"p\\t/ü b', "args": ["-m", "x"], "startup_timeout_sec": 30, "env": {"A B": "1"}}

BEFORE = """\
# my settings
model = "gpt-5"

[mcp_servers.other]  # theirs
command = "x"
args = [
  "a", # a
]
"""
AFTER = """
# about the terminal
[tui]
theme = "dark"
"""
LOOKS_LIKE_IT = """
theme = '''
[mcp_servers.breadcrumb]
'''
"""


@pytest.mark.parametrize("text", ["", BEFORE, BEFORE.rstrip("\n"), BEFORE + AFTER, "a = 1\r\n[b]\r\nc = 2\r\n"])
def test_a_table_is_added_at_the_end_and_taken_away_again(text: str) -> None:
    changed = with_member(text, PATH, ENTRY)
    assert changed.startswith(text)
    assert tomllib.loads(changed)["mcp_servers"]["breadcrumb"] == ENTRY
    assert with_member(changed, PATH, ENTRY) == changed
    assert without_member(changed, PATH).rstrip() == text.rstrip()


def test_a_text_that_looks_like_the_table_is_left_alone() -> None:
    changed = with_member(LOOKS_LIKE_IT, PATH, ENTRY)
    assert changed.startswith(LOOKS_LIKE_IT) and parse(changed)["theme"] == "[mcp_servers.breadcrumb]\n"


@pytest.mark.parametrize(
    "old",
    [
        '[mcp_servers.breadcrumb]\ncommand = "old"\n',
        '[mcp_servers."breadcrumb"]\ncommand = "old"\n\n[mcp_servers.breadcrumb.env]\nA = "1"\n',
        "[ mcp_servers . 'breadcrumb' ] # ours\n",
        '[mcp_servers.breadcrumb.env]\nA = "1"\n[mcp_servers.breadcrumb.tools.run]\napproval_mode = "approve"\n',
    ],
)
def test_a_table_is_replaced_where_it_is_with_the_tables_in_it(old: str) -> None:
    changed = with_member(BEFORE + "\n" + old + AFTER, PATH, ENTRY)
    assert changed.startswith(BEFORE + "\n[mcp_servers.breadcrumb]\n") and changed.endswith(AFTER)
    assert tomllib.loads(changed)["mcp_servers"]["breadcrumb"] == ENTRY
    assert without_member(BEFORE + "\n" + old + AFTER, PATH) == BEFORE + AFTER


@pytest.mark.parametrize(
    "text",
    [
        'mcp_servers = {breadcrumb = {command = "old"}}\n',
        'mcp_servers.breadcrumb.command = "old"\n',
        '[mcp_servers]\nbreadcrumb = {command = "old"}\n',
        "x = '''\n[mcp_servers.breadcrumb]\n'''\n[mcp_servers.breadcrumb]\ncommand = 'old'\n",
        '[mcp_servers.breadcrumb]\nargs = [\n["a"],\n]\n[other]\n',
    ],
)
def test_what_says_the_same_in_another_form_is_refused_and_not_damaged(text: str) -> None:
    parse(text)
    for change in (lambda: with_member(text, PATH, ENTRY), lambda: without_member(text, PATH)):
        with pytest.raises(NotEditable, match="a form that cannot be edited safely"):
            change()


@pytest.mark.parametrize(
    ("text", "why"), [("a = ", "not TOML"), ("mcp_servers = 3\n", "'mcp_servers' is not an object")]
)
def test_a_broken_text_is_refused(text: str, why: str) -> None:
    with pytest.raises(NotEditable, match=why):
        with_member(text, PATH, ENTRY)
