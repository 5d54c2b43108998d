"""Ask what a run recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from breadcrumb_server.answers.common.parsed_json import is_object
from breadcrumb_server.command_line.options import limit_option, output_options, source_options, trace_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from duckdb import DuckDBPyConnection
    from pydantic import BaseModel

    from breadcrumb_server.answers.sql import QueryResult, SqlSource


def _answer(
    project: str | None,
    database: Path | None,
    output_format: str,
    build: Callable[[DuckDBPyConnection, str], BaseModel],
) -> None:
    from breadcrumb_server.command_line.output import print_answer
    from breadcrumb_server.command_line.services import ask

    print_answer(ask(project, database, build), output_format)


def _answer_sql(
    project: str | None, database: Path | None, output_format: str, sql: str, *, limit: int, whole: bool
) -> None:
    from breadcrumb_server.answers.sql import query_traces
    from breadcrumb_server.command_line.output import print_answer
    from breadcrumb_server.command_line.services import ask_sql

    def build(run: SqlSource, project: str) -> QueryResult:
        return query_traces(run, project, sql=sql, limit=limit, whole=whole)

    print_answer(ask_sql(project, database, build), output_format)


@click.command()
@source_options
@click.option("--gaps", is_flag=True, help="Functions that were called but not traced.")
@click.option("--call", "function", metavar="FUNCTION", help="The calls of a function, with their values.")
@click.option("--where", metavar="JSON", help='With --call: {"outcome": "raised"}, {"args.rate": {">": 0.3}}.')
@click.option("--flow", is_flag=True, help="What happened, in order.")
@click.option("--module", help="With --flow: begin at the calls into this module.")
@click.option("--function", "flow_function", metavar="FUNCTION", help="With --flow: begin at the calls of this one.")
@click.option("--root", "root_call_id", type=int, metavar="CALL_ID", help="With --flow: begin at this call.")
@click.option("--around", "around_call_id", type=int, metavar="CALL_ID", help="With --flow: around this call.")
@click.option("--exception", "exception_id", type=int, metavar="ID", help="With --flow: around where it was raised.")
@click.option("--at", "at_ms", type=float, metavar="MS", help="With --flow: around this time since the start.")
@click.option("--thread", help="With --flow: only this thread or asyncio task.")
@click.option("--process", "process_id", type=int, metavar="NUMBER", help="With --flow: only this process.")
@click.option("--test", help="With --flow: only under this test.")
@click.option("--depth", "max_depth", type=int, help="With --flow: maximum depth. [default: as deep as fits]")
@click.option("--value", "--fuzzy", "text", metavar="TEXT", help="Every call that had this text in a value.")
@click.option("--sql", metavar="STATEMENT", help="One read-only statement in DuckDB's SQL; also without --sql.")
@click.option("--disable-truncation", is_flag=True, help="With a statement: whole cells, and all rows up to --limit.")
@click.argument("statement", required=False)
@trace_option
@limit_option(20)
@output_options
def query(
    project: str | None,
    db_path: Path | None,
    gaps: bool,
    function: str | None,
    where: str | None,
    flow: bool,
    module: str | None,
    flow_function: str | None,
    root_call_id: int | None,
    around_call_id: int | None,
    exception_id: int | None,
    at_ms: float | None,
    thread: str | None,
    process_id: int | None,
    test: str | None,
    max_depth: int | None,
    text: str | None,
    sql: str | None,
    disable_truncation: bool,
    statement: str | None,
    trace_id: str | None,
    limit: int,
    cursor: str | None,
    output_format: str,
) -> None:
    """Ask one question: --gaps, --call, --flow, --value or a STATEMENT.

    \b
    breadcrumb query -c shop --call Cart.total --where '{"args.rate": null}'
    breadcrumb query -c shop --flow --module shop.pricing
    breadcrumb query -c shop --sql "SELECT * FROM traces WHERE status = 'failed'"
    """
    if sql and statement:
        raise click.UsageError(f"Give one statement, not both --sql and {statement[:40]!r}.")
    sql = sql or statement
    if disable_truncation and not sql:
        raise click.UsageError("--disable-truncation: only with a statement.")
    chosen = [
        name
        for name, given in (("--gaps", gaps), ("--call", function), ("--flow", flow), ("--value", text), ("--sql", sql))
        if given
    ]
    if len(chosen) != 1:
        raise click.UsageError(
            "Give exactly one of --gaps, --call, --flow, --value and --sql"
            + (f", not {' and '.join(chosen)}." if chosen else ".")
        )
    wanted = conditions(where, allowed=function is not None)
    of_flow = {
        "--module": module,
        "--function": flow_function,
        "--root": root_call_id,
        "--around": around_call_id,
        "--exception": exception_id,
        "--at": at_ms,
        "--thread": thread,
        "--process": process_id,
        "--test": test,
        "--depth": max_depth,
    }
    given = [name for name, value in of_flow.items() if value is not None]
    if given and not flow:
        raise click.UsageError(f"{' and '.join(given)}: only with --flow.")

    def build(con: DuckDBPyConnection, project: str) -> BaseModel:
        if function:
            from breadcrumb_server.answers.calls.answer import get_calls

            return get_calls(
                con,
                project,
                function=function,
                trace_id=trace_id,
                where=wanted,
                limit=limit,
                cursor=cursor,
                redact=secret_names(project, db_path),
            )
        if flow:
            from breadcrumb_server.answers.flow.answer import FlowView, get_flow

            view = FlowView(
                module=module,
                function=flow_function,
                root_call_id=root_call_id,
                around_call_id=around_call_id,
                exception_id=exception_id,
                at_ms=at_ms,
                thread=int(thread) if thread and thread.isdecimal() else thread,
                process_id=process_id,
                test=test,
            )
            return get_flow(con, project, trace_id=trace_id, view=view, max_depth=max_depth, cursor=cursor)
        if text:
            from breadcrumb_server.answers.search import search_values

            return search_values(con, project, text=text, trace_id=trace_id, limit=limit, cursor=cursor)
        from breadcrumb_server.answers.gaps.answer import find_gaps

        return find_gaps(con, project, trace_id=trace_id, limit=limit, cursor=cursor)

    if sql:
        _answer_sql(project, db_path, output_format, sql, limit=limit, whole=disable_truncation)
    else:
        _answer(project, db_path, output_format, build)


def secret_names(project: str, database: Path | None) -> list[str]:
    """Return the project's own patterns of secret names; a database without a project has none."""
    from breadcrumb_server.projects.config import load_config
    from breadcrumb_server.projects.home import Home

    return [] if database else list(load_config(Home.from_environment(), project).config.redact)


def conditions(where: str | None, *, allowed: bool) -> dict[str, Any] | None:
    """Parse the conditions on calls that --where has.

    Raises:
        click.UsageError: They are no JSON object, or not allowed here.
    """
    if where is None:
        return None
    if not allowed:
        raise click.UsageError("--where goes with --call.")
    try:
        conditions: object = json.loads(where)
    except ValueError as error:
        raise click.BadParameter(f"no JSON: {error}", param_hint="--where") from None
    if not is_object(conditions):
        raise click.BadParameter('a JSON object is needed, such as {"outcome": "raised"}', param_hint="--where")
    return conditions


@click.command("list")
@source_options
@click.option("--status", help="running, completed, failed, timeout, stopped or crashed.")
@click.option("--since", help="1h, 2d, a date, or an ISO time in UTC.")
@limit_option(20)
@output_options
def list_runs(
    project: str | None,
    db_path: Path | None,
    status: str | None,
    since: str | None,
    limit: int,
    cursor: str | None,
    output_format: str,
) -> None:
    """List the recorded runs, newest first."""

    def build(con: DuckDBPyConnection, project: str) -> BaseModel:
        from breadcrumb_server.answers.traces import list_traces

        return list_traces(con, project, limit=limit, cursor=cursor, status=status, since=since)

    _answer(project, db_path, output_format, build)


@click.command()
@source_options
@click.argument("trace_id")
@output_options
def get(project: str | None, db_path: Path | None, trace_id: str, output_format: str) -> None:
    """Show the report of the run TRACE_ID."""

    def build(con: DuckDBPyConnection, project: str) -> BaseModel:
        from breadcrumb_server.answers.report.answer import build_report

        return build_report(con, project, trace_id=trace_id)

    _answer(project, db_path, output_format, build)


@click.command()
@source_options
@output_options
def report(project: str | None, db_path: Path | None, output_format: str) -> None:
    """Show the report of the newest run: the same as get latest."""

    def build(con: DuckDBPyConnection, project: str) -> BaseModel:
        from breadcrumb_server.answers.report.answer import build_report

        return build_report(con, project, trace_id=None)

    _answer(project, db_path, output_format, build)


@click.command()
@source_options
@click.option("--since", help="All runs since then: 1h, 2d, a date, or an ISO time in UTC.")
@click.option("--type", "type_name", help="KeyError, json.JSONDecodeError, or a glob.")
@click.option("--uncaught", is_flag=True, help="Without those that traced code handled.")
@click.option("--test", help="Only under this test: its node id, a part of it, or a glob.")
@trace_option
@limit_option(10)
@output_options
def exceptions(
    project: str | None,
    db_path: Path | None,
    since: str | None,
    type_name: str | None,
    uncaught: bool,
    test: str | None,
    trace_id: str | None,
    limit: int,
    cursor: str | None,
    output_format: str,
) -> None:
    """Show what was raised, with values.

    Each exception comes with its call chain and the local variables at the raise.
    """

    def build(con: DuckDBPyConnection, project: str) -> BaseModel:
        from breadcrumb_server.answers.exceptions.answer import find_exceptions

        return find_exceptions(
            con,
            project,
            since=since,
            trace_id=trace_id,
            type=type_name,
            include_handled=not uncaught,
            test=test,
            limit=limit,
            cursor=cursor,
        )

    _answer(project, db_path, output_format, build)


@click.command()
@source_options
@click.argument("function", required=False)
@trace_option
@click.option("--limit", type=int, default=15, show_default=True, help="Number of functions.")
@output_options
def performance(
    project: str | None,
    db_path: Path | None,
    function: str | None,
    trace_id: str | None,
    limit: int,
    output_format: str,
) -> None:
    """Show where the time went.

    Of a run, or of FUNCTION with its callers and its slowest calls.
    """

    def build(con: DuckDBPyConnection, project: str) -> BaseModel:
        from breadcrumb_server.answers.performance.answer import analyze_performance

        return analyze_performance(con, project, function=function, trace_id=trace_id, limit=limit)

    _answer(project, db_path, output_format, build)


@click.command()
@source_options
@click.argument("limit", type=int, default=10)
@click.option("--skip", type=click.IntRange(min=0), default=0, show_default=True, help="Leave out the first ones.")
@trace_option
@output_options
def top(
    project: str | None, db_path: Path | None, limit: int, skip: int, trace_id: str | None, output_format: str
) -> None:
    """Show the LIMIT functions that were called most often; 10 by default."""

    def build(con: DuckDBPyConnection, project: str) -> BaseModel:
        from breadcrumb_server.answers.performance.most_called import most_called

        return most_called(con, project, trace_id=trace_id, limit=limit, skip=skip)

    _answer(project, db_path, output_format, build)
