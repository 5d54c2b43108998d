"""Write answers as Markdown (GitHub's dialect) for the pages of a CI job.

An answer holds what a program printed and had in its variables. All of that stands in code spans and in fenced blocks
whose marks are longer than any run of backticks in it, so that none of it becomes HTML, a link or a mention.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_server.answers.common.text import clean, visible

# GitHub refuses a summary of more than 1 MiB, and a page of this size is already long to read.
MAX_BYTES = 100_000

_DEEPEST_HEADING = 4


def joined(blocks: Iterable[str], max_bytes: int = MAX_BYTES) -> str:
    """Join blocks with empty lines; those that have no room are counted.

    Args:
        blocks: Headings, paragraphs, lists, tables and fenced blocks.
        max_bytes: Maximum size of the page in UTF-8.
    """
    kept: list[str] = []
    left_out = 0
    room = max_bytes - 100  # for the line that counts
    for block in blocks:
        room -= len(block.encode()) + 2
        if left_out or room < 0:
            left_out += 1
        else:
            kept.append(block)
    if left_out:
        kept.append(f"… {left_out} more parts of this answer did not fit.")
    return "\n\n".join(kept) + "\n"


def answer_blocks(content: Mapping[str, Any], level: int = 3, title: str = "") -> Iterator[str]:
    """Write the fields of an answer: first a list of the short ones, then each long one under its name.

    Args:
        content: The fields, as JSON.
        level: Level of the headings.
        title: A heading above the list.
    """
    if title:
        yield heading(title, level)
    rest = {name: value for name, value in content.items() if value not in (None, "", [], {})}
    columns, rows = (rest.pop(name, None) for name in ("columns", "rows"))
    more = rest.pop("more", 0) if columns else 0
    short = {name: value for name, value in rest.items() if _is_short(value)}
    if short:
        yield "\n".join(f"- {_label(name)}: {code_span(_text(value))}" for name, value in short.items())
    if columns:
        yield table(columns, rows or [])
    if more:
        yield f"… {more:,} more."
    for name, value in rest.items():
        if name not in short:
            yield from _field(name, value, level + bool(title))


def _field(name: str, value: Any, level: int) -> Iterator[str]:
    """Write a field that does not fit into a line."""
    if is_object(value):
        yield from answer_blocks(value, level, _label(name))
        return
    yield heading(_label(name), level)
    if not is_array(value):
        yield fenced(str(value))
        return
    lines: list[str] = []
    for item in value:
        if is_object(item):
            yield from answer_blocks(item, level + 1)
        else:
            lines.append(_text(item))
    if lines:
        yield fenced("\n".join(lines))


def _is_short(value: Any) -> bool:
    return not is_object(value) and not is_array(value) and "\n" not in str(value).strip()


def _label(name: str) -> str:
    return name.replace("_", " ")


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def heading(text: str, level: int) -> str:
    """Write a heading of the project's own words; a deep one as bold text, which stands out enough there."""
    return f"{'#' * level} {text}" if level <= _DEEPEST_HEADING else f"**{text}**"


def fenced(text: str, language: str = "text") -> str:
    """Write any text as a fenced block."""
    text = visible(clean(text.strip("\n")))
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def code_span(text: str) -> str:
    """Write any text as code within a line; an empty one as nothing."""
    text = " ".join(visible(clean(text)).split())
    if not text:
        return ""
    marks = "`" * (_longest_run(text) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{marks}{pad}{text}{pad}{marks}"


def table(columns: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    """Write a table; numbers as they are, all other cells as code.

    A vertical bar ends a cell even within code, unless there is a backslash before it.
    """
    lines = [[_cell(column) for column in columns], ["---"] * len(columns)]
    lines += [[_cell(value) for value in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    text = _text(value)
    return text if isinstance(value, int | float) else code_span(text).replace("|", "\\|")


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
