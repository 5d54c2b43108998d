"""Test the bundle: the bytecode of what a start needs, in one file, which a start writes and the next ones read."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from breadcrumb import record_format
from spool_reader import INJECT, Spool, Trace

PROGRAM = "def f(n): return n\nf(1)\n"

# What is never in the bundle: the file that an interpreter imports, and the one that reads the bundle.
LOADED_BY_THEMSELVES = {"sitecustomize", "own_builtins"}

Run = Callable[..., Spool]


@pytest.fixture
def tracer(tmp_path: Path) -> Path:
    """Return a copy of the tracer, without bytecode."""
    return shutil.copytree(INJECT.parent, tmp_path / "breadcrumb", ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture
def run(python: str, trace: Trace, tracer: Path) -> Run:
    def traced(text: str = PROGRAM, folder: Path = tracer) -> Spool:
        spool = trace(python, text, env={"PYTHONPATH": str(folder / "_inject")})
        assert spool.of("process"), spool.stderr
        assert spool.of("notice") == []
        return spool

    return traced


def bundle_of(tracer: Path) -> Path:
    (file,) = (tracer / "__pycache__").glob("*.bundle")
    return file


def remove_bytecode(tracer: Path) -> None:
    for file in tracer.rglob("*.pyc"):
        file.unlink()


def compiled(tracer: Path) -> set[str]:
    return {file.name.partition(".")[0] for file in tracer.rglob("*.pyc")}


# A value, an exception with a text that may hold a secret, and a generator: all that many programs need.
VARIED = """
class Cart: pass
def f(n): return Cart()
def fails(): raise ValueError("password=hunter2hunter2")
def steps(): yield 1
f(1)
try: fails()
except ValueError: pass
print(list(steps()))
"""


@pytest.mark.smoke
def test_a_start_reads_the_bundle_that_the_first_one_has_written(run: Run, tracer: Path) -> None:
    run()
    written = bundle_of(tracer).read_bytes()
    remove_bytecode(tracer)
    assert [call.value for call in run().named("f")] == [1]
    spool = run(VARIED)
    assert [event["type"] for event in spool.of("exception")] == ["ValueError"]
    # What is imported from its own file leaves its bytecode there.
    assert compiled(tracer) == LOADED_BY_THEMSELVES
    assert bundle_of(tracer).read_bytes() == written


def test_a_module_that_has_changed_is_read_from_its_file_and_bundled_again(run: Run, tracer: Path) -> None:
    run()
    before = bundle_of(tracer).read_bytes()
    source = tracer / "session" / "processes.py"
    source.write_text(source.read_text().replace("return words or", 'return ["changed"] or words or'))
    if "orig_argv" in source.read_text():
        source.write_text(source.read_text().replace('"orig_argv"', '"no_such_argv"'))
    remove_bytecode(tracer)
    for _ in range(2):
        (process,) = run().of("process")
        assert process["command"] == ["changed"]
    assert bundle_of(tracer).read_bytes() != before


def test_a_module_that_another_start_needs_is_added(python: str, trace: Trace, tracer: Path) -> None:
    env = {"PYTHONPATH": str(tracer / "_inject")}
    trace(python, PROGRAM, env=env)
    for only_lines in (True, True, False):
        remove_bytecode(tracer)
        assert trace(python, PROGRAM, only_lines=only_lines, env=env).of("process")
    remove_bytecode(tracer)
    assert trace(python, PROGRAM, only_lines=True, env=env).of("process")
    assert compiled(tracer) == LOADED_BY_THEMSELVES


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:20],
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: b"\0" * len(content),
        lambda content: content.replace(b"breadcrumb 1", b"breadcrumb 0"),
    ],
    ids=["empty", "head", "half", "cut", "zeros", "format"],
)
def test_a_bundle_that_is_damaged_or_of_another_version_is_replaced(
    run: Run, tracer: Path, damage: Callable[[bytes], bytes]
) -> None:
    run()
    bundle_of(tracer).write_bytes(damage(bundle_of(tracer).read_bytes()))
    assert [call.value for call in run().named("f")] == [1]
    remove_bytecode(tracer)
    assert [call.value for call in run().named("f")] == [1]
    assert compiled(tracer) == LOADED_BY_THEMSELVES


def test_a_tracer_that_was_moved_has_its_own_files_in_its_tracebacks(run: Run, tracer: Path, tmp_path: Path) -> None:
    run()
    moved = Path(shutil.move(tracer, tmp_path / "elsewhere" / "breadcrumb"))
    run(folder=moved)
    remove_bytecode(moved)
    spool = run(
        textwrap.dedent("""
            import sys
            recorder = sys.modules["breadcrumb.recorder"]
            print(recorder.Recorder.start.__code__.co_filename)
        """),
        folder=moved,
    )
    assert spool.stdout == f"{moved / 'recorder.py'}\n"


def test_where_no_file_can_be_written_the_tracer_runs_without_a_bundle(run: Run, tracer: Path) -> None:
    (tracer / "__pycache__").write_text("a file, where a folder is needed")
    for _ in range(2):
        spool = run(VARIED)
        assert [event["type"] for event in spool.of("exception")] == ["ValueError"]


def test_a_program_that_the_environment_does_not_ask_to_trace_writes_no_bundle(
    python: str, trace: Trace, tracer: Path
) -> None:
    env = {"PYTHONPATH": str(tracer / "_inject"), record_format.ENV_TRACE: ""}
    assert trace(python, "print('ran')", env=env).stdout == "ran\n"
    assert not list(tracer.rglob("*.bundle"))


def test_a_program_may_empty_the_list_of_modules_before_the_tracer_needs_more(run: Run) -> None:
    run()
    text = textwrap.dedent("""
        import sys
        def fail(n): raise ValueError("at %d" % n)
        def values(n): return [n, {n: fail}]
        for name in list(sys.modules):
            if name.startswith("breadcrumb"): del sys.modules[name]
        values(1)
        try: fail(1)
        except ValueError as error: print(error)
        print(sorted(name for name in sys.modules if name == "breadcrumb.recorder"))
    """)
    spool = run(text)
    assert spool.stdout == "at 1\n[]\n"
    assert [event["message"] for event in spool.of("exception")] == ["at 1"]
    assert [call.args for call in spool.named("values")] == [{"n": 1}]


def test_import_hooks_of_the_program_see_nothing_of_the_tracer(run: Run) -> None:
    text = textwrap.dedent("""
        import sys
        class Hook:
            @staticmethod
            def find_spec(name, path=None, target=None):
                if name.startswith("breadcrumb"): print(name)
        sys.meta_path.insert(0, Hook)
        def fail(n): raise ValueError(Hook)
        try: fail({"token": Hook()})
        except ValueError: print("caught")
    """)
    for _ in range(2):
        assert run(text).stdout == "caught\n"


def test_garbage_is_collected_as_without_the_tracer(python: str, trace: Trace) -> None:
    text = "import gc\nprint(gc.isenabled(), gc.get_freeze_count())\n"
    untraced = trace(python, text, env={record_format.ENV_TRACE: "", "PYTHONPATH": ""})
    assert trace(python, text).stdout == untraced.stdout
