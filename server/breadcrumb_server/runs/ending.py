"""How a command comes to its end: by itself, at its timeout, or because somebody stopped it."""

import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

import anyio
import anyio.to_thread

from breadcrumb.record_format import NOTICE_LEFTOVER_PROCESSES
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.run import Run
from breadcrumb_server.runs.stack_request import let_go, take_stacks
from breadcrumb_server.runs.state import RunState

# After the command's own process has ended, its children may still be about to end by themselves.
LEFTOVER_GRACE_SECONDS = 1.0
# A killed process is gone within milliseconds unless the kernel holds it (a dead network mount).
KILL_WAIT_SECONDS = 2.0
POLL_SECONDS = 0.05

Ending = Literal["ended", "timeout", "stopped"]


async def wait_for_ending(run: Run, timeout_seconds: float) -> Ending:
    """Wait for what comes first."""
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
    """SIGTERM to the command's group; SIGKILL where its own process is not gone after the grace.

    Arguments:
        answer_seconds: how long its processes have, before that, to say where they stand.
    """
    for code, message in await anyio.to_thread.run_sync(take_stacks, run.state, run.spool, answer_seconds):
        run.state.add_notice(code, message)
    process_group.send_to_group(run.command.pid, signal.SIGTERM)
    let_go(run.spool)
    with anyio.move_on_after(grace_seconds):
        await run.command.process.wait()
    process_group.send_to_group(run.command.pid, signal.SIGKILL)
    await run.command.process.wait()


async def end_leftovers(run: Run, grace_seconds: float, *, announce: bool) -> None:
    """End what outlived the command's own process, and wait for the rest of the output.

    Arguments:
        announce: whether the run's report is to tell of it.
    """
    deadline = time.monotonic() + min(LEFTOVER_GRACE_SECONDS, grace_seconds)
    # Nobody is told when a process group becomes empty: there is no event to wait for.
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
        await kill_all(run.state, run.spool)
    with anyio.move_on_after(LEFTOVER_GRACE_SECONDS):
        await run.command.output_ended.wait()


async def kill_all(state: RunState, spool: Path) -> None:
    """SIGKILL every process of a run until none is left."""
    deadline = time.monotonic() + KILL_WAIT_SECONDS
    while (left := state.living_processes(spool)) and time.monotonic() < deadline:
        process_group.send(left, signal.SIGKILL)
        await anyio.sleep(POLL_SECONDS)
