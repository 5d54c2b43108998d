"""Test that children of a program that traces itself are part of its trace, and that init() joins a trace."""

from __future__ import annotations

import sys

CHILDREN = """
    import multiprocessing, os, subprocess, sys
    import breadcrumb

    def work(name):
        return name

    if __name__ == "__main__":
        breadcrumb.init(include=["__main__", "__mp_main__"], label="parent")
        for method in multiprocessing.get_all_start_methods():
            child = multiprocessing.get_context(method).Process(target=work, args=(method,))
            child.start()
            child.join()
        if os.fork() == 0:
            work("os.fork")
            breadcrumb.stop()
            work("untraced")
            os._exit(0)
        os.wait()
        subprocess.run([sys.executable, "-c", "def work(name): pass\\nwork('injected')"], check=True)
        code = "import breadcrumb; h = breadcrumb.init(); assert h.joined\\ndef work(name): pass\\nwork('joined'); h.stop()"
        subprocess.run([sys.executable, "-c", code + "; work('goes on')"], check=True)
        env = dict(os.environ, PYTHONPATH=os.environ["PYTHONPATH"].split(":", 1)[1])
        subprocess.run([sys.executable, "-c", code], env=env, check=True)
        work("parent")
"""


def test_all_kinds_of_children_are_in_the_same_trace(program, python) -> None:
    program.run(python, CHILDREN)
    program.ask("list")  # multiprocessing's fork server may have outlived the program
    assert program.rows("SELECT label, status, exit_code FROM traces") == [("parent", "completed", 0)]
    found = program.rows("SELECT args FROM calls WHERE function_name = 'work' ORDER BY 1")
    names = ["fork", "forkserver", "goes on", "injected", "joined", "joined", "os.fork", "parent", "spawn"]
    assert [args for (args,) in found] == [f'{{"name": "{name}"}}' for name in names]


def test_a_child_that_outlives_the_program_goes_on_being_recorded(program, python) -> None:
    done = program.run(
        python,
        """
        import breadcrumb, os, sys, time
        def work(name): return name
        breadcrumb.init()
        work("parent")
        if os.fork() == 0:
            os.close(0); os.close(1); os.close(2)
            while not os.path.exists("go"): time.sleep(0.01)
            work("late")
            open("done", "w").close()
        """,
    )
    assert done.stderr == ""
    assert program.rows("SELECT status, exit_code FROM traces") == [("completed", 0)]
    assert [args for name, args in program.calls() if name == "work"] == ['{"name": "parent"}']
    (program.folder / "go").touch()
    while not (program.folder / "done").exists():
        pass
    program.ask("list")
    assert '{"name": "late"}' in [args for name, args in program.calls() if name == "work"]


def test_tests_that_pytest_runs_in_parallel_are_one_trace(program) -> None:
    program.write("import breadcrumb\nbreadcrumb.init(label='tests')\n", "conftest.py")
    program.write("def double(n):\n    return n + n\n", "double.py")
    tests = "from double import double\n" + "".join(
        f"def test_{n}(): assert double({n}) == {n * 2}\n" for n in range(6)
    )
    program.write(tests, "test_double.py")
    words = ["-m", "pytest", "-q", "-p", "xdist.plugin", "-n", "2", "-p", "no:cacheprovider"]
    process = program.start(sys.executable, *words)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0 and "6 passed" in out, out + err
    assert program.rows("SELECT label, status, exit_code FROM traces") == [("tests", "completed", 0)]
    assert program.rows("SELECT count(*) FROM calls WHERE function_name = 'double'") == [(6,)]
    assert program.rows("SELECT count(DISTINCT process_id) FROM calls WHERE function_name = 'double'") <= [(2,)]


JOINS = """
    import breadcrumb, sys
    tracing = breadcrumb.init(include=["late/*.py"], label="ignored", db_path="ignored.duckdb")
    assert tracing.joined and tracing.trace_id and breadcrumb.init().joined
    sys.path.insert(0, "late")
    import module
    module.work(1)
    tracing.stop()
    breadcrumb.shutdown()
    module.work(2)
"""


def test_under_run_it_joins_that_trace_and_adds_its_patterns(program, python, tmp_path) -> None:
    program.write("def work(n):\n    return n\n", "late/module.py")
    script = program.write(JOINS)
    words = ["-c", "from breadcrumb_server.command_line.breadcrumb import main; import sys; sys.exit(main())"]
    env = {"PYTHONPATH": "", "BREADCRUMB_SERVER_PYTHON": ""}
    for arguments in (["init", "joined"], ["run", "-c", "joined", "--timeout", "60", python, script]):
        process = program.start(sys.executable, *words, *arguments, env=env)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
    database = tmp_path / "home" / "joined-traces.duckdb"
    assert program.rows("SELECT status, label FROM traces", database) == [("completed", None)]
    assert [args for name, args in program.calls(database) if name == "work"] == ['{"n": 1}', '{"n": 2}']
    assert not list(program.folder.rglob("*.duckdb"))
