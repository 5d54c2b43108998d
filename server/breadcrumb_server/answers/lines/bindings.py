"""What a source line binds: a name that is bound anew is told whole, since nothing in its old value has changed."""

from __future__ import annotations

import ast
import inspect
import re
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Where the source does not parse (a newer syntax): `a, b = `, `x: int = `, `n += `, `for x in`, `as name`, `name :=`.
_TARGETS = re.compile(r"^\s*(?:async\s+)?(?:for\s+([\w\s,*]+?)\s+in\b|([\w\s,*]+?)\s*(?::[^=]+)?[-+*/%@&|^<>]*=(?!=))")
_NAMED = re.compile(r"\bas\s+(\w+)|\b(\w+)\s*:=")
_NAME = re.compile(r"[^\W\d]\w*")
# A field of that name, and not the method of dicts.
_ITEMS_FIELD = re.compile(r"\.items\b(?!\s*\()")


@dataclass(frozen=True, slots=True)
class Bound:
    """What a line binds, as paths: ``name``, ``self.total``, and ``prices[]`` for any item of prices."""

    paths: frozenset[str] = frozenset()
    # A list of its own class and an object whose one field is called items are recorded alike.
    items_is_field: bool = False

    def binds(self, path: str, container: str) -> bool:
        """Whether it binds this part of ``container``."""
        return path in self.paths or (path.startswith(f"{container}[") and f"{container}[]" in self.paths)


class Bindings:
    """What the lines of a function bind.

    Args:
        source: the lines of its file; empty where they are not known.
        first_line: where it begins; None: it is the whole file.
    """

    def __init__(self, source: Sequence[str], first_line: int | None) -> None:
        self._source = source
        self._items_is_field = any(map(_ITEMS_FIELD.search, source))
        self._paths: dict[int, set[str]] | None = {}
        try:
            for line, path in _of_block(source, first_line or 1, whole=first_line is None):
                self._paths.setdefault(line, set()).add(path)
        except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
            self._paths = None

    def at(self, line: int) -> Bound:
        """What this line binds."""
        paths: set[str] = set()
        if self._paths is not None:
            paths = self._paths.get(line, paths)
        elif 0 < line <= len(self._source):
            paths = _guessed(self._source[line - 1])
        return Bound(frozenset(paths), self._items_is_field)


def _of_block(source: Sequence[str], first_line: int, *, whole: bool) -> Iterator[tuple[int, str]]:
    lines = [f"{line}\n" for line in source[first_line - 1 :]]
    block = lines if whole or not lines else inspect.getblock(lines)
    indented = bool(block) and block[0][:1].isspace()
    with warnings.catch_warnings():  # of the program's own, such as an invalid escape
        warnings.simplefilter("ignore")
        tree = ast.parse("".join(["if 1:\n"] * indented + block))
    before = first_line - 1 - indented
    nodes = list(ast.walk(tree))
    in_place = {
        id(node.target) for node in nodes if isinstance(node, ast.AugAssign) and not isinstance(node.target, ast.Name)
    }
    for node in nodes:
        if id(node) not in in_place:
            yield from ((before + line, path) for line, path in _of_node(node))


def _of_node(node: ast.AST) -> Iterator[tuple[int, str]]:
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


def _guessed(line: str) -> set[str]:
    targets = _TARGETS.match(line)
    found: list[str] = _NAME.findall(targets[1] or targets[2]) if targets else []
    return {*found, *(match[1] or match[2] for match in _NAMED.finditer(line))}
