"""Show the source of functions with what each line did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from breadcrumb_server.command_line.commands.questions import conditions, secret_names
from breadcrumb_server.command_line.options import output_options, source_options, trace_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

    from breadcrumb_server.answers.show.answer import Shown


@click.command()
@source_options
@click.argument("what", nargs=-1, required=True, metavar="FUNCTION...")
@click.option("--where", metavar="JSON", help='Which call: {"result": null}, {"args.rate": {">": 0.3}}.')
@click.option("--call", "call_id", type=int, metavar="CALL_ID", help="This call. [default: the one that matters]")
@click.option("--chars", type=int, help="Maximum characters of the text. [default: more for more functions]")
@trace_option
@output_options
def show(
    project: str | None,
    db_path: Path | None,
    what: tuple[str, ...],
    where: str | None,
    call_id: int | None,
    chars: int | None,
    trace_id: str | None,
    output_format: str,
) -> None:
    """Show the source of functions, and what each line did in one call.

    Classes, files, lines of a file and words are shown as well. Lines that were not recorded are recorded by the next
    run.

    \b
    breadcrumb show -c shop Cart.total discount
    breadcrumb show -c shop shop/pricing.py:31 --format table
    breadcrumb show -c shop "retries|max_tries"
    """
    from breadcrumb_server.command_line.output import print_answer
    from breadcrumb_server.command_line.services import ask, with_services

    given = conditions(where, allowed=True)

    def build(con: DuckDBPyConnection, name: str) -> tuple[Shown, Sequence[str]]:
        from breadcrumb_server.answers.show.answer import show as build_shown

        redact = secret_names(name, db_path)
        return build_shown(
            con, name, what=what, where=given, call_id=call_id, trace_id=trace_id, chars=chars, redact=redact
        )

    if db_path is None and project is not None:
        shown = with_services(lambda service: service.ask_for_lines(project, lambda con: build(con, project)))
    else:
        shown, _ = ask(project, db_path, build)
    print_answer(shown, output_format)
