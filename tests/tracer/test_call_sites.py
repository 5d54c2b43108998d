"""Test that a call has the line of its recorded caller and the asyncio task that ran it."""

from __future__ import annotations

from spool_reader import Trace, program


def test_a_call_has_the_line_of_its_caller(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            def leaf(n):
                return n

            def caller():
                leaf(1)
                for i in range(2):
                    leaf(2)
                return [
                    leaf(3),
                    sorted([4], key=leaf),
                ]

            def lazily():
                yield leaf(5)

            caller()
            list(lazily())
        """),
    )
    lines = {call.args["n"]: call.line for call in spool.named("leaf")}
    assert lines == {1: 5, 2: 7, 3: 9, 4: 10, 5: 14}
    assert (spool.one("caller").line, spool.one("lazily").line) == (16, 17)
    assert spool.one("<module>").line is None


def test_the_line_is_that_of_the_recorded_caller_even_with_untraced_code_in_between(
    python: str, trace: Trace, tmp_path
) -> None:
    (tmp_path / "between.py").write_text("def through(f):\n    return f()\n")
    spool = trace(
        python,
        program("""
            import between
            def leaf(): pass
            def caller():
                x = 1
                between.through(leaf)
            caller()
        """),
    )
    assert (spool.one("leaf").line, spool.tree()[-1]) == (5, ("caller", "leaf"))


def test_a_call_belongs_to_the_task_that_ran_it(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import asyncio
            def work(n):
                return n
            async def inner(n):
                await asyncio.sleep(0)
                work(n)
                await asyncio.sleep(0)
                return work(n)
            async def outer(n):
                work(n)
                return await inner(n)
            async def main():
                tasks = [asyncio.ensure_future(outer(n)) for n in (1, 2)]
                for n, task in enumerate(tasks, 1):
                    task.set_name("worker %d" % n)
                await asyncio.gather(*tasks)
                asyncio.get_running_loop().call_soon(work, 3)
                await asyncio.sleep(0)
                work(0)
            asyncio.run(main())
            work(4)
        """),
    )
    assert {(call.args["n"], call.task) for call in spool.named("work") if call.args["n"] in (1, 2)} == {
        (1, "worker 1"), (2, "worker 2"),
    }  # fmt: skip
    assert {(call.args["n"], call.task) for call in spool.named("inner")} == {(1, "worker 1"), (2, "worker 2")}
    of_main = spool.one("main").task
    assert of_main is not None
    assert {call.args["n"]: call.task for call in spool.named("work") if call.args["n"] in (0, 3, 4)} == {
        0: of_main, 3: None, 4: None,
    }  # fmt: skip


def test_a_cancelled_task_and_an_async_generator_keep_their_task(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        program("""
            import asyncio
            def note(what): pass
            async def ticks():
                try:
                    while True:
                        note("tick")
                        yield 1
                        await asyncio.sleep(0)
                finally:
                    note("closed")
            async def wait():
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    note("cancelled")
                    raise
            async def main():
                async for _ in ticks():
                    break
                task = asyncio.ensure_future(wait())
                task.set_name("waiting")
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                note("main")
            asyncio.run(main())
        """),
    )
    tasks = {call.args["what"]: call.task for call in spool.named("note")}
    assert tasks["cancelled"] == "waiting"
    assert tasks["tick"] == tasks["main"] == spool.one("main").task
