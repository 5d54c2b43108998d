"""Test that code in the cells of a notebook is named by its cell, whose file does not exist."""

from __future__ import annotations

import pytest

from pythons import NOTEBOOK_VERSIONS
from spool_reader import Spool, Trace, equipped_interpreter

CELLS = """
import sys
from IPython.core.interactiveshell import InteractiveShell
if sys.argv[1:] == ["kernel"]:
    from ipykernel.compiler import XCachingCompiler
    InteractiveShell.compiler_class = XCachingCompiler
shell = InteractiveShell.instance(history_load_length=0)
shell.history_manager.enabled = False
shell.showtraceback = lambda *args, **kwargs: None
shell.run_cell("def half(n):\\n    return n / 2\\nx = half(4)", store_history=True)
shell.run_cell("y = 1", store_history=True)
shell.run_cell("half('a')", store_history=True)
"""


def places(spool: Spool) -> set[tuple[str, str, str]]:
    return {(each["name"], each["file"], each["kind"]) for each in spool.of("function") if each["file"][:2] == "In"}


@pytest.mark.parametrize("arguments", [[], ["kernel"]], ids=["IPython", "ipykernel"])
@pytest.mark.parametrize("version", NOTEBOOK_VERSIONS)
def test_cells_of_a_notebook_are_named_by_their_numbers(
    trace: Trace, tmp_path, version: str, arguments: list[str]
) -> None:
    program = tmp_path / "notebook.py"
    program.write_text(CELLS)
    python = equipped_interpreter(version, "IPython", "ipykernel")
    spool = trace(
        python, [str(program), *arguments], env={"IPYTHONDIR": str(tmp_path / "ipython"), "HOME": str(tmp_path)}
    )
    assert places(spool) == {
        ("In [1]", "In [1]", "module"),
        ("half", "In [1]", "function"),
        ("In [2]", "In [2]", "module"),
        ("In [3]", "In [3]", "module"),
    }
    (error,) = [each for each in spool.of("exception") if each["type"] == "TypeError"]
    assert error["file"] == "In [1]"
    assert [line.replace(" in <cell line: 1>", " in <module>") for line in error["stack"].splitlines()[-2:]] == [
        "In [3]:1 in <module>", "In [1]:2 in half",
    ]  # fmt: skip


def test_a_cell_has_the_number_in_its_name_where_no_shell_is_known(python: str, trace: Trace) -> None:
    text = """
def run(text, file):
    exec(compile(text, file, "exec"), {"__name__": "__main__"})
run("def half(n): return n / 2\\nhalf(2)", "<ipython-input-3-7bb0bcfd1a22>")
run("pass", "<ipython-input-none>")
run("pass", "/tmp/ipykernel_1/2.py")
"""
    spool = trace(python, text)
    assert places(spool) == {("In [3]", "In [3]", "module"), ("half", "In [3]", "function")}
    assert {"<ipython-input-none>", "/tmp/ipykernel_1/2.py"} <= {each["file"] for each in spool.of("function")}
