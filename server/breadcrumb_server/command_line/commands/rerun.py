"""Run failed tests again under the tracer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from breadcrumb_server.command_line.commands.run import DEFAULT_TIMEOUT_SECONDS, exit_code
from breadcrumb_server.command_line.options import output_options, project_option

if TYPE_CHECKING:
    from breadcrumb_server.answers.report.answer import RunReport
    from breadcrumb_server.failed_tests.answer import RerunAnswer
    from breadcrumb_server.runs.request import RunRequest
    from breadcrumb_server.service import Service

DEFAULT_MAX_TESTS = 50


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@project_option
@click.option(
    "--junit",
    "files",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="A JUnit file, or a folder of them. Repeatable.",
)
@click.option(
    "--timeout",
    "timeout_seconds",
    type=float,
    default=DEFAULT_TIMEOUT_SECONDS,
    show_default=True,
    help="Seconds after which the tests are ended.",
)
@click.option("--cwd", type=click.Path(file_okay=False), help="Folder to run in. [default: the workspace]")
@click.option(
    "--max-tests",
    type=click.IntRange(min=1),
    default=DEFAULT_MAX_TESTS,
    show_default=True,
    help="Maximum number of tests to run.",
)
@click.option("--summary", type=click.Path(path_type=Path), help="Append the answer to this file, as Markdown.")
@click.option("--outputs", type=click.Path(path_type=Path), help="Append NAME=VALUE lines to this file.")
@output_options
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def rerun(
    project: str,
    files: tuple[Path, ...],
    timeout_seconds: float,
    cwd: str | None,
    max_tests: int,
    summary: Path | None,
    outputs: Path | None,
    output_format: str,
    command: tuple[str, ...],
) -> int:
    """Run the failed tests of JUnit files again under the tracer.

    COMMAND starts the test runner, and gets the tests as its last arguments. Left out, it is pytest, or unittest if
    pytest is not installed, in the environment of the workspace. The exit code is 0 however the tests end.

    \b
    breadcrumb rerun -c shop --junit junit.xml
    breadcrumb rerun -c shop --junit junit.xml -- python -m pytest -p no:randomly
    breadcrumb rerun -c shop --junit reports -- python manage.py test
    """
    from breadcrumb_server.command_line.foreground import run_in_foreground
    from breadcrumb_server.command_line.output import print_answer
    from breadcrumb_server.command_line.services import with_services
    from breadcrumb_server.failed_tests.rerun import RerunRequest, rerun_failed_tests

    paths = [path.absolute() for path in files]
    wanted = RerunRequest(paths, command, timeout_seconds, cwd=cwd, max_tests=max_tests)

    async def work(services: Service) -> RerunAnswer:
        config = await services.config(project)

        async def run(request: RunRequest) -> RunReport:
            return await run_in_foreground(services, config, request)

        return await rerun_failed_tests(services, config, wanted, run)

    answer = with_services(work)
    if summary:
        from breadcrumb_server.command_line.rerun_summary import rerun_summary

        _append(summary, rerun_summary(answer), "--summary")
    if outputs:
        _append(outputs, _output_lines(answer), "--outputs")
    print_answer(answer, output_format)
    return exit_code(answer.report) if answer.report is not None and answer.report.status == "stopped" else 0


def _output_lines(answer: RerunAnswer) -> str:
    """Return what later steps of a job may need, as GitHub and GitLab read it."""
    values = {
        "failed_before": answer.failed_before,
        "failed_again": answer.failed_again,
        "passed_now": answer.passed_now,
        "trace_id": answer.trace_id,
        "database": answer.database,
    }
    # A line break would begin a value of its own.
    return "".join(f"{name}={value}\n" for name, value in values.items() if "\n" not in str(value))


def _append(file: Path, text: str, option: str) -> None:
    try:
        with file.open("a", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise click.BadParameter(f"{file} cannot be written: {error}", param_hint=option) from None
