"""Test that each asyncio task has the call that created it, whichever way the program made it."""

from __future__ import annotations

from spool_reader import Spool, Trace

PROGRAM = """
import asyncio

async def work(number):
    await asyncio.sleep(0)
    return number

async def unseen(number):
    return await work(number)

def later(number):
    return asyncio.ensure_future(work(number))

class Shop:
    async def sell(self):
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(work(1)), later(2)]
        await asyncio.gather(work(3), *tasks)
        await asyncio.wait_for(work(4), 60)

async def main():
    await work(0)
    await Shop().sell()

asyncio.run(main())
"""


def creators(spool: Spool) -> dict[int, tuple[str, str]]:
    """Return the function and the source line that created the task of each call of ``work``, by its number."""
    lines = PROGRAM.splitlines()
    numbers = {event["task"]: event for event in spool.of("task")}
    functions = {call.call: call.function for call in spool.calls}
    by_name = {event["name"]: event for event in numbers.values()}
    assert len(by_name) == len(numbers)
    found: dict[int, tuple[str, str]] = {}
    for call in spool.named("work"):
        event = by_name[call.task or ""]
        found[call.args["number"]] = (functions[event["creator"]], lines[event["line"] - 1].strip())
    return found


def test_a_task_has_the_innermost_traced_call_that_created_it_and_its_line(python: str, trace: Trace) -> None:
    spool = trace(python, PROGRAM)
    assert (spool.exit_code, spool.stderr, spool.of("notice")) == (0, "", [])
    found = creators(spool)
    waits = found.pop(4)
    assert found == {
        0: ("<module>", "asyncio.run(main())"),
        1: ("Shop.sell", "tasks = [loop.create_task(work(1)), later(2)]"),
        2: ("later", "return asyncio.ensure_future(work(number))"),
        3: ("Shop.sell", "await asyncio.gather(work(3), *tasks)"),
    }
    assert waits[0] in ("Shop.sell", "<module>")  # from 3.12 on, wait_for makes no task


def test_a_task_made_by_code_that_is_not_traced_has_the_traced_call_below_or_none(python: str, trace: Trace) -> None:
    program = PROGRAM.replace("asyncio.run(main())", "")
    text = f"import sys, types\nshop = types.ModuleType('shop')\nexec({program!r}, shop.__dict__)\n" + (
        "shop.asyncio.run(shop.main())\n"
    )
    spool = trace(python, text, include=["shop"])
    assert spool.exit_code == 0
    (first,) = [event for event in spool.of("task") if event["name"] == "Task-1"]
    assert (first["creator"], first["line"]) == (None, None)
    assert all(event["creator"] for event in spool.of("task") if event["name"] != "Task-1")


def test_an_eager_task_gets_its_creator_after_it_has_run(trace: Trace, python: str) -> None:
    text = (
        "import asyncio, sys\n"
        "async def work(): return 1\n"
        "async def main():\n"
        "    if sys.version_info >= (3, 12): asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)\n"
        "    await asyncio.create_task(work())\n"
        "asyncio.run(main())\n"
    )
    spool = trace(python, text)
    assert (spool.exit_code, spool.stderr) == (0, "")
    (work,), main = spool.named("work"), spool.one("main")
    last = {event["task"]: event for event in spool.of("task")}
    (event,) = [each for each in last.values() if each["name"] == work.task]
    assert (event["creator"], event["line"]) == (main.call, 5)


def test_where_asyncio_is_traced_too_its_caller_is_the_creator(python: str, trace: Trace) -> None:
    spool = trace(python, PROGRAM, include=["__main__", "asyncio.base_events"])
    assert spool.exit_code == 0
    (work,) = [call for call in spool.named("work") if call.args["number"] == 2]
    (event,) = [event for event in spool.of("task") if event["name"] == work.task]
    assert (event["creator"], event["line"]) == (
        spool.one("later").call,
        PROGRAM.splitlines().index("def later(number):") + 2,
    )
