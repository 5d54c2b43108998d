"""Build the answer of find: the history of a name, of a value or of an exception in one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.answers.common.budget import squeeze
from breadcrumb_server.answers.common.cursor import Position, decode_cursor, encode_cursor, trace_of_page
from breadcrumb_server.answers.common.model import NEXT_CURSOR, Answer, check_limit
from breadcrumb_server.answers.common.next_calls import NextCalls, first_few
from breadcrumb_server.answers.find.exceptions import exception_page
from breadcrumb_server.answers.find.names.answer import name_page
from breadcrumb_server.answers.find.page import Page, Question
from breadcrumb_server.answers.find.values import value_page
from breadcrumb_server.answers.lines.source import SourceText
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.trace_reader import TraceReader

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of this answer."""

    chars: int = 4_000
    """Characters of the answer."""
    around_chars: int = 300
    """Characters of the answer around its text, notes left out."""
    entries: int = 200
    """Lines of the text that may be asked for."""


LIMITS = Limits()


class Found(Answer):
    """What happened to a name, a value or an exception, in the order of time.

    #162 is a call. Equal events are folded: x12.
    """

    always_shown = frozenset({"trace_id", "text"})
    shown_last = ("next_cursor", "notes", "next")

    trace_id: str
    text: str = Field(description="the history, a line for each event or each group of equal ones")
    next_cursor: str | None = Field(default=None, description=NEXT_CURSOR)


def find(
    con: DuckDBPyConnection,
    project: str,
    *,
    name: str | None = None,
    value: str | float | None = None,
    exception: str | None = None,
    of: str | None = None,
    trace_id: str | None = None,
    limit: int = 40,
    cursor: str | None = None,
    redact: Sequence[str] = (),
) -> tuple[Found, list[str]]:
    """Tell the history of a name, of a value or of an exception: exactly one of them.

    Args:
        con: The database of the project.
        project: Name of the project.
        name: A variable, an attribute, an argument or a global.
        value: A value or a part of one, as answers show it.
        exception: A type, or a part of a type or message, or a glob.
        of: A class, an object such as Cart#2, a function, a module or a file: what the history is narrowed to.
        trace_id: Id of the trace, or an unambiguous part of it; None for the newest.
        limit: Maximum lines of the text.
        cursor: next_cursor of the page before.
        redact: The project's patterns of secret names, for the source.

    Returns:
        The answer, and the names of the functions whose lines would tell more and were not recorded.

    Raises:
        BreadcrumbError: The trace is unknown, not exactly one question is asked, or an argument is wrong.
    """
    _check_one(name, value, exception)
    limit, notes = check_limit(limit, LIMITS.entries)
    query = ("find", project, name, value, exception, of, limit)
    start = decode_cursor(cursor, query) if cursor else None
    reader = TraceReader.open(con, trace_of_page(trace_id, start or Position(0)), project)
    question = Question(
        reader,
        SourceText(reader, Redactor(redact)),
        of,
        None if start is None else start.at,
        limit,
        LIMITS.chars - LIMITS.around_chars,
    )
    page: Page
    if name is not None:
        page = name_page(question, name)
    elif exception is not None:
        page = exception_page(question, exception)
    else:
        page = value_page(question, value if value is not None else "")
    if reader.trace.status == "running":
        notes.append("the run has not ended: this is what it recorded so far")
    rerun = NextCalls(project, reader.trace).rerun() if page.without_lines else None
    answer = Found(
        project=project,
        trace_id=reader.trace_id,
        text=page.text,
        next_cursor=None if page.next_at is None else encode_cursor(query, Position(page.next_at, reader.trace_id)),
        notes=[*page.notes, *notes],
        next=first_few([rerun], 1),
    )
    return squeeze(answer, limit=LIMITS.chars), list(page.without_lines)


def _check_one(name: str | None, value: str | float | None, exception: str | None) -> None:
    given = [key for key, each in (("name", name), ("value", value), ("exception", exception)) if each is not None]
    if len(given) != 1:
        what = f"{' and '.join(given)} were given" if given else "none was given"
        raise BreadcrumbError(
            f"Give exactly one of name, value and exception: {what}.",
            hint='find(name="amount") for a variable or attribute, find(value="114") for a value, '
            'find(exception="KeyError") for what was raised. Narrow it with of="Cart".',
        )
    text = {"name": name, "value": value, "exception": exception}[given[0]]
    if isinstance(text, str) and not text.strip():
        raise BreadcrumbError(f"{given[0]} is empty.", hint="Give a name, a value, or the type of an exception.")
