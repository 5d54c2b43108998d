"""Wait for the end of a command, stop it, and end the processes it leaves."""

import signal
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Literal

import anyio
import anyio.to_thread

from breadcrumb.record_format import NOTICE_LEFTOVER_PROCESSES
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.run import Run
from breadcrumb_server.runs.stack_request import release, request_stacks

# Seconds that the children get to exit by themselves after the command's own process has ended.
LEFTOVER_GRACE_SECONDS = 1.0
# Seconds. A killed process is gone within milliseconds unless the kernel holds it (a dead network mount).
KILL_WAIT_SECONDS = 2.0
POLL_SECONDS = 0.05

Ending = Literal["ended", "timeout", "stopped"]


async def wait_for_ending(run: Run, timeout_seconds: float) -> Ending:
    """Wait until the command ends, its timeout passes or it is asked to stop; return which came first."""
    ending: Ending = "timeout"
    with anyio.move_on_after(timeout_seconds):
        async with anyio.create_task_group() as race:

            async def first(event: Callable[[], Awaitable[object]], name: Ending) -> None:
                nonlocal ending
                await event()
                if not race.cancel_scope.cancel_called:
                    ending = name
                    race.cancel_scope.cancel()

            race.start_soon(first, run.command.process.wait, "ended")
            race.start_soon(first, run.stop_requested.wait, "stopped")
    return ending


async def stop_command(run: Run, grace_seconds: float, answer_seconds: float) -> None:
    """Stop a command: record its stacks, send SIGTERM to its process group, then SIGKILL after the grace period.

    Args:
        run: The run of the command.
        grace_seconds: Time between the two signals for the command's own process to end.
        answer_seconds: Time for its Python processes to write their stacks before the first signal.
    """
    for code, message in await anyio.to_thread.run_sync(request_stacks, run.state, run.spool, answer_seconds):
        run.state.add_notice(code, message)
    process_group.send_to_group(run.command.pid, signal.SIGTERM)
    release(run.spool)
    with anyio.move_on_after(grace_seconds):
        await run.command.process.wait()
    process_group.send_to_group(run.command.pid, signal.SIGKILL)
    await run.command.process.wait()


async def end_leftovers(run: Run, grace_seconds: float, *, announce: bool) -> None:
    """Kill processes that outlive the command, and wait for the rest of the output.

    Args:
        run: The run of the command.
        grace_seconds: Time for them to exit by themselves, at most LEFTOVER_GRACE_SECONDS.
        announce: Whether to add a notice to the run's report.
    """
    deadline = time.monotonic() + min(LEFTOVER_GRACE_SECONDS, grace_seconds)
    # The kernel sends no event when a process group becomes empty, so this polls.
    while (left := run.state.living_processes(run.spool)) and time.monotonic() < deadline:  # noqa: ASYNC110
        await anyio.sleep(POLL_SECONDS)
    if left:
        if announce:
            noun = "process" if len(left) == 1 else "processes"
            run.state.add_notice(
                NOTICE_LEFTOVER_PROCESSES,
                f"{len(left)} {noun} that the command had started outlived it and got SIGKILL: "
                "a run ends with its command.",
            )
        run.command.process.kill_descendants()
        await kill_all(partial(run.state.living_processes, run.spool))
    with anyio.move_on_after(LEFTOVER_GRACE_SECONDS):
        await run.command.output_ended.wait()


async def end_by_signals(living: Callable[[], list[int]], grace_seconds: float) -> None:
    """Send SIGTERM to processes that are not our children, then SIGKILL to those that are left.

    Args:
        living: Returns the pids of those that live.
        grace_seconds: Time between the two signals.
    """
    process_group.send(living(), signal.SIGTERM)
    with anyio.move_on_after(grace_seconds):
        # The kernel sends no event at the end of a process that is not our child.
        while living():  # noqa: ASYNC110
            await anyio.sleep(POLL_SECONDS)
    await kill_all(living)


async def kill_all(living: Callable[[], list[int]]) -> None:
    """Send SIGKILL to processes until none is left, for at most KILL_WAIT_SECONDS.

    Args:
        living: Returns the pids of those that live.
    """
    deadline = time.monotonic() + KILL_WAIT_SECONDS
    while (left := living()) and time.monotonic() < deadline:
        process_group.send(left, signal.SIGKILL)
        await anyio.sleep(POLL_SECONDS)
