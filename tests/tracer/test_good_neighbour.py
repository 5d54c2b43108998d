"""Test that a traced program, and the tools that it uses, behave as untraced."""

from __future__ import annotations

import json
import os
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from breadcrumb import record_format
from breadcrumb.platform_features import HAS_REALTIME_SIGNALS, STACKS_SIGNAL
from pythons import MONITORING_VERSIONS
from spool_reader import INJECT, TARGETS, Spool, Trace, interpreter

# Everything that a program can see of the tracer, and why.
ADDED_MODULES = {
    # The tracer's imports: parts of the interpreter and the standard library without effects on the program.
    *("_ctypes", "_json", "_opcode", "_opcode_metadata", "_operator", "_weakref"),
    *("_types", "atexit", "faulthandler", "gc", "itertools"),
}
# For faulthandler, whose C code writes stacks at a crash to a file opened before; a number that no program reaches.
ADDED_DESCRIPTOR = str(min(os.sysconf("SC_OPEN_MAX"), 4096) - 1)
# The server asks for stacks with it before it ends the program.
ADDED_SIGNAL = STACKS_SIGNAL
ADDED_SYS_ATTRIBUTES = {"_breadcrumb_started_in"}  # to start once in a process
ENVIRONMENT = {"PYTHONPATH": str(INJECT)}  # child processes are traced too
# Frames that a callback takes: near the limit the RecursionError comes that much earlier.
FRAMES_OF_THE_TRACER = 8

UNTRACED = {record_format.ENV_TRACE: "", "PYTHONPATH": ""}


def program_view(spool: Spool) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(spool.stdout.splitlines()[0])
    return seen


@pytest.mark.parametrize("options", [[], ["-O", "-bb", "-W", "error"]], ids=" ".join)
def test_a_program_sees_only_the_listed_effects_of_the_tracer(
    python: str, trace: Trace, tmp_path: Path, options: list[str]
) -> None:
    expect_listed_effects(python, trace, tmp_path, options)


def test_in_development_mode_a_program_sees_no_more(trace: Trace, tmp_path: Path) -> None:
    expect_listed_effects(interpreter("3.12"), trace, tmp_path, ["-X", "dev"])


def test_with_secrets_in_the_environment_a_program_sees_no_more(python: str, trace: Trace, tmp_path: Path) -> None:
    secrets = {
        "GITHUB_TOKEN": "ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "DB_PASSWORD": "s3cr3t!",
        "API_KEY": "abc-12345",
    }
    expect_listed_effects(python, trace, tmp_path, [], secrets)


def expect_listed_effects(
    python: str, trace: Trace, folder: Path, options: list[str], variables: dict[str, str] | None = None
) -> None:
    # A copy, because a path with capital letters, as a checkout may have, can hold base64: the tracer imports binascii.
    program = folder / "everything_visible.py"
    program.write_text((TARGETS / "everything_visible.py").read_text())
    args = [*options, str(program), "argument"]
    env = {"PYTHONHASHSEED": "3", **(variables or {})}
    untraced = trace(python, args, env={**env, **UNTRACED})
    traced = trace(python, args, env=env)
    assert traced.of("process") and not untraced.of("process")
    assert (traced.exit_code, traced.stderr) == (untraced.exit_code, untraced.stderr) == (1, untraced.stderr)
    assert "KeyError: 'missing'" in traced.stderr and "told by its own __str__" in traced.stderr
    assert traced.stdout.splitlines()[1:] == untraced.stdout.splitlines()[1:] != []

    before, after = program_view(untraced), program_view(traced)
    modules = set(after.pop("modules")) - set(before.pop("modules"))
    assert {name for name in modules if name.partition(".")[0] != "breadcrumb"} <= ADDED_MODULES
    assert set(after.pop("sys attributes")) - set(before.pop("sys attributes")) == ADDED_SYS_ATTRIBUTES
    assert set(after.pop("descriptors")) - set(before.pop("descriptors")) == {ADDED_DESCRIPTOR}
    handlers, handlers_before = after.pop("signals"), before.pop("signals")
    changed = [index for index, handler in enumerate(handlers) if handler != handlers_before[index]]
    # The list lacks 0, and between the ordinary and the real-time signals two of the C library.
    assert changed == [ADDED_SIGNAL - 1 - (2 if HAS_REALTIME_SIGNALS else 0)]
    assert after["environment"].pop(record_format.ENV_TRACE) == str(traced.folder)
    assert after["environment"].pop("PYTHONPATH") == ENVIRONMENT["PYTHONPATH"]
    for name in (record_format.ENV_TRACE, "PYTHONPATH"):
        assert before["environment"].pop(name) == ""
    assert 0 <= before.pop("depth in reach") - after.pop("depth in reach") <= FRAMES_OF_THE_TRACER
    assert after.pop("registered at exit") == before.pop("registered at exit") + 1  # it writes how the process ended
    (process,) = traced.of("process")
    if process["backend"] == "monitoring":
        before["free monitoring tools"].remove(4)
    else:
        assert after.pop("trace") != before.pop("trace")  # sys.settrace is the only way before 3.12
    assert after == before


def untraced_and_traced(trace: Trace, python: str, args: list[str] | str, **options: Any) -> tuple[Spool, Spool]:
    """Run a command without and with the tracer, and expect the same output and exit code."""
    untraced = trace(python, args, **{**options, "env": {**options.get("env", {}), **UNTRACED}})
    traced = trace(python, args, **options)
    assert traced.of("process") and not untraced.of("process")
    assert traced.stdout == untraced.stdout
    assert traced.stderr == untraced.stderr
    assert traced.exit_code == untraced.exit_code
    return untraced, traced


def is_settrace(spool: Spool) -> bool:
    return spool.of("process")[0]["backend"] == "settrace"


def replacement_notices(spool: Spool) -> list[str]:
    return [n["message"] for n in spool.of("notice") if n["code"] == "tracer_replaced"]


STAND_IN = """
class StandIn:
    def __init__(self): super().__init__()
    @property
    def __class__(self): return int
    def __len__(self): return 3
print("__class__" in vars(StandIn), isinstance(StandIn(), int), len(StandIn()))
"""


def test_a_class_that_stands_in_for_another_keeps_its_class(python: str, trace: Trace) -> None:
    spool = trace(python, STAND_IN)
    assert spool.stdout == "True True 3\n"
    assert len(spool.named("StandIn.__init__")) == 2 and len(spool.named("StandIn.__len__")) == 1


KEEPS_LOCALS = """
import sys

def call(**named): return sorted(named)

def passed_on(a, b):
    kwargs = locals()
    try: int("x")
    except ValueError: pass
    return call(**kwargs)

def looped(a):
    found = []
    for name in locals():
        try: int(name)
        except ValueError: found.append(name)
    return found

def returned(a, b=2):
    kept = vars()
    b = None
    try:
        try: raise KeyError(a)
        finally: a = 5
    except KeyError: pass
    c = lambda: b
    return kept

def raised(a):
    kept = locals()
    b = [a]
    try: raise LookupError(kept)
    finally: b = None

def method(self, name):
    self.__dict__.update(locals())
    later = int(name)

def used_at_once(a, b):
    text = "%(a)s {b}" % locals()
    size = len(vars(sys.modules["sys"])) > 0
    return text.format(**locals()), "size" in locals(), locals()["a"], size, call(**locals())

class Holder: set = method

print(passed_on(1, 2), looped(1), sorted(returned(1).items()), used_at_once(1, 2))
holder = Holder()
try: holder.set("x")
except ValueError: print(sorted(vars(holder).keys() - {"self"}))
try: raised(1)
except LookupError as error: print(sorted(error.args[0].items()))
"""


@pytest.mark.parametrize("lines", [[], ["*"]], ids=["calls", "lines"])
@pytest.mark.parametrize("mode", ["full", "adaptive"])
def test_a_dict_that_locals_returned_is_not_changed(python: str, trace: Trace, mode: str, lines: list[str]) -> None:
    # A call that is only counted is recorded late, when an exception passes through it.
    capture = {"lines": lines, "sample_rate": 1.0 if mode == "full" else 0.001}
    _, traced = untraced_and_traced(trace, python, KEEPS_LOCALS, mode=mode, capture=capture)
    assert traced.stdout.startswith("['a', 'b'] ['a', 'found'] [('a', 1), ('b', 2)] ")
    keepers = ["looped", "method", "passed_on", "raised", "returned"]
    noticed = [n["message"].split()[0] for n in traced.of("notice") if n["code"] == "locals_kept"]
    assert sorted(noticed) == ([f"__main__.{name}" for name in keepers] if is_settrace(traced) else [])
    assert mode == "adaptive" or len(traced.named("used_at_once")) == 1
    if is_settrace(traced):
        assert traced.named("returned") == []
    else:
        variables = {event["function"]: json.loads(event["locals"]) for event in traced.of("exception")}
        assert variables["raised"] == {"a": 1, "kept": {"a": 1}, "b": [1]}
        assert traced.one("raised").args == {"a": 1}


def test_profilers_and_tools_of_the_interpreter_work_the_same_beside_the_tracer(python: str, trace: Trace) -> None:
    args = [str(TARGETS / "tools_at_work.py")]
    _, traced = untraced_and_traced(trace, python, args, include=["work"])
    monitoring = "sys.monitoring" in traced.stdout
    assert [line.split()[0] for line in traced.stdout.splitlines()] == [
        *("cProfile", "profile", "setprofile"), *["sys.monitoring"] * monitoring, "tracemalloc", "faulthandler",
    ]  # fmt: skip
    runs = 4 if monitoring else 3
    assert (len(traced.named("main")), len(traced.named("sized"))) == (runs, runs * 301)
    assert traced.of("notice") == []


SWITCHES_ON = """
import sys, threading
from sys import setprofile as start
hook = sys.setprofile
monitoring = getattr(sys, "monitoring", None)
seen = []

def see(frame, event, argument):
    seen.append((event, frame.f_code.co_name if event in ("call", "return") else argument.__name__))

def work(): return len("x")

def by_name(): sys.setprofile(see); work(); sys.setprofile(None)
def by_another_name(): start(see); work(); start(None)
def by_a_global(): hook(see); work(); hook(None)
def by_a_text(): getattr(sys, "setprofile")(see); work(); sys.setprofile(None)
def in_all_threads():
    if sys.version_info >= (3, 12): threading.setprofile_all_threads(see); work(); threading.setprofile_all_threads(None)
def by_a_tool():
    if monitoring is None: return
    monitoring.use_tool_id(2, "tool")
    for name in ("CALL", "C_RETURN"):
        event = getattr(monitoring.events, name)
        monitoring.register_callback(2, event, lambda code, at, target, _, name=name: seen.append((name, str(target))))
    monitoring.set_events(2, monitoring.events.CALL); work(); monitoring.set_events(2, 0)

for switch in by_name, by_another_name, by_a_global, by_a_text, in_all_threads, by_a_tool:
    switch()
    print(switch.__name__, [(event, name.partition(" at ")[0]) for event, name in seen])
    seen.clear()
"""


def test_a_tool_that_traced_code_switches_on_sees_what_it_would_see_untraced(python: str, trace: Trace) -> None:
    _, traced = untraced_and_traced(trace, python, SWITCHES_ON)
    assert "by_name [('call', 'work'), ('c_call', 'len')" in traced.stdout
    runs = 6 if "by_a_tool [('CALL'" in traced.stdout else 4
    assert len(traced.named("work")) == runs
    assert is_settrace(traced) or traced.gap("len")[0] == runs


def test_the_profilers_of_the_standard_library_run_a_program_the_same(python: str, trace: Trace) -> None:
    for profiler in ("profile", "cProfile"):
        results = []
        for env in (UNTRACED, {}):
            # The import of a module looks into fewer folders if another one was imported before, as by the tracer.
            code = f"import runpy, threading; runpy.run_module({profiler!r}, run_name='__main__', alter_sys=True)"
            spool = trace(python, ["-c", code, str(TARGETS / "work.py")], env=env)
            calls = [line.split()[0] + " " + line.split()[-1] for line in spool.stdout.splitlines() if "(" in line]
            results.append((spool.exit_code, spool.stderr, sorted(calls)))
        assert results[0] == results[1]
        assert results[0][0] == 0 and any("work.py" in line and "(sized)" in line for line in results[0][2])
        assert len(spool.named("sized")) == 301


LATE = """
import os, sys

class Late:
    def __init__(self, work): self.work = work
    def __del__(self): self.work(self)

def work(late, error=ValueError, numbers=range(3)):
    try: raise error(late)
    except error: pass
    return sum(number for number in numbers if late.steps(number))

Late.steps = lambda self, number: [number]
os.early, sys.late = Late(work), Late(work)
work(os.early)
"""
# The interpreter clears the globals of a module that something still refers to, as pyfakefs and ddtrace do.
KEEPS_MODULES = "sys.seen = [list(sys.modules.values())]\n"


@pytest.mark.parametrize("keeps", ["", KEEPS_MODULES], ids=["alone", "all modules are kept"])
def test_nothing_is_printed_by_code_that_runs_when_modules_are_cleared(python: str, trace: Trace, keeps: str) -> None:
    _, traced = untraced_and_traced(trace, python, LATE + keeps)
    assert (traced.exit_code, traced.stderr) == (0, "")
    assert len(traced.named("work")) >= 1


def test_a_notice_names_the_tool_that_replaces_the_trace_function(python: str, trace: Trace) -> None:
    _, traced = untraced_and_traced(
        trace, python, [str(TARGETS / "tools_at_work.py"), "--trace"], include=["__main__", "work"]
    )
    if is_settrace(traced):
        (message,) = replacement_notices(traced)
        assert "trace.py:" in message and "(runfunc)" in message
        assert len(traced.named("main")) == 3
    else:
        assert replacement_notices(traced) == []
        assert len(traced.named("main")) == 6


def test_a_debugger_stops_at_its_breakpoints(python: str, trace: Trace, tmp_path: Path) -> None:
    commands = ["b factorial", "c", "p number", "w", "s", "s", "n", "up", "p number", "cl 1", "c", "q"]
    (tmp_path / ".pdbrc").write_text("\n".join(commands) + "\n")
    options = {"include": ["__main__"], "env": {"HOME": str(tmp_path)}}
    _, traced = untraced_and_traced(trace, python, ["-m", "pdb", str(TARGETS / "work.py")], **options)
    assert "> " + str(TARGETS / "work.py") in traced.stdout and "120" in traced.stdout
    if is_settrace(traced):
        assert "bdb.py:" in replacement_notices(traced)[0]
    else:
        assert len(traced.named("sized")) == 301


BREAKS = """
def helper(number):
    number += 1
    return number

def stops(number):
    try:
        int("x")
    except ValueError:
        breakpoint()
    number += helper(number)
    return number

for number in range(2):
    stops(number)
breakpoint()
print("end")
"""
DEBUGGER_COMMANDS = {
    "next": "n n p(number) w n n c c c",
    "step": "s s s r n c c c",
    "up": "w u p(number) d until c c c",
    "break": "b(helper) c p(number) n c c c c c",
}


@pytest.mark.parametrize("commands", DEBUGGER_COMMANDS.values(), ids=DEBUGGER_COMMANDS)
def test_breakpoint_stops_where_it_would_stop_untraced(
    python: str, start: Callable[..., Any], tmp_path: Path, commands: str
) -> None:
    stdin = "\n".join(re.findall(r"\w+(?:\(\w+\))?", commands)).replace("(", " ").replace(")", "") + "\n"
    env = {"HOME": str(tmp_path)}
    untraced, traced = (start(python, BREAKS, env={**env, **more}).finish(stdin=stdin) for more in (UNTRACED, {}))
    assert (traced.exit_code, traced.stdout, traced.stderr) == (0, untraced.stdout, "")
    assert traced.stdout.startswith("> ") and traced.stdout.endswith("end\n")
    assert len(traced.named("stops")) == (1 if is_settrace(traced) else 2)


@pytest.mark.parametrize(
    ("version", "code", "expected"),
    [
        ("3.8", "sys.settrace(lambda *_: None)", "sys.settrace is already in use by <lambda> of site (<string>:1)"),
        ("3.11", "sys.settrace(lambda *_: None)", "sys.settrace is already in use by <lambda> of site (<string>:1)"),
        *(
            (
                version,
                "[sys.monitoring.use_tool_id(n, 'tool-%d' % n) for n in range(6)]",
                "is taken (4: tool-4, 3: tool-3",
            )
            for version in MONITORING_VERSIONS
        ),
    ],
)
def test_a_tool_that_started_before_the_tracer_stays_and_a_notice_names_it(
    trace: Trace, tmp_path: Path, version: str, code: str, expected: str
) -> None:
    # A .pth file of an installed package (coverage in subprocesses) runs before any sitecustomize.
    packages = tmp_path / "lib" / f"python{version}" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "early.pth").write_text(f"import sys; {code}\n")
    text = (
        "import sys\n"
        "def f(n): return n\n"
        "f(1)\n"
        "tools = getattr(sys, 'monitoring', None)\n"
        "print(sys.gettrace() is not None, tools and [tools.get_tool(n) for n in range(6)])\n"
    )
    (tmp_path / "app.py").write_text(text)
    _, traced = untraced_and_traced(
        trace, interpreter(version), ["app.py"], env={"PYTHONUSERBASE": str(tmp_path)}, expect_lost=True
    )
    assert "True" in traced.stdout or "tool-5" in traced.stdout
    (notice,) = traced.of("notice")
    assert notice["code"] == "not_observing" and expected in notice["message"]
    assert traced.calls == []


@pytest.mark.parametrize("version", ["3.8", "3.11"])
def test_a_trace_function_removed_by_c_code_is_noticed_at_the_end(trace: Trace, version: str) -> None:
    text = """
        import ctypes
        def f(n): return n
        f(1)
        ctypes.pythonapi.PyEval_SetTrace(None, None)  # as a debugger written in C would
        f(2)
    """
    spool = trace(interpreter(version), textwrap.dedent(text), expect_lost=True)
    (message,) = replacement_notices(spool)
    assert "sys.settrace has lost the tracer, to code in C" in message
    assert [call.args["n"] for call in spool.named("f")] == [1]


@pytest.mark.parametrize("version", ["3.8", "3.11"])
def test_no_audit_hook_is_added_before_code_names_settrace(trace: Trace, tmp_path: Path, version: str) -> None:
    # With an audit hook everything audited takes several times as long: id() for one, and each import.
    packages = tmp_path / "lib" / f"python{version}" / "site-packages"
    packages.mkdir(parents=True)
    count = "sys.added = []; sys.addaudithook(lambda event, _: sys.added.append(event))"
    (packages / "early.pth").write_text(f"import sys; {count}\n")
    (tmp_path / "app.py").write_text(
        "import sys, threading\n"
        "def tool(): sys.settrace(sys.gettrace())\n"
        "thread = threading.Thread(target=print); thread.start(); thread.join()\n"
        "print(sys.added.count('sys.addaudithook'))\n"
        "tool()\n"
        "print(sys.added.count('sys.addaudithook'))\n"
    )
    spool = trace(interpreter(version), ["app.py"], env={"PYTHONUSERBASE": str(tmp_path)})
    assert spool.stdout.split() == ["0", "1"], spool.stderr
    assert len(spool.named("tool")) == 1


def test_the_import_list_of_the_interpreter_shows_the_tracers_imports_too(trace: Trace, tmp_path: Path) -> None:
    python = interpreter("3.12")
    # A copy in a temporary folder: a path that contains the name of a secret would make the tracer import re.
    (tmp_path / "work.py").write_text((TARGETS / "work.py").read_text())
    untraced, traced = (trace(python, ["-X", "importtime", "work.py"], env=env) for env in (UNTRACED, {}))
    assert (traced.exit_code, traced.stdout) == (untraced.exit_code, untraced.stdout) == (0, "120\n")
    imported, imported_untraced = (
        {line.rpartition("|")[2].strip() for line in spool.stderr.splitlines()} for spool in (traced, untraced)
    )
    assert imported_untraced <= imported
    added = {name for name in imported - imported_untraced if name.partition(".")[0] != "breadcrumb"}
    assert added <= ADDED_MODULES | {"sitecustomize"}


# Modules of the standard library that the tracer uses too, at its start or later.
@pytest.mark.parametrize("names", [["types", "opcode", "mmap"], ["binascii", "bisect"], ["enum", "keyword", "copyreg"]])
def test_a_program_gets_its_own_files_that_have_the_names_of_standard_modules(
    python: str, trace: Trace, tmp_path: Path, names: list[str]
) -> None:
    for name in names:
        (tmp_path / f"{name}.py").write_text(f"print('{name} of the program')\n")
    secret = "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="  # makes the tracer decode base64, and import re
    text = textwrap.dedent(f"""
        def show(value): return value
        def fail(text): raise ValueError("token " + text)
        show({{"password": "hunter2-hunter2", "header": "Basic {secret}", "data": b"{secret}"}})
        try:
            fail("ghp_0123456789abcdefghijABCDEFGHIJ012345")
        except ValueError:
            print("failed")
        {"; ".join(f"import {name}" for name in names)}
        show("end")
    """)
    untraced, traced = (trace(python, text, env=env) for env in (UNTRACED, {}))
    assert (traced.exit_code, traced.stderr, traced.stdout) == (untraced.exit_code, untraced.stderr, untraced.stdout)
    assert traced.exit_code == 0 and traced.stdout.startswith("failed\n")  # some Pythons have imported all of them
    assert [len(traced.named(name)) for name in ("show", "fail")] == [2, 1]
    assert traced.of("exception")


@pytest.mark.parametrize("limit", ["nofile", "chroot"])
def test_modules_of_the_tracer_that_cannot_be_read_any_more_leave_the_program_alone(
    trace: Trace, python: str, limit: str
) -> None:
    if limit == "chroot" and os.geteuid() != 0:
        pytest.skip("only root may change the root folder")
    text = textwrap.dedent(f"""
        import os, sys
        def fail(number): raise ValueError("at %d" % number)
        def values(count): yield from range(count)
        if {limit == "nofile"}:
            import resource
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        else:
            os.makedirs("root", exist_ok=True)
            os.chroot("root")
            os.chdir("/")
        for error in (ImportError("x"), OSError(2, "y", "z"), KeyError("k"), Exception({{"a": [1, b"c"]}})):
            try:
                raise error
            except Exception as caught:
                print(type(caught).__name__)
        print(list(values(3)), getattr(fail, "missing", None))
        try:
            fail(1)
        except ValueError as caught:
            print(caught)
        fail(2)
    """)
    untraced, traced = trace(python, text, env=UNTRACED), trace(python, text, expect_lost=True)
    assert (traced.exit_code, traced.stdout) == (untraced.exit_code, untraced.stdout)
    assert traced.exit_code == 1 and traced.stdout.endswith("at 1\n")
    assert traced.stderr == untraced.stderr and "ValueError: at 2" in traced.stderr
    assert [call.args for call in traced.named("fail")] == [{"number": 1}, {"number": 2}]
    assert [e["message"] for e in traced.of("exception") if e["type"] == "ValueError"] == ["at 1", "at 2"]
