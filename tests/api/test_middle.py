"""Test init() in the middle of a program: running frames, older threads, a debugger, other tools, a notebook."""

from __future__ import annotations

import json

RUNNING = """
    import breadcrumb, json

    def inner(n):
        return n

    def generator():
        yield 1
        yield begins("generator")

    def begins(name):
        local = 5
        tracing = breadcrumb.init(include=["__main__"], label=name)
        inner(local)
        json.dumps([1])
        return name

    def outer(n):
        values = list(generator())
        inner(n)
        try:
            raise KeyError(n)
        except KeyError:
            pass
        return values

    print(outer(7))
"""


def test_what_runs_already_is_recorded_from_then_on(program, python) -> None:
    assert program.run(python, RUNNING).stdout == "[1, 'generator']\n"
    sql = """
        SELECT c.function_name, c.outcome, p.function_name, c.args, c.return_value
        FROM calls c LEFT JOIN calls p ON p.call_id = c.parent_call_id ORDER BY c.call_id
    """
    assert program.rows(sql) == [
        ("<module>", "returned", None, "{}", "null"),
        ("outer", "returned", "<module>", '{"n": 7}', '[1, "generator"]'),
        ("generator", "returned", "outer", "{}", "null"),
        ("begins", "returned", "generator", '{"name": "generator"}', '"generator"'),
        ("inner", "returned", "begins", '{"n": 5}', "5"),
        ("inner", "returned", "outer", '{"n": 7}', "7"),
    ]
    assert program.rows("SELECT exception_type, handled_by FROM exceptions") == [("KeyError", "__main__:outer:23")]
    assert ("dumps", "json", "begins") in program.rows("SELECT function_name, module_name, called_by FROM gaps")


THREADS = """
    import breadcrumb, threading

    def work(name):
        return name

    begun, ended = threading.Event(), threading.Event()

    def older():
        begun.wait()
        work("older")
        ended.wait()
        work("after the end")

    def newer():
        work("newer")

    thread = threading.Thread(target=older)
    thread.start()
    tracing = breadcrumb.init(include=["__main__"])
    begun.set()
    other = threading.Thread(target=newer)
    other.start()
    other.join()
    tracing.stop()
    ended.set()
    thread.join()
    work("after the end")
"""


def test_threads_that_run_already_are_traced_or_told(program, python) -> None:
    program.run(python, THREADS)
    names = {json.loads(args)["name"] for name, args in program.calls() if name == "work"}
    notices = [code for (code,) in program.rows("SELECT code FROM notices")]
    assert "newer" in names and "after the end" not in names
    if program.rows("SELECT backend FROM processes") == [("monitoring",)]:
        assert notices == []
    else:
        assert notices == ["earlier_threads"] and "older" not in names


def test_other_tools_keep_what_they_use(program, python) -> None:
    done = program.run(
        python,
        """
        import breadcrumb, faulthandler, signal, sys

        def work(n):
            return n

        seen = []
        def tool(frame, event, argument):
            seen.append(frame.f_code.co_name)

        handlers = [signal.getsignal(number) for number in range(1, signal.SIGRTMAX)]
        sys.setprofile(tool)
        if hasattr(sys, "monitoring"):
            sys.monitoring.use_tool_id(4, "other")
        breadcrumb.init(include=["__main__"])
        work(1)
        breadcrumb.stop()
        assert sys.getprofile() is tool and "work" in seen
        sys.setprofile(None)
        assert not faulthandler.is_enabled()
        assert handlers == [signal.getsignal(number) for number in range(1, signal.SIGRTMAX)]
        if hasattr(sys, "monitoring"):
            assert [sys.monitoring.get_tool(tool) for tool in range(6)] == [None] * 4 + ["other", None]
        sys.settrace(tool)
        breadcrumb.init(include=["__main__"])
        work(2)
        breadcrumb.stop()
        assert sys.gettrace() is tool
        """,
    )
    assert done.stderr == ""
    args = [args for name, args in program.calls() if name == "work"]
    assert args in (['{"n": 1}', '{"n": 2}'], ['{"n": 1}'])
    if len(args) == 1:  # sys.settrace has one user
        assert program.rows("SELECT code FROM notices") == [("not_observing",)]


def test_cells_of_a_session_are_traced_as_they_run(program, python) -> None:
    """A notebook and a REPL compile each cell or line by itself, into the module __main__."""
    done = program.run(
        python,
        """
        import code
        console = code.InteractiveConsole(globals())
        for line in ["import breadcrumb", "t = breadcrumb.init()", "def half(n): return n / 2", "", "half(4)", "t.stop()",
                     "half(6)", "t = breadcrumb.init()", "half(8)", "t.stop()"]:
            console.push(line)
        """,
    )
    assert done.stderr == ""
    assert [args for name, args in program.calls() if name == "half"] == ['{"n": 4}', '{"n": 8}']
