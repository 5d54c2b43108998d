"""Run a command under the tracer."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from breadcrumb_server.command_line.options import output_options, project_option

if TYPE_CHECKING:
    from breadcrumb_server.answers.report.answer import RunReport
    from breadcrumb_server.service import Service

DEFAULT_TIMEOUT_SECONDS = 300.0
# Exit codes of shells and of coreutils' timeout(1), for commands that did not end by themselves.
TIMED_OUT, SIGNALLED, NOT_STARTED = 124, 128, 1


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@project_option
@click.option(
    "-t",
    "--timeout",
    "timeout_seconds",
    type=float,
    default=DEFAULT_TIMEOUT_SECONDS,
    show_default=True,
    help="Seconds after which the command is ended.",
)
@click.option("--cwd", type=click.Path(file_okay=False), help="Folder to run in. [default: the workspace]")
@click.option("--env", "variables", multiple=True, metavar="NAME=VALUE", help="Set a variable. Repeatable.")
@click.option("--stdin", type=click.File(), help="What the command reads; - is the input of this one. [default: none]")
@click.option("--label", help="A text by which to find the run again.")
@click.option("--mode", type=click.Choice(["adaptive", "full"]), help="full records every call.")
@click.option("--max-chars", type=int, help="Characters of each value that are kept. [default: 2000]")
@click.option("--lines", multiple=True, metavar="FUNCTION", help="Record the lines of a function. Repeatable.")
@click.option(
    "--probe",
    "probes",
    nargs=2,
    multiple=True,
    metavar="PLACE EXPRESSION",
    help='Evaluate an expression at "shop/pricing.py:31", "Rates.of entry" or "Rates.of return"; " if CONDITION" may '
    "follow. It runs in the program. Repeatable.",
)
@click.option("--no-suspects", is_flag=True, help="Do not run other tests of the file first, nor compare their lines.")
@output_options
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def run(
    project: str,
    timeout_seconds: float,
    cwd: str | None,
    variables: tuple[str, ...],
    stdin: Any,
    label: str | None,
    mode: str | None,
    max_chars: int | None,
    lines: tuple[str, ...],
    probes: tuple[tuple[str, str], ...],
    no_suspects: bool,
    output_format: str,
    command: tuple[str, ...],
) -> int:
    """Run COMMAND under the tracer and print the report. Options come before COMMAND.

    The exit code is that of COMMAND: 128 + n after signal n, 124 after the timeout.

    \b
    breadcrumb run -c shop --timeout 60 python script.py
    breadcrumb run -c shop -- pytest -x tests/test_cart.py
    breadcrumb run -c shop --probe shop/cart.py:12 "len(self.items)" python script.py
    """
    from breadcrumb_server.command_line.foreground import run_in_foreground
    from breadcrumb_server.command_line.output import print_answer
    from breadcrumb_server.command_line.services import with_services
    from breadcrumb_server.runs.request import make_request

    env = dict(_variable(each) for each in variables)
    text = stdin.read() if stdin else None
    capture: dict[str, object] = {"mode": mode} if mode else {}
    if max_chars is not None:
        capture["max_value_chars"] = max_chars
    if lines:
        capture["lines"] = list(lines)
    expressions: dict[str, list[str]] = {}
    for place, expression in probes:
        expressions.setdefault(place, []).extend([expression] if expression.strip() else [])

    words: str | list[str] = list(command)
    if len(words) == 1 and not Path(words[0]).exists():  # perhaps a whole command in quotes
        words = words[0]

    async def work(services: Service) -> RunReport:
        config = await services.config(project)
        request = make_request(
            config,
            words,
            timeout_seconds,
            cwd=cwd,
            env=env,
            stdin=text,
            label=label,
            capture=capture,
            probes=expressions,
            suspects="off" if no_suspects else "auto",
        )
        return await run_in_foreground(services, config, request)

    report = with_services(work)
    print_answer(report, output_format)
    return exit_code(report)


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:  # the value may be a secret: it is not repeated
        raise click.BadParameter("NAME=VALUE is needed.", param_hint="--env")
    return name, value


def exit_code(report: RunReport) -> int:
    """Return the exit code that a shell would give the command of a run."""
    if report.status == "timeout":
        return TIMED_OUT
    if report.signal is not None:
        return SIGNALLED + _signal_number(report.signal)
    return NOT_STARTED if report.exit_code is None else report.exit_code


def _signal_number(name: str | int) -> int:
    return int(getattr(signal, str(name), name) if isinstance(name, str) else name)
