"""Test that all processes of a command form one trace, each with its parent, and that nothing is counted twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from breadcrumb import record_format
from breadcrumb.platform_features import HAS_PROC
from spool_reader import TARGETS, Spool, Trace


def values_by_process(spool: Spool, function: str = "f") -> list[list[Any]]:
    """Return the results of a function in each process; processes in the order of their starts."""
    keys = [p["process"] for p in sorted(spool.of("process"), key=lambda p: p["started_at_ns"])]
    return [[c.value for c in spool.named(function) if c.process == key] for key in keys]


def parent_numbers(spool: Spool) -> list[int | None]:
    """Return for each process, in the order of their starts, the number of the process that forked it, or None."""
    processes = sorted(spool.of("process"), key=lambda p: p["started_at_ns"])
    numbers = {p["process"]: number for number, p in enumerate(processes)}
    return [numbers.get(p["parent"]) for p in processes]


@pytest.mark.smoke
def test_forked_children_are_processes_of_their_own(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        """
import os
def f(who): return who
f("parent")
pid = os.fork()
if pid == 0:
    f("child")
    if os.fork() == 0:
        f("grandchild")
        os._exit(0)
    os.wait()
    os._exit(0)
os.waitpid(pid, 0)
f("parent again")
""",
    )
    assert parent_numbers(spool) == [None, 0, 1]
    assert values_by_process(spool) == [["parent", "parent again"], ["child"], ["grandchild"]]
    assert len(spool.named("<module>")) == 1


def test_a_child_goes_on_where_it_was_forked_and_does_not_disturb_its_parent(python: str, trace: Trace) -> None:
    # Forks inside calls, a generator and a thread, and while another thread is inside a call.
    spool = trace(
        python,
        """
import os, threading, warnings
warnings.simplefilter("ignore")
inside, go_on = threading.Event(), threading.Event()
def f(who): return who
def split(name):
    f(name)
    pid = os.fork()
    f(name + (" parent" if pid else " child"))
    return pid
def generator(name):
    yield f(name)
    yield split(name)
    f("end of generator")
def run(name):
    pid = list(generator(name))[1]
    if pid: os.waitpid(pid, 0)
    return pid
def held():
    inside.set()
    go_on.wait()
    return f("held")
def in_thread():
    if not run("thread"): os._exit(0)
holder = threading.Thread(target=held)
holder.start()
inside.wait()
forker = threading.Thread(target=in_thread)
forker.start()
forker.join()
pid = run("main")
if pid:
    go_on.set()
    holder.join()
else:
    threading.Thread(target=f, args=("thread of child",)).start()
for number in range(100): f(number)
""",
    )
    assert (spool.exit_code, spool.stderr) == (0, "")
    assert parent_numbers(spool) == [None, 0, 0]
    parent, of_thread, of_main = values_by_process(spool)
    assert set(parent) == {
        "thread", "thread parent", "main", "main parent", "end of generator", "held", *range(100)
    }  # fmt: skip
    assert parent.count("end of generator") == 2
    assert of_thread == ["thread child", "end of generator"]
    assert sorted(map(str, of_main)) == sorted(
        map(str, ["main child", "end of generator", "thread of child", *range(100)])
    )
    assert len(spool.of("end")) == 2  # os._exit is no normal exit
    assert {c.outcome for c in spool.calls} == {record_format.OUTCOME_RETURNED}
    assert {len(spool.named(name)) for name in ("split", "generator", "run")} == {2}


def test_after_a_fork_nothing_is_counted_twice(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        """
import os, re, textwrap
def f(n): return textwrap.dedent("x")
def fail(n): raise ValueError(n)
def try_it(n):
    try: fail(n)
    except ValueError: os.path.join("a", re.escape("b"))
for n in range(30): f(n)
try_it(1)
if os.fork() == 0:
    for n in range(7): f(n)
    try_it(2)
    os._exit(0)
os.wait()
for n in range(10): f(n)
try_it(3)
""",
        mode="adaptive",
        capture={"calls_per_function": 5},
    )
    parent, child = sorted(spool.of("process"), key=lambda p: p["started_at_ns"])

    def counts(process: str) -> dict[str, int]:
        counters = spool.counters[process]
        events = {e["slot"]: e for kind in ("function", "gap") for e in spool.of(kind) if e["process"] == process}
        return {e.get("name") or e["function"]: counters[2 * slot] for slot, e in events.items() if slot is not None}

    in_parent, in_child = counts(parent["process"]), counts(child["process"])
    assert (in_parent["f"], in_child["f"]) == (40, 7)
    assert (in_parent["try_it"], in_child["try_it"]) == (2, 1)
    assert (in_parent["escape"], in_child["escape"]) == (2, 1)
    raised = {(e["process"], e["message"]) for e in spool.of("exception") if e["type"] == "ValueError"}
    assert raised == {(parent["process"], "1"), (parent["process"], "3"), (child["process"], "2")}
    assert len(spool.of("exception")) == 3


def test_a_fork_after_gaps_in_modules_that_the_tracer_uses_damages_no_spool(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        """
import os, re, threading, warnings
warnings.simplefilter("ignore")
def path(): return os.path.join("a", re.sub("a", "b", "c"))
def work(n): return n + 1
def split(n):
    pid = os.fork()
    if pid == 0:
        path()
        work(n)
        os._exit(0)
    os.waitpid(pid, 0)
    work(10 + n)
path()
for i in range(3): split(i)
threads = [threading.Thread(target=split, args=(100 + n,)) for n in range(4)]
for t in threads: t.start()
for t in threads: t.join()
""",
    )
    assert (spool.exit_code, spool.stderr) == (0, "")
    assert not list(spool.folder.glob("*.failed"))
    parent, *children = values_by_process(spool, "work")
    assert sorted(parent) == [11, 12, 13, 111, 112, 113, 114]
    assert sorted(children) == [[1], [2], [3], [101], [102], [103], [104]]


def test_a_fork_in_c_without_pythons_hooks_is_noticed(python: str, trace: Trace) -> None:
    # Like servers that embed Python and fork in C (uWSGI). Both processes have the parent's spool mapped.
    spool = trace(
        python,
        """
import ctypes, os, threading
libc = ctypes.CDLL(None)
def f(n): return n
def split(): return libc.fork()
def generator():
    yield f(1)
    yield split()
    f(2)
def run(): return list(generator())[1]
f(0)
pid = run()
if pid == 0:
    thread = threading.Thread(target=f, args=("thread",))
    thread.start()
    thread.join()
for n in range(100): f(n)
if pid == 0: os._exit(0)
os.waitpid(pid, 0)
for n in range(100, 200): f(n)
""",
    )
    assert spool.exit_code == 0
    assert parent_numbers(spool) == [None, 0]
    assert values_by_process(spool) == [[0, 1, 2, *range(200)], [2, "thread", *range(100)]]
    assert spool.one("split").outcome == spool.one("generator").outcome == record_format.OUTCOME_RETURNED


def test_many_short_lived_children_take_little_room(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        """
import os
def f(n): return n
for n in range(300):
    if os.fork() == 0:
        f(n)
        os._exit(0)
    os.wait()
""",
        mode="adaptive",
    )
    assert sorted(n for (n,) in values_by_process(spool)[1:]) == list(range(300))
    a_page = 4096
    size = sum(file.stat().st_blocks * 512 for file in spool.folder.iterdir())
    assert size / 300 <= 16 * a_page


def test_a_spool_folder_that_vanishes_disturbs_no_process(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        """
import os, shutil, subprocess, sys, threading
def f(n): return n
f(1)
shutil.rmtree(os.environ["BREADCRUMB_TRACE"])
for n in range(5000): f(n)
if os.fork() == 0:
    f(2)
    os._exit(0)
os.wait()
thread = threading.Thread(target=f, args=(3,))
thread.start()
thread.join()
print(subprocess.check_output([sys.executable, "-c", "print('ran')"], universal_newlines=True), end="")
""",
    )
    assert (spool.exit_code, spool.stdout, spool.stderr) == (0, "ran\n", "")


def test_every_way_to_start_a_python_is_followed(python: str, trace: Trace, tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text("def f(n): return n\nif __name__ == '__main__': f('script')\n")
    (tmp_path / "module.py").write_text("from child import f\nf('module')\n")
    (tmp_path / "tool").write_text(f"#!{python}\nfrom child import f\nf('console script')\n")
    (tmp_path / "tool").chmod(0o755)
    spool = trace(
        python,
        """
import os, subprocess, sys
def f(n): return n
def code(text): return [sys.executable, "-c", "from child import f; f(%r)" % text]
subprocess.check_call([sys.executable, "child.py"])
subprocess.check_call([sys.executable, "-m", "module"])
subprocess.check_call(["./tool"])
subprocess.check_call(code("code"))
subprocess.check_call("cd . && '%s' child.py && true" % sys.executable, shell=True)
subprocess.check_call(code("behind preexec"), preexec_fn=lambda: f("preexec"))
os.posix_spawn(sys.executable, code("posix_spawn"), os.environ)
os.wait()
if os.fork() == 0:
    f("before exec")
    os.execv(sys.executable, code("exec of a child"))
os.wait()
f("before exec")
os.execve(sys.executable, code("exec"), {"PYTHONDONTWRITEBYTECODE": "1", **os.environ})
""",
        include=["__main__", "child", "module"],
    )
    assert spool.exit_code == 0
    assert [c.value for c in spool.named("f")] == [
        "script", "module", "console script", "code", "script", "preexec", "behind preexec", "posix_spawn",
        "before exec", "exec of a child", "before exec", "exec",
    ]  # fmt: skip
    processes = {p["process"]: p for p in spool.of("process")}
    first = min(processes.values(), key=lambda p: p["started_at_ns"])

    def of(value: str) -> dict[str, object]:
        return processes[next(c.process for c in spool.named("f") if c.value == value)]

    # For the system an exec keeps the process: pid and start time stay the same.
    def identity(process: dict[str, object]) -> tuple[object, object]:
        return process["pid"], process["kernel_start"]

    assert identity(of("exec")) == identity(first)
    assert identity(of("behind preexec")) == identity(of("preexec"))
    assert of("preexec")["parent"] == first["process"] and of("behind preexec")["parent"] is None
    assert len({identity(process) for process in processes.values()}) == len(processes) - 3
    # Programs between two Pythons do not break the chain of ancestors.
    for process in processes.values():
        if HAS_PROC and process["parent"] is None and process is not first and process["pid"] != first["pid"]:
            assert first["pid"] in process["ancestors"], process["command"]
    # The command has the interpreter's options and code on every Python.
    assert of("code")["command"] == [python, "-c", "from child import f; f('code')"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing_have_names_and_ends(python: str, trace: Trace, method: str) -> None:
    spool = trace(python, [str(TARGETS / "multiprocessing_tree.py"), method])
    of_subclass = [3] if method == "fork" else []
    assert (
        spool.stdout
        == f"{[0, 1, *of_subclass, sum(n * n for n in range(20)), sum(n * n for n in range(20, 30)), '12']}\n"
    )
    numbers = [10, *[100] * len(of_subclass), *range(30)]
    assert sorted(c.args["number"] for c in spool.named("square")) == sorted(numbers)
    assert sorted(c.args["number"] for c in spool.named("fail")) == [11, 12]
    # Helper processes of multiprocessing are not traced, and its code is not taken for the main module's.
    assert "resource_tracker" not in str(spool.of("process"))
    assert not [c for c in spool.calls if c.outcome is None]
    assert {f["module"] for f in spool.of("function")} == {"__main__"}
    assert {f["file"] for f in spool.of("function")} == {str(TARGETS / "multiprocessing_tree.py")}

    names = {e["process"]: e["name"] for e in spool.of("name")}
    kind = {"fork": "Fork", "spawn": "Spawn", "forkserver": "ForkServer"}[method]
    assert {"square-process", "fail-process", f"{kind}PoolWorker-{len(numbers) - 28 + 1}"} <= set(names.values())
    ended = {e["process"] for e in spool.of("end")}
    assert set(names) <= ended
    assert len(spool.of("end")) == len(ended)

    (failed,) = (key for key, name in names.items() if name == "fail-process")
    assert failed in {e["process"] for e in spool.of("uncaught")}
    in_pool = {e["process"] for e in spool.of("exception") if e["message"] == "12"} - {failed}
    assert not in_pool & {e["process"] for e in spool.of("uncaught")}


def test_a_daemon_is_traced_after_its_parents_have_exited(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        """
import os, sys
def f(n): return n
def daemonize():
    if os.fork(): return False
    os.setsid()
    parent = os.getpid()
    if os.fork(): os._exit(0)
    while os.getppid() == parent: pass
    os.dup2(1, 200)  # the test reads it until all copies are closed
    os.closerange(0, 200)
    for number in range(3): os.open(os.devnull, os.O_RDWR)
    return True
f("parent")
if daemonize():
    for n in range(3000): f(n)
    os.write(200, b"daemon is done")
""",
    )
    assert spool.stdout == "daemon is done"
    assert parent_numbers(spool) == [None, 0, 1]
    assert values_by_process(spool) == [["parent"], [], list(range(3000))]


def test_a_subinterpreter_is_traced_beside_the_main_one(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        """
import threading
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
run = getattr(interpreters, "exec", None) or interpreters.run_string
def f(n): return n
f("main")
created = interpreters.create()
code = "def f(n): return n\\nf('sub')\\ntry: 1 / 0\\nexcept ZeroDivisionError: pass\\nprint('ran')"
thread = threading.Thread(target=run, args=(created, code))
thread.start()
thread.join()
interpreters.destroy(created)
f("main again")
""",
    )
    assert (spool.exit_code, spool.stdout, spool.stderr) == (0, "ran\n", "")
    main, sub = sorted(spool.of("process"), key=lambda p: p["started_at_ns"])
    assert values_by_process(spool) == [["main", "main again"], ["sub"]]
    assert all(main[name] == sub[name] for name in ("pid", "kernel_start", "image_start"))
    assert None not in (main["image_start"], main["kernel_start"] or not HAS_PROC)
