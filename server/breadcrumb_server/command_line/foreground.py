"""Run a command while the user waits: show how far it is, and stop it at a signal."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import anyio

from breadcrumb_server.command_line.live_line import LiveLine
from breadcrumb_server.runs.request import MAX_WAIT_SECONDS, RunRequest

if TYPE_CHECKING:
    from anyio.abc import TaskStatus

    from breadcrumb_server.answers.report.answer import RunReport
    from breadcrumb_server.projects.config import ProjectConfig
    from breadcrumb_server.service import Service

BY_SIGNAL = "It was stopped because breadcrumb got a signal (SIGINT, SIGTERM or SIGHUP)."


async def run_in_foreground(services: Service, config: ProjectConfig, request: RunRequest) -> RunReport:
    """Run a command to its end; a signal to this process stops it, and its report is still made.

    Args:
        services: The services of the home folder.
        config: The settings of the project.
        request: The checked command.

    Raises:
        BreadcrumbError: The command cannot be started.
    """
    stop = anyio.Event()

    async def receive_signals(task_status: TaskStatus[None]) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            task_status.started()
            async for _ in signals:
                stop.set()

    async def end_first_pass() -> None:
        await stop.wait()
        services.runs.end_first_passes()

    with LiveLine(sys.stderr) as line:
        async with anyio.create_task_group() as tasks:
            await tasks.start(receive_signals)
            tasks.start_soon(end_first_pass)
            report = await services.run(config, request, 0, line.show)
            trace_id = report.trace_id

            async def stop_run() -> None:
                await stop.wait()
                if run := services.runs.find(trace_id):
                    run.request_stop(BY_SIGNAL)

            tasks.start_soon(stop_run)
            while report.status == "running":
                report = await services.wait_for_run(config.project, trace_id, MAX_WAIT_SECONDS, line.show)
            tasks.cancel_scope.cancel()
            return report
    raise AssertionError("unreachable: a task group swallows nothing")
