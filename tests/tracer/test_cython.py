"""Test programs with modules that Cython has compiled with profile=True: they fire events of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from breadcrumb.record_format import OUTCOME_RAISED
from spool_reader import Trace, equipped_interpreter, program

MODULE = """\
# cython: language_level=3, profile=True
def inner(n):
    if n > 1: raise ValueError(n)
    return n + 1

def outer(n):
    return inner(n) * 2

def numbers(n):
    yield inner(0)
    yield n
"""


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_calls_through_profiled_cython_modules_have_their_true_callers(
    version: str, trace: Trace, tmp_path: Path
) -> None:
    python = equipped_interpreter(version, "Cython", "setuptools")
    (tmp_path / "compiled.pyx").write_text(MODULE)
    build = [python, "-m", "Cython.Build.Cythonize", "--inplace", "--quiet", "compiled.pyx"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    spool = trace(
        python,
        program("""
            import compiled

            def called_back(n): return n

            def doubled(n):
                try: return called_back(compiled.outer(n))
                except ValueError: return None

            def main():
                print([doubled(n) for n in range(3)], list(map(called_back, compiled.numbers(7))))

            main()
        """),
    )
    assert (spool.exit_code, spool.stdout) == (0, "[2, 4, None] [1, 7]\n"), spool.stderr
    names = {call.call: call.function for call in spool.calls}
    tree = [(call.function, names.get(call.parent)) for call in spool.calls if "comp" not in call.function]
    assert tree.count(("main", "<module>")) == 1 and tree.count(("called_back", "main")) == 2
    assert [parent for function, parent in tree if function == "doubled"] in (
        ["main"] * 3,
        ["main.<locals>.<listcomp>"] * 3,
    )
    assert tree.count(("called_back", "doubled")) == 2
    assert not [call for call in spool.calls if call.outcome == OUTCOME_RAISED or call.outcome is None]
    (raised,) = spool.of("exception")
    assert raised["type"] == "ValueError" and raised["function"].endswith("inner")
