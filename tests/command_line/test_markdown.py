"""Test that answers become Markdown, and that nothing a program writes becomes anything but code."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breadcrumb_server.command_line.markdown import MAX_BYTES, answer_blocks, code_span, fenced, joined, table

HOSTILE = [
    "```\n<img src=x onerror=alert(1)>\n```",
    "`` ` ```` @everyone [link](http://x) | a | b |",
    "</details><script>",
    "ends with a backtick`",
    "`",
    "\x1b[31mred\x1b[0m \x00 \u202eabc \r\n## heading",
    "~~~\n# heading",
    "\ud800",
]


def parts_outside_code(page: str) -> str:
    """Return what is left of a page without its fenced blocks and code spans, by CommonMark's rules."""
    left: list[str] = []
    fence = ""
    for line in page.split("\n"):
        if fence:
            if re.fullmatch(rf" {{0,3}}`{{{len(fence)},}}\s*", line):
                fence = ""
        elif opening := re.match(r"(`{3,})\w*$", line):
            fence = opening[1]
        else:
            left.append(re.sub(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", "", line))
    assert not fence
    return "\n".join(left)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_program_writes_stays_code(text) -> None:
    answer = {"value": text, "lines": [text, text], "columns": ["name"], "rows": [[text]], "inner": {"deep": text}}
    page = joined(answer_blocks(answer))
    assert set(re.findall(r"[^\s|:#-]+", parts_outside_code(page))) == {"value", "lines", "inner", "deep"}
    assert re.fullmatch(r"[^\x00-\x08\x0b-\x1f\x7f\u202e]*", page)
    page.encode()


@given(st.text())
def test_any_text_stays_in_its_fence_and_its_span(text) -> None:
    assert not parts_outside_code(fenced(text)).strip()
    assert not parts_outside_code(code_span(text)).strip()


def test_a_vertical_bar_does_not_end_a_cell() -> None:
    assert table(["a"], [["x | y", ], [None], [1.5]]).splitlines()[2:] == ["| `x \\| y` |", "|  |", "| 1.5 |"]  # fmt: skip


def test_short_fields_are_a_list_and_long_ones_have_headings() -> None:
    answer = {
        "status": "failed",
        "empty": "",
        "calls": ["a(1)", "b(2)"],
        "hot": {"columns": ["f"], "rows": [["g"]], "more": 3},
    }
    assert joined(answer_blocks(answer)) == (
        "- status: `failed`\n\n### calls\n\n```text\na(1)\nb(2)\n```\n\n### hot\n\n| `f` |\n| --- |\n| `g` |\n\n… 3 more.\n"
    )


def test_a_page_that_is_too_large_says_what_it_leaves_out() -> None:
    page = joined(["ä" * 1000] * 100)
    assert MAX_BYTES - 3000 < len(page.encode()) <= MAX_BYTES
    assert page.endswith("… 51 more parts of this answer did not fit.\n")
