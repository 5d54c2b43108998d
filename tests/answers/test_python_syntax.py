"""Source in the syntax of newer Pythons is parsed, and its lines keep their numbers."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breadcrumb_server.answers.common.python_syntax import in_older_syntax, parse_source, source_lines

NEWER = """\
type Pair[A, B = int] = tuple[A, B]
type Name = str
lazy import json
class Box[T: (int, str)](Base[T]):
    def get[D](self, default: D) -> T | D:
        return f"{self.values["key"]} {", ".join(f"{x!r:>{width}}" for x in self.all)}"
    async def many[
        A,
        *B,  # of any length ]
    ](self, *args: *B) -> A:
        return t"{args} in {self}"
class Empty[T]: pass
class Long[
    T,
]:
    text = f'{
        1 + 1  # two }
    }' "and more"
try:
    pass
except KeyError, ValueError:
    type = {"type": 1}["type"]
    type[0] = 2
last = f"{id(last):#x} {{not a field}} {last:{">"}{9}}"
"""


def test_what_is_newer_is_written_in_older_syntax_on_the_same_lines() -> None:
    assert parse_source(NEWER.split("\n")) is not None
    tree = ast.parse(in_older_syntax(NEWER))  # which a newer Python would not need
    named = (ast.alias, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = {each.name: (each.lineno, each.end_lineno) for each in ast.walk(tree) if isinstance(each, named)}
    assert found == {
        "json": (3, 3), "Box": (4, 11), "get": (5, 6), "many": (7, 11), "Empty": (12, 12), "Long": (13, 18),
    }  # fmt: skip
    assigned = {
        each.targets[0].id: each.lineno
        for each in ast.walk(tree)
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name)
    }
    assert assigned == {"Pair": 1, "Name": 2, "text": 16, "type": 22, "last": 24}


OLDER = [
    "def f(a, *, b=1):\n    return a[b] # no ] end",
    "type = type[0]\ntype(type)\nprint(type, [type])",
    "x = f'{a}' + rf\"{b:>{c}}\" + '''{'''",
    "class A(B):\n    lazy = 1\n    lazy, b = 1, 2",
    "try:\n    pass\nexcept (A, B):\n    pass\nexcept C:\n    pass",
    "a = 'def f[T](): pass'  # class A[T]: pass",
    "x = '\\'' + \"it's\" + b'\\\\' + f'{{' + f'{x:{y}}}}'",
]


@pytest.mark.parametrize("source", OLDER)
def test_what_has_always_been_python_is_not_changed(source: str) -> None:
    ast.parse(source)
    assert in_older_syntax(source) == source


@given(st.text("abfrt'\"{}[]()#:\\\n= ", max_size=60))
def test_any_text_is_a_tree_or_none(text: str) -> None:
    parse_source(text.split("\n"))


@pytest.mark.parametrize("source", ["f'{", "def f[", "x = '", "f'{a:{", "class A[T", "type X[T = 1"])
def test_what_has_no_end_has_no_tree(source: str) -> None:
    assert parse_source([source]) is None


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"a = 1\n\x0c\nb = '\xc2\x85\xe2\x80\xa8\x1c'\n", ["a = 1", "\x0c", "b = '\x85\u2028\x1c'"]),
        (b"\xef\xbb\xbfa\r\nb\rc", ["a", "b", "c"]),
        (b"# -*- coding: latin-1 -*-\n'\xe4'\n\n", ["# -*- coding: latin-1 -*-", "'ä'", ""]),
        (b"", []),
    ],
)
def test_lines_are_those_that_python_numbers(content: bytes, lines: list[str]) -> None:
    assert source_lines(content) == lines
