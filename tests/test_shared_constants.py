"""Constants on which the three roots must agree stand in one place each."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from breadcrumb import record_format

ROOT = Path(__file__).parent.parent
NOTICES = {name: value for name, value in vars(record_format).items() if name.startswith("NOTICE_")}
# Words with other meanings elsewhere: they may be literals, but in no place that wants the code of a notice.
COMMON_WORDS = {"backend", "stopped", "greenlets", "unknown"}


@cache
def trees() -> dict[Path, ast.Module]:
    """Every module of the three roots, by its path."""
    return {
        path.relative_to(ROOT): ast.parse(path.read_text("utf-8"))
        for root in ("tracer_bootstrap", "storage", "server")
        for path in (ROOT / root).rglob("*.py")
    }


def literals(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The text literals of a module with their lines, without docstrings."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("utf-8", "replace")
            yield node.lineno, text


def last_name(node: ast.AST) -> str:
    """``NOTICE_X`` of both ``NOTICE_X`` and ``record_format.NOTICE_X``."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def codes_in(tree: ast.Module) -> Iterator[ast.expr]:
    """Whatever a module takes for the code of a notice: what it writes, and what it compares with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last_name(node.func) in ("notice", "add_notice"):
            yield from node.args[:1]
            yield from (each.value for each in node.keywords if each.arg == "code")
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(last_name(side) == "code" for side in sides):
                for side in sides:
                    yield from side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side]


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def test_codes_of_notices_are_constants_of_the_record_format() -> None:
    rare = re.compile(rf"\b({'|'.join(set(NOTICES.values()) - COMMON_WORDS)})\b")
    for path, tree in trees().items():
        codes = list(codes_in(tree))
        assert not [f"{path}:{code.lineno}" for code in codes if is_text(code)]
        assert {name for name in map(last_name, codes) if name.startswith("NOTICE_")} <= NOTICES.keys(), path
        if path.name != "record_format.py":
            assert not [f"{path}:{line}" for line, text in literals(tree) if rare.search(text)]


def test_no_two_notices_have_the_same_code_and_each_is_written_by_somebody() -> None:
    assert len(set(NOTICES.values())) == len(NOTICES)
    used = {
        last_name(node)
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(getattr(node, "ctx", None), ast.Load)
    }
    assert not NOTICES.keys() - used


def test_the_page_on_the_spool_lists_each_notice() -> None:
    page = (ROOT / "docs" / "spool-format.md").read_text("utf-8")
    (table,) = re.findall(r"\n## Notices\n(.*?)\n## ", page, re.DOTALL)
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(NOTICES.values())
