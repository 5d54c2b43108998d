"""Test that the tracer starts in every form of command, and hides nothing of the user's."""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap
import zipfile
from pathlib import Path

import pytest

from breadcrumb import record_format
from spool_reader import INJECT, Spool, Trace, interpreter

SCRIPT = "def f(n): return n\nf(1)\n"


def assert_traced(spool: Spool) -> None:
    assert spool.exit_code == 0, spool.stderr
    assert [c.value for c in spool.named("f")] == [1]


@pytest.mark.parametrize(
    "args",
    [
        ["app.py"],
        ["-m", "app"],
        ["-c", SCRIPT],
        ["-X", "dev", "app.py"],
        ["-W", "error", "app.py"],
        ["-u", "app.py"],
        ["-O", "app.py"],
        ["-B", "app.py"],
    ],
    ids=" ".join,
)
def test_every_command_form_is_traced(python: str, trace: Trace, tmp_path: Path, args: list[str]) -> None:
    (tmp_path / "app.py").write_text(SCRIPT)
    assert_traced(trace(python, args))


def test_an_application_in_a_zip_file_is_traced(python: str, trace: Trace, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as application:
        application.writestr("__main__.py", "from shop import f\nf(1)\n")
        application.writestr("shop.py", "def f(n): return n\n")
    spool = trace(python, ["app.pyz"], include=["__main__", "shop"])
    assert_traced(spool)
    assert sorted(call.function for call in spool.calls) == ["<module>", "<module>", "f"]


def test_a_virtual_environment_and_its_console_script_are_traced(trace: Trace, tmp_path: Path) -> None:
    python = interpreter("3.12")
    subprocess.run([python, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    script = tmp_path / "venv" / "bin" / "tool"
    script.write_text(f"#!{tmp_path}/venv/bin/python\n{SCRIPT}")
    script.chmod(0o755)
    assert_traced(trace(str(script), []))


def test_an_environment_whose_audit_hook_refuses_others_is_traced(trace: Trace, tmp_path: Path) -> None:
    python = interpreter("3.11")
    subprocess.run([python, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    (packages,) = (tmp_path / "venv" / "lib").glob("python3*/site-packages")
    (packages / "strict.pth").write_text("import strict_audit\n")  # read before any sitecustomize
    (packages / "strict_audit.py").write_text(
        textwrap.dedent("""
            import sys
            class Refused(BaseException): pass  # sys.addaudithook itself hides an Exception
            def hook(event, args):
                if event == "sys.addaudithook": raise Refused
            sys.addaudithook(hook)
        """)
    )
    spool = trace(str(tmp_path / "venv" / "bin" / "python"), ["-c", SCRIPT])
    assert_traced(spool)
    assert spool.of("notice") == []


@pytest.mark.parametrize("flag", ["-S", "-E", "-I"])
def test_an_isolated_interpreter_runs_untouched(python: str, trace: Trace, tmp_path: Path, flag: str) -> None:
    (tmp_path / "app.py").write_text(SCRIPT + "print('ran')\n")
    spool = trace(python, [flag, "app.py"])
    assert spool.stdout == "ran\n"
    assert not spool.of("process")


@pytest.mark.smoke
def test_the_users_own_sitecustomize_runs_too(python: str, trace: Trace, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import builtins\nbuiltins.CUSTOM = __file__\n")
    (tmp_path / "app.py").write_text(SCRIPT + "import sitecustomize\nprint(CUSTOM, sitecustomize.__file__)\n")
    spool = trace(python, ["app.py"], env={"PYTHONPATH": f"{INJECT}{os.pathsep}{own}"})
    assert spool.stdout.split() == [str(own / "sitecustomize.py")] * 2
    assert_traced(spool)


def test_without_a_sitecustomize_of_the_user_importing_one_fails(python: str, trace: Trace) -> None:
    spool = trace(python, "import sys\nassert 'sitecustomize' not in sys.modules\nimport sitecustomize\n")
    assert spool.stderr.endswith("ModuleNotFoundError: No module named 'sitecustomize'\n")


def test_an_error_in_the_users_sitecustomize_is_reported(python: str, trace: Trace, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import not_there_at_all\n")
    (tmp_path / "app.py").write_text(SCRIPT)
    spool = trace(python, ["app.py"], env={"PYTHONPATH": f"{INJECT}{os.pathsep}{own}"})
    assert "not_there_at_all" in spool.stderr
    assert_traced(spool)


@pytest.mark.parametrize("writable", [True, False])
def test_the_tracer_is_compiled_once_even_if_programs_may_not_write_bytecode(
    python: str, trace: Trace, tmp_path: Path, writable: bool
) -> None:
    tracer = shutil.copytree(INJECT.parent, tmp_path / "breadcrumb", ignore=shutil.ignore_patterns("__pycache__"))
    if not writable:
        (tracer / "_inject" / "__pycache__").write_text("a file, where a folder is needed")
    env = {"PYTHONPATH": str(tracer / "_inject"), "PYTHONDONTWRITEBYTECODE": "1"}
    (tmp_path / "other.py").write_text("")
    assert_traced(trace(python, SCRIPT + "import other, sys\nassert sys.dont_write_bytecode\n", env=env))
    assert not (tmp_path / "__pycache__").exists()
    names = {path.name.partition(".")[0] for path in tracer.glob("**/*.pyc")}
    assert ({"bootstrap", "recorder", "sitecustomize"} if writable else {"bootstrap", "recorder"}) <= names
    if writable:  # and compiled again after a change
        (cached,) = (tracer / "_inject" / "__pycache__").iterdir()
        outdated = cached.read_bytes()
        with (tracer / "_inject" / "sitecustomize.py").open("a") as file:
            file.write("# another version\n")
        assert_traced(trace(python, SCRIPT, env=env))
        assert cached.read_bytes() != outdated


def test_exit_code_and_output_are_those_of_the_program(python: str, trace: Trace) -> None:
    spool = trace(python, "import sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.exit(7)\n")
    assert (spool.exit_code, spool.stdout, spool.stderr) == (7, "out\n", "err\n")
    assert spool.of("end")


def test_a_missing_or_unreadable_spool_does_not_disturb_the_program(python: str, trace: Trace, tmp_path: Path) -> None:
    spool = trace(python, ["-c", "print('ran')"], env={record_format.ENV_TRACE: str(tmp_path / "nowhere")})
    assert (spool.exit_code, spool.stdout, spool.stderr) == (0, "ran\n", "")


def test_a_spool_that_cannot_be_written_is_marked_and_the_program_goes_on(python: str, trace: Trace) -> None:
    text = textwrap.dedent("""
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        def f(n): return n
        for i in range(20000): f(i)
        print("ran")
    """)
    spool = trace(python, text)
    assert (spool.exit_code, spool.stdout) == (0, "ran\n")
    assert list(spool.folder.glob("*.failed"))


def test_a_wrong_config_format_starts_nothing(python: str, trace: Trace) -> None:
    import marshal

    def overwrite(folder: Path) -> None:
        (folder / record_format.CONFIG_FILE).write_bytes(marshal.dumps({"format": 99}, 2))

    spool = trace(python, ["-c", "print('ran')"], before=overwrite)
    assert spool.stdout == "ran\n"
    assert not spool.of("process")
    (why,) = spool.folder.glob("*.unstarted")
    assert why.read_text() == f"format 99 {record_format.FORMAT_VERSION}"


def test_the_process_record_names_the_backend_and_the_python(python: str, trace: Trace) -> None:
    (process,) = trace(python, ["-c", "pass", "--password", "hunter2hunter2"]).of("process")
    version = tuple(int(n) for n in process["python"].split("."))
    assert process["backend"] == ("monitoring" if version >= (3, 12) else "settrace")
    assert "hunter2hunter2" not in str(process)


def test_replaced_built_in_functions_are_not_called_by_the_tracer(python: str, trace: Trace) -> None:
    text = textwrap.dedent("""
        import builtins, os, re, sys, types
        callers = set()
        def spy(name, real):
            def call(*args, **kwargs):
                callers.add((name, sys._getframe(1).f_code.co_filename.rpartition("/")[2]))
                return real(*args, **kwargs)
            return call
        def f(value, *rest):
            try: raise ValueError(value, rest)
            except ValueError as error: return error
        def use(value):
            f(value, value)
            exec(compile("def made(n):\\n    def steps(): yield n\\n    return list(steps())", next(files), "exec"), space)
            space["made"](value)
        space = {"__name__": "__main__"}
        files = iter(["/x/%d/../made.py" % n for n in range(20)])
        # Functions that look at their caller's frame cannot be replaced.
        names = set(vars(builtins)) - {"__build_class__", "__import__", "compile", "dir", "eval", "exec", "globals", "locals", "vars"}
        real = {n: v for n, v in vars(builtins).items() if n in names and type(v) is types.BuiltinFunctionType}
        sub, real_lstat = re.sub, os.lstat
        values = (1, "x" * 3000, "number 4111111111111111", {"password": "abcdefgh"}, f, [1.5, {2}], b"raw")
        for value in values: use(value)  # from here on the tracer has cached what it computes once
        for name in real: setattr(builtins, name, spy(name, real[name]))
        re.sub, os.lstat = spy("re.sub", sub), spy("os.lstat", os.lstat)
        for value in values: use(value)
        for name in real: setattr(builtins, name, real[name])
        re.sub, os.lstat = sub, real_lstat
        print(sorted(callers))
    """)
    traced = trace(python, text)
    untraced = trace(python, text, env={record_format.ENV_TRACE: ""})
    assert traced.exit_code == 0, traced.stderr
    assert len(traced.named("made")) == 14
    assert traced.stdout == untraced.stdout


def test_an_import_in_a_traced_function_gets_no_local_variables(monitoring_python: str, trace: Trace) -> None:
    spool = trace(
        monitoring_python,
        textwrap.dedent("""
            import builtins
            real_import = builtins.__import__
            def spy(name, globals=None, locals=None, *rest):
                if name == "string": print(name, bool(locals))
                return real_import(name, globals, locals, *rest)
            def f(n):
                import string
                return n
            builtins.__import__ = spy
            f(1)
        """),
    )
    assert spool.stdout == "string False\n"
    assert spool.one("f").args == {"n": 1}


@pytest.mark.parametrize("include", [["__main__", "rules"], ["**/*.py"], ["app.py", "lib/*.py"]], ids=" ".join)
def test_code_in_a_folder_with_letters_that_the_locale_lacks_is_traced(
    python: str, trace: Trace, tmp_path: Path, include: list[str]
) -> None:
    folder = tmp_path / "wörk"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "rules.py").write_text("def half(n): return n / 2\n")
    (tmp_path / "línk").symlink_to(folder / "lib")
    text = "import sys; sys.path.append(sys.argv[1])\nimport rules\nprint(rules.half(4))\nrules.half('x')\n"
    (folder / "app.py").write_text(text)
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    spool = trace(python, ["app.py", "../línk"], cwd=folder, include=include, env=locale)
    assert (spool.stdout, spool.exit_code) == ("2.0\n", 1)
    (process,) = spool.of("process")
    assert process["cwd"] == str(folder)
    assert process["command"][1:] == ["app.py", "../línk"]
    assert len(spool.named("half")) == 2
    files = {event["file"] for event in spool.of("function")}
    assert files == {str(folder / "app.py"), str(tmp_path / "línk" / "rules.py")}
    (exception,) = spool.of("exception")
    assert f"{folder / 'app.py'}:4 in <module>" in exception["stack"]
