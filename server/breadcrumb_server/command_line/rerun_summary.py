"""Write the answer of ``breadcrumb rerun`` as a page: what failed again, what did not, and the report."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from breadcrumb_server.answers.common.text import counted
from breadcrumb_server.command_line.markdown import answer_blocks, code_span, fenced, heading, joined, table
from breadcrumb_server.command_line.output import content_of

if TYPE_CHECKING:
    from breadcrumb_server.answers.common.model import Table
    from breadcrumb_server.failed_tests.answer import RerunAnswer

_SAID_ELSEWHERE = frozenset({"project", "label", "next"})
# Seldom what a failing test is about: folded up.
_DETAILS = (
    *("traced", "processes", "handled_exceptions", "hot", "gaps", "edit_config"),
    *("stdout_tail", "stderr_tail"),
)


def rerun_summary(answer: RerunAnswer) -> str:
    """Return the answer as Markdown."""
    return joined(_blocks(answer))


def _blocks(answer: RerunAnswer) -> Iterator[str]:
    yield heading(f"Breadcrumb: {_headline(answer)}", 2)
    content = content_of(answer)
    if answer.tests:
        yield from _rows("", answer.tests)
    if answer.not_run:
        yield from _rows("Not run again", answer.not_run)
    if content.get("notes"):
        yield "\n".join(f"- {code_span(note)}" for note in content["notes"])
    if answer.report is not None:
        report = {name: value for name, value in content_of(answer.report).items() if name not in _SAID_ELSEWHERE}
        yield from answer_blocks({k: v for k, v in report.items() if k not in _DETAILS}, 3, "Under the tracer")
        details = {name: report[name] for name in _DETAILS if name in report}
        if details:
            yield "<details><summary>Time, output and what was traced</summary>"
            yield from answer_blocks(details, 4)
            yield "</details>"
    questions = list(_questions(answer, content.get("next", [])))
    if questions:
        yield heading("Next", 3)
        yield fenced("\n".join(questions), "sh")


def _questions(answer: RerunAnswer, proposed: Sequence[str]) -> Iterator[str]:
    """Yield the proposed commands that ask the database, by its file: the project is gone with the job."""
    option = f" -c {answer.project} "
    for command in proposed:
        if option in command and not command.startswith("breadcrumb run "):
            yield command.replace(option, f" --db-path {shlex.quote(Path(answer.database).name)} ", 1)


def _headline(answer: RerunAnswer) -> str:
    if not answer.failed_before:
        return "no test failed"
    if answer.report is None:
        return f"{counted(answer.failed_before, 'failed test')}, none run again"
    passed = f", {answer.passed_now} passed" if answer.passed_now else ""
    return f"{answer.failed_again} of {counted(answer.failed_before, 'failed test')} failed again{passed}"


def _rows(title: str, rows: Table) -> Iterator[str]:
    if title:
        yield heading(title, 3)
    yield table([column.replace("_", " ") for column in rows.columns], rows.rows)
    if rows.more:
        yield f"… {rows.more} more."
