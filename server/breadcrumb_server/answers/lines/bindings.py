"""Find the names that each source line binds.

A line that binds a name gives it another value, so that its changes are not changes within the old one.
"""

from __future__ import annotations

import ast
import inspect
import re
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from breadcrumb_server.answers.common.python_syntax import in_older_syntax

_UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError)
# For source that does not parse: `a, b = `, `x: int = `, `n += `, `for x in`, `as name`, `name :=`.
_TARGETS = re.compile(r"^\s*(?:async\s+)?(?:for\s+([\w\s,*]+?)\s+in\b|([\w\s,*]+?)\s*(?::[^=]+)?[-+*/%@&|^<>]*=(?!=))")
_NAMED = re.compile(r"\bas\s+(\w+)|\b(\w+)\s*:=")
_NAME = re.compile(r"[^\W\d]\w*")
# A field called items, not the method of dicts.
_ITEMS_FIELD = re.compile(r"\.items\b(?!\s*\()")


@dataclass(frozen=True, slots=True)
class LineBindings:
    """The names that a line binds, as paths: ``name``, ``self.total``, and ``prices[]`` for any item of prices."""

    paths: frozenset[str] = frozenset()
    # The record of a value does not distinguish a subclass of list from an object whose only field is called items.
    items_is_field: bool = False

    def binds(self, path: str, container: str) -> bool:
        """Return whether the line binds ``path``, a part of ``container``."""
        return path in self.paths or (path.startswith(f"{container}[") and f"{container}[]" in self.paths)


class Bindings:
    """The names that the lines of a function bind.

    Args:
        source: Lines of its file; empty if they are not known.
        first_line: Number of its first line; None for the body of the module.
    """

    def __init__(self, source: Sequence[str], first_line: int | None) -> None:
        self._source = source
        self._items_is_field = any(map(_ITEMS_FIELD.search, source))
        found = _bindings(source, first_line)
        paths: dict[int, set[str]] = {}
        for line, path in found or ():
            paths.setdefault(line, set()).add(path)
        self._paths = None if found is None else paths

    def at(self, line: int) -> LineBindings:
        """Return the names that a line binds; none if its source is not known."""
        paths: set[str] = set()
        if self._paths is not None:
            paths = self._paths.get(line, paths)
        elif 0 < line <= len(self._source):
            paths = _guess_targets(self._source[line - 1])
        return LineBindings(frozenset(paths), self._items_is_field)


def _bindings(source: Sequence[str], first_line: int | None) -> list[tuple[int, str]] | None:
    """Find (line, path) of each binding in a function, or in the whole file; None if it cannot be parsed."""
    start, whole = first_line or 1, first_line is None
    with suppress(*_UNPARSABLE):
        return list(_block_bindings(source, start, whole=whole))
    with suppress(*_UNPARSABLE, IndexError):
        return list(_block_bindings(in_older_syntax("\n".join(source)).split("\n"), start, whole=whole))
    return None


def _block_bindings(source: Sequence[str], first_line: int, *, whole: bool) -> Iterator[tuple[int, str]]:
    """Find (line, path) of each binding in a function, or in the whole file."""
    lines = [f"{line}\n" for line in source[first_line - 1 :]]
    block = lines if whole or not lines else inspect.getblock(lines)
    indented = bool(block) and block[0][:1].isspace()
    with warnings.catch_warnings():  # about the program, such as an invalid escape
        warnings.simplefilter("ignore")
        tree = ast.parse("".join(["if 1:\n"] * indented + block))
    before = first_line - 1 - indented
    nodes = list(ast.walk(tree))
    in_place = {
        id(node.target) for node in nodes if isinstance(node, ast.AugAssign) and not isinstance(node.target, ast.Name)
    }
    for node in nodes:
        if id(node) not in in_place:
            yield from ((before + line, path) for line, path in _node_bindings(node))


def _node_bindings(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Find (line, path) of each binding by a node itself, not by the nodes in it."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()):
            yield node.lineno, name
        case ast.Attribute(ctx=ast.Store() | ast.Del()):
            yield node.lineno, ast.unparse(node)
        case ast.Subscript(value=container, ctx=ast.Store() | ast.Del()):
            yield node.lineno, f"{ast.unparse(container)}[]"
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            for each in names:
                yield node.lineno, each.asname or each.name.partition(".")[0]
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            for line in (node.lineno, *(each.lineno for each in node.decorator_list)):
                yield line, node.name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield node.lineno, name
        case ast.MatchMapping(rest=str(name)):
            yield node.lineno, name
        case _:
            pass


def _guess_targets(line: str) -> set[str]:
    """Find the names that a line seems to bind."""
    targets = _TARGETS.match(line)
    found: list[str] = _NAME.findall(targets[1] or targets[2]) if targets else []
    return {*found, *(match[1] or match[2] for match in _NAMED.finditer(line))}
