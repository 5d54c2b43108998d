"""Test breadcrumb.init(): its arguments and variables, what it includes, and the ways to end a trace."""

from __future__ import annotations

import json

import pytest

import breadcrumb

ADDS = """
    import sys
    import breadcrumb

    def add(a, b):
        return a + b

    tracing = breadcrumb.init({arguments})
    print(add(1, 2))
"""
ADD = ("add", '{"a": 1, "b": 2}')


def test_without_arguments_the_calls_are_in_the_default_database_after_the_exit(program, python) -> None:
    done = program.run(python, ADDS.format(arguments=""))
    assert (done.stdout, done.stderr) == ("3\n", "")
    assert program.calls() == [("<module>", "{}"), ADD]
    rows = program.rows("SELECT status, exit_code, command, label, stdout_tail, cwd FROM traces")
    assert rows == [("completed", 0, f"{python} program.py", None, None, str(program.folder))]
    # What ran already when tracing began has an end too, and knows its calls.
    sql = "SELECT function_name, outcome, parent_call_id IS NULL FROM calls ORDER BY call_id"
    assert program.rows(sql) == [("<module>", "returned", True), ("add", "returned", False)]
    assert program.rows("SELECT event_type FROM trace_events WHERE function_name = 'add'") == [("call",), ("return",)]
    files = sorted(file.name for file in program.database.parent.iterdir())
    assert files == [".gitignore", "traces.duckdb", "traces.duckdb.lock", "traces.duckdb.queue"]


def test_all_arguments_are_accepted_and_shown(program, python) -> None:
    arguments = (
        "enabled=True, sample_rate=1.0, include=['src/**/*.py', '__main__'], exclude=['src/no.py'], "
        "db_path='data/my.duckdb', backend='pep669', label='first', mode='full', max_repr_length=30, silent=True, "
        "config_file='x.yaml'"
    )
    text = ADDS.format(arguments=arguments) + "    print(tracing.to_dict()); print(add('x' * 99, ''), file=sys.stderr)"
    for name in ("yes", "no"):
        program.write(f"def {name}():\n    return 1\n", f"src/{name}.py")
    text += "\n    sys.path.insert(0, 'src'); import yes, no; yes.yes(); no.no()"
    done = program.run(python, text)
    assert "'label': 'first'" in done.stdout and "'backend': 'monitoring'" in done.stdout
    database = program.folder / "data" / "my.duckdb"
    assert program.rows("SELECT label FROM traces", database) == [("first",)]
    names = [name for name, _ in program.calls(database)]
    assert "yes" in names and "no" not in names
    ((args,),) = program.rows("SELECT args FROM calls WHERE function_name = 'add' ORDER BY call_id OFFSET 1", database)
    assert "chars)" in json.loads(args)["a"] and len(args) < 80


@pytest.mark.parametrize("backend", ["auto", "monitoring", "pep669", "settrace", "sqlite"])
def test_every_name_of_a_backend_traces(program, python, backend) -> None:
    text = ADDS.format(arguments=f"backend={backend!r}") + "    print(breadcrumb.get_backend())\n"
    done = program.run(python, text + "    def constant(): return 5\n    constant()")
    wanted = "settrace" if backend in ("settrace", "sqlite") else "monitoring"
    assert done.stdout.split()[1] in (wanted, "settrace")
    assert ADD in program.calls()
    # Python 3.12 and 3.13 have an instruction of their own for the return of a constant.
    assert program.rows("SELECT DISTINCT outcome FROM calls") == [("returned",)]


VARIABLES = [
    ({"BREADCRUMB_ENABLED": "0"}, "enabled=True", None),
    ({"BREADCRUMB_ENABLED": "on"}, "enabled=False", "code/.breadcrumb/traces.duckdb"),
    ({"BREADCRUMB_DB_PATH": "other.duckdb"}, "db_path='mine.duckdb'", "code/other.duckdb"),
    ({"BREADCRUMB_SAMPLE_RATE": "0"}, "sample_rate=1.0", "code/.breadcrumb/traces.duckdb"),
]


@pytest.mark.parametrize(("env", "arguments", "database"), VARIABLES, ids=[repr(env) for env, *_ in VARIABLES])
def test_variables_win_over_arguments(program, python, tmp_path, env, arguments, database) -> None:
    program.run(python, ADDS.format(arguments=arguments), env=env)
    assert [str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.duckdb")] == ([database] if database else [])
    if database:
        assert (ADD in program.calls(tmp_path / database)) == ("BREADCRUMB_SAMPLE_RATE" not in env)


WRONG = [
    ("enabled='yes'", "TypeError: enabled must be True or False, not 'yes'"),
    ("sample_rate=1.5", "ValueError: sample_rate must be from 0 to 1, not 1.5"),
    ("sample_rate='all'", "TypeError: sample_rate must be a number from 0 to 1"),
    ("include='src/*.py'", 'write include=["src/*.py"]'),
    ("include=[]", "ValueError: include is empty"),
    ("exclude=[3]", "a pattern is a text, such as 'shop.*'"),
    ("db_path=7", "TypeError: db_path must be the path of a file"),
    ("db_path='.'", "ValueError: db_path is a folder"),
    ("db_path='program.py'", "ValueError: db_path is a file of another kind"),
    ("db_path='program.py/traces.duckdb'", "Give a db_path in a folder that can be written to"),
    ("backend='memory'", "traces are kept in the file db_path"),
    ("backend='fast'", "write one of 'auto', 'monitoring' (or 'pep669', sys.monitoring), 'settrace'"),
    ("max_repr_length=0", "ValueError: max_repr_length must be 1 or more"),
    ("label=1", "TypeError: label must be a text"),
    ("mode='some'", "ValueError: mode is 'some': write 'adaptive' or 'full'"),
    ("rate=1", "unexpected keyword argument 'rate'"),
    ("print", "to decorate it, write @breadcrumb.init()"),
]


def test_a_wrong_argument_is_refused_before_anything_starts(program, python) -> None:
    checks = "".join(
        f"""
    try: breadcrumb.init({arguments})
    except (TypeError, ValueError, OSError) as error: print("%s: %s" % (type(error).__name__, error))
    assert breadcrumb.get_backend() is None and breadcrumb.get_config() is None"""
        for arguments, _ in WRONG
    )
    done = program.run(python, "    import breadcrumb" + checks)
    messages = done.stdout.splitlines()
    assert len(messages) == len(WRONG)
    for (_, expected), message in zip(WRONG, messages, strict=True):
        assert expected in message
    assert [file.name for file in program.folder.iterdir()] == ["program.py"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("BREADCRUMB_ENABLED", "maybe"), ("BREADCRUMB_SAMPLE_RATE", "2"), ("BREADCRUMB_SAMPLE_RATE", "x")],
)
def test_a_wrong_variable_is_refused_by_its_name(monkeypatch, name, value) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"environment variable {name} is '{value}': write"):
        breadcrumb.init()


def test_a_trace_ends_once_and_another_begins_after_it(program, python) -> None:
    program.run(
        python,
        """
        import breadcrumb, os, sys

        def work(name):
            return name

        before = dict(os.environ), sys.gettrace()
        tools = [sys.monitoring.get_tool(tool) for tool in range(6)] if hasattr(sys, "monitoring") else None
        tracing = breadcrumb.init(label="one")
        again = breadcrumb.init(db_path="ignored.duckdb")
        assert again.joined and again.trace_id == tracing.trace_id and again.db_path == tracing.db_path
        work("a")
        tracing.stop(); tracing.stop(); breadcrumb.stop()
        assert (dict(os.environ), sys.gettrace()) == before
        assert tools is None or tools == [sys.monitoring.get_tool(tool) for tool in range(6)]
        work("untraced")
        breadcrumb.init(label="two")
        work("b")
        breadcrumb.shutdown(timeout=60)
        breadcrumb.init(label="three", include=["nothing.*"])
        work("not included")
        breadcrumb.reset_config()
        assert breadcrumb.get_config() is None and breadcrumb.get_backend() is None
        breadcrumb.init(label="four")
        work("c")
        """,
    )
    sql = "SELECT label, status, args FROM traces LEFT JOIN calls c ON c.trace_id = traces.trace_id AND function_name = 'work' ORDER BY traces.started_at"
    assert program.rows(sql) == [
        ("one", "completed", '{"name": "a"}'),
        ("two", "completed", '{"name": "b"}'),
        ("three", "completed", None),
        ("four", "completed", '{"name": "c"}'),
    ]


def test_a_with_block_and_a_decorated_call_are_a_trace_each(program, python) -> None:
    program.run(
        python,
        """
        import asyncio, breadcrumb

        @breadcrumb.init(label="call")
        def outer(n):
            return inner(n)

        @breadcrumb.init(label="coroutine")
        async def wait():
            await asyncio.sleep(0)
            return inner(50)

        @breadcrumb.init(enabled=False)
        def plain(): pass

        def inner(n):
            if n < 0: raise ValueError(n)
            return n

        assert breadcrumb.get_backend() is None and plain.__name__ == "plain" and not hasattr(plain, "__wrapped__")
        outer(1)
        asyncio.run(wait())
        inner(60)
        with breadcrumb.init(label="block") as tracing:
            with breadcrumb.init():
                outer(2)
            assert breadcrumb.get_backend()
        assert breadcrumb.get_backend() is None
        try:
            with breadcrumb.init(label="failing"):
                inner(-1)
        except ValueError:
            pass
        """,
    )
    sql = "SELECT label, status, args FROM traces JOIN calls USING (trace_id) WHERE function_name = 'inner' ORDER BY traces.started_at"
    assert program.rows(sql) == [
        ("call", "completed", '{"n": 1}'),
        ("coroutine", "completed", '{"n": 50}'),
        ("block", "completed", '{"n": 2}'),
        ("failing", "failed", '{"n": -1}'),
    ]


def test_the_default_includes_the_code_of_the_program_and_no_installed_package(program, python) -> None:
    for name in ("shop/cart.py", ".venv/lib/site-packages/other.py", "tests/helper.py"):
        program.write("def total():\n    return 1\n", name)
    program.run(
        python,
        """
        import breadcrumb, json, sys
        breadcrumb.init()
        sys.path += ["shop", "tests", ".venv/lib/site-packages"]
        import cart, other, helper
        cart.total(); other.total(); helper.total(); json.loads("[1]")
        """,
    )
    sql = "SELECT DISTINCT module_name FROM calls ORDER BY 1"
    assert program.rows(sql) == [("__main__",), ("cart",), ("helper",)]
    assert ("other",) in program.rows("SELECT module_name FROM gaps WHERE function_name = 'total'")


def test_a_script_in_another_folder_is_traced_with_the_files_beside_it(program, python, tmp_path) -> None:
    program.write("def total():\n    return 1\n", "cart.py")
    program.write("import breadcrumb; breadcrumb.init(); import cart; cart.total()\n")
    elsewhere = type(program)(tmp_path / "elsewhere")
    elsewhere.folder.mkdir()
    process = elsewhere.start(python, str(program.folder / "program.py"))
    assert process.communicate(timeout=120) == ("", "") and process.returncode == 0
    assert ("total", "{}") in elsewhere.calls()
