"""Print answers as JSON for programs, as text and tables for people, or as Markdown for pages."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_server.answers.common.text import visible_texts
from breadcrumb_server.command_line.options import JSON, MARKDOWN
from breadcrumb_server.command_line.proposals import in_shell_words, needs_a_project

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console, RenderableType

INDENT = 2


def print_answer(answer: BaseModel, output_format: str) -> None:
    """Print an answer to stdout.

    Args:
        answer: The model that a tool would return.
        output_format: ``json``, ``table`` or ``markdown``.
    """
    content = content_of(answer)
    if output_format == JSON:
        click.echo(json.dumps(content, ensure_ascii=False, indent=INDENT))
        return
    if output_format == MARKDOWN:
        from breadcrumb_server.command_line.markdown import answer_blocks, joined

        click.echo(joined(answer_blocks(content)), nl=False)
        return
    from rich.console import Console

    # In a pipe nothing is wrapped: a row stays one line for grep and cut.
    width = None if sys.stdout.isatty() else 100_000
    console = Console(width=width, highlight=False, markup=False, emoji=False, soft_wrap=not sys.stdout.isatty())
    _print_fields(console, content, 0)


def content_of(answer: BaseModel) -> dict[str, Any]:
    """Return the fields of an answer, with what it proposes in words of the shell."""
    content: dict[str, Any] = visible_texts(answer.model_dump(mode="json"))
    for name in ("not_traced", "warnings"):
        if is_array(content.get(name)):
            content[name] = [in_shell_words(text) for text in content[name]]
    for name in ("next", "notes"):
        if name in content:
            proposed = [in_shell_words(text) for text in content[name]]
            content[name] = [text for text in proposed if not needs_a_project(text)]
    if edit := in_shell_words(content.get("edit_config", "")):
        content["edit_config"] = edit
        if needs_a_project(edit):
            del content["edit_config"]
    return content


def _print_fields(console: Console, fields: Mapping[str, Any], depth: int) -> None:
    rest = dict(fields)
    table = _table(rest.pop("columns"), rest.pop("rows")) if {"columns", "rows"} <= rest.keys() else None
    for name, value in rest.items():
        _print_field(console, name, value, depth)
    if table is not None:
        _print(console, table, depth)


def _print_field(console: Console, name: str, value: Any, depth: int) -> None:
    from rich.text import Text

    label = Text(f"{name}:", style="bold")
    if is_object(value) and value:
        _print(console, label, depth)
        _print_fields(console, value, depth + 1)
    elif is_array(value) and value:
        _print(console, label, depth)
        for item in value:
            if is_object(item):
                _print_fields(console, item, depth + 1)
                console.print()
            else:
                _print(console, Text(f"- {_cell(item)}"), depth + 1)
    elif isinstance(value, str) and "\n" in value.strip():
        _print(console, label, depth)
        _print(console, Text(value.rstrip("\n")), depth + 1)
    else:
        _print(console, label.append(f" {_cell(value)}", style="not bold"), depth)


def _print(console: Console, renderable: RenderableType, depth: int) -> None:
    from rich.padding import Padding

    console.print(Padding(renderable, (0, 0, 0, INDENT * depth), expand=False))


def _table(columns: list[str], rows: list[list[Any]]) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, column in enumerate(columns):
        numeric = all(isinstance(row[number], int | float | None) for row in rows)
        table.add_column(Text(column), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
