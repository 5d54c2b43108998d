"""Find the places where source mentions a name."""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from breadcrumb_server.answers.common.python_syntax import parse_source
from breadcrumb_server.answers.find.names.wanted_name import WantedName

# Methods that change the container that they are called on.
_MUTATORS = frozenset({
    "add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "extendleft", "insert",
    "intersection_update", "pop", "popitem", "popleft", "put", "put_nowait", "remove", "reverse", "rotate",
    "setdefault", "sort", "symmetric_difference_update", "update",
})  # fmt: skip
# Methods and functions whose first texts are keys or names of attributes.
_BY_KEY = frozenset({
    "get", "getattr", "setattr", "hasattr", "delattr", "pop", "setdefault", "attrgetter", "itemgetter",
})  # fmt: skip
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_BODIES = ("body", "orelse", "finalbody", "handlers", "cases")

DEFINES, READS, CHANGES, BINDS = range(4)


@dataclass(frozen=True, slots=True)
class Mention:
    """A place where source mentions a name.

    Attributes:
        line: Its line.
        use: READS, CHANGES (what the name stands for is changed in place), BINDS, or DEFINES: a parameter, or a
            function, class or module of this name.
        function: The first line and the qualified name of the function around it; of a module, 1 and <module>.
        first: The first line of its statement, or of the head of one.
        last: The last line of that.
        names: Variables that the statement reads.
        is_loop: Whether it is a for statement or a comprehension, which binds its target but for the last time.
    """

    line: int
    use: int
    function: tuple[int, str]
    first: int
    last: int
    names: tuple[str, ...] = ()
    is_loop: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the search is: the function, and the statement in it."""

    function: tuple[int, str]
    prefix: str
    statement: ast.AST | None = None
    in_comprehension: bool = False

    def mention(self, line: int, use: int) -> Mention:
        """Return a mention in this statement."""
        node = self.statement
        if not isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            return Mention(line, use, self.function, line, line)
        first = node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno
        last = first if isinstance(node, ast.match_case) else node.end_lineno or first
        inside = [each for field in _BODIES for each in _children(node, field)]
        if inside:
            last = max(first, min(_line(each) for each in inside) - 1)
        names = [
            each.id
            for child in ast.iter_child_nodes(node)
            if child not in inside
            for each in ast.walk(child)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
        ]
        is_loop = self.in_comprehension or isinstance(node, ast.For | ast.AsyncFor)
        return Mention(line, use, self.function, first, last, tuple(dict.fromkeys(names)), is_loop)


class _Search:
    """The search in one file.

    Args:
        wanted: The name.
        lines: Numbers of the lines that have the name, sorted: what has none of them is not looked at.
    """

    def __init__(self, wanted: WantedName, lines: Sequence[int]) -> None:
        self._wanted = wanted
        self._lines = lines

    def walk(self, node: ast.AST, place: _Place) -> Iterator[Mention]:
        """Find the mentions in a node."""
        if not self._may_have_some(node):
            return
        if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            place = replace(place, statement=node)
        elif isinstance(node, _COMPREHENSIONS):
            place = replace(place, in_comprehension=True)
        for line, use in _own(node, self._wanted):
            yield place.mention(line, use)
        if not isinstance(node, _DEFINITIONS):
            for child in ast.iter_child_nodes(node):
                yield from self.walk(child, place)
            return
        name = place.prefix + node.name
        function = (_line(node), name)
        inner = _Place(function, f"{name}." if isinstance(node, ast.ClassDef) else f"{name}.<locals>.")
        if not isinstance(node, ast.ClassDef) and not self._wanted.is_attribute:
            for each in ast.walk(node.args):
                if isinstance(each, ast.arg) and each.arg == self._wanted.last:
                    yield Mention(each.lineno, DEFINES, function, node.lineno, node.lineno)
        body = set(map(id, node.body))
        for child in ast.iter_child_nodes(node):
            yield from self.walk(child, inner if id(child) in body else place)

    def _may_have_some(self, node: ast.AST) -> bool:
        end: int | None = getattr(node, "end_lineno", None)
        if end is None:
            return True  # it has no place of its own
        at = bisect_left(self._lines, _line(node))
        return at < len(self._lines) and self._lines[at] <= end


def mentions(source: Sequence[str], wanted: WantedName) -> list[Mention]:
    """Return the places where source mentions a name, in the order of lines; none if it cannot be parsed.

    Args:
        source: The lines of a file.
        wanted: The name.
    """
    lines = [number for number, line in enumerate(source, 1) if wanted.last in line]
    if not lines:
        return []
    tree = parse_source(source)
    if tree is None:
        return []
    with suppress(RecursionError):
        found = _Search(wanted, lines).walk(tree, _Place((1, "<module>"), ""))
        return sorted(found, key=lambda each: each.line)
    return []


def _children(node: ast.AST, field: str) -> list[ast.AST]:
    found: object = getattr(node, field, None)
    return [each for each in found if isinstance(each, ast.AST)] if isinstance(found, list) else []  # pyright: ignore[reportUnknownVariableType]


def _line(node: ast.AST) -> int:
    if isinstance(node, ast.match_case):
        return node.pattern.lineno
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    line: int = getattr(node, "lineno", 1)
    return min([line, *(each.lineno for each in decorators)])


def _own(node: ast.AST, wanted: WantedName) -> Iterator[tuple[int, int]]:
    """Return (line, use) of each mention by a node itself, not by the nodes in it, or of a place that it changes."""
    match node:
        case ast.Name() | ast.Attribute() if _is(node, wanted):
            yield node.lineno, READS if isinstance(node.ctx, ast.Load) else BINDS
        case ast.Subscript(value=container, ctx=ast.Store() | ast.Del()) if _is(container, wanted):
            yield node.lineno, CHANGES
        case ast.Call(func=ast.Attribute(value=container, attr=method)) if method in _MUTATORS and _is(
            container, wanted
        ):
            yield node.lineno, CHANGES
        case ast.AugAssign(target=target) if _is(target, wanted):
            yield node.lineno, BINDS
        case ast.keyword(arg=name) if name == wanted.last and not wanted.is_attribute:
            yield node.value.lineno, READS
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) if (
            name == wanted.last and not wanted.is_attribute
        ):
            yield node.lineno, BINDS
        case ast.Import(names=names) | ast.ImportFrom(names=names) if not wanted.is_attribute:
            for each in names:
                if (each.asname or each.name.partition(".")[0]) == wanted.last:
                    yield node.lineno, DEFINES
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name) if (
            name == wanted.last and not wanted.is_attribute
        ):
            yield node.lineno, DEFINES
        case _:
            pass
    if not wanted.owner:
        for key, use in _keys(node):
            if key.value == wanted.last:
                yield key.lineno, use


def _is(node: ast.AST, wanted: WantedName) -> bool:
    """Return whether an expression is the name."""
    if isinstance(node, ast.Name):
        return node.id == wanted.last and not wanted.is_attribute
    if not isinstance(node, ast.Attribute) or node.attr != wanted.last:
        return False
    if not wanted.owner:
        return True
    owner = ast.unparse(node.value)
    return owner == wanted.owner or owner.endswith(f".{wanted.owner}")


def _keys(node: ast.AST) -> Iterator[tuple[ast.Constant, int]]:
    """Return the texts that stand for keys or attributes, with what is done there."""
    found: list[tuple[ast.expr | None, int]] = []
    match node:
        case ast.Subscript(slice=key):
            found = [(key, READS if isinstance(node.ctx, ast.Load) else BINDS)]
        case ast.Dict(keys=keys):
            found = [(each, READS) for each in keys]
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=args) if name in _BY_KEY:
            found = [(each, BINDS if name in ("setattr", "delattr", "setdefault") else READS) for each in args[:2]]
        case ast.Compare(left=left, ops=[ast.In() | ast.NotIn(), *_]):  # codespell:ignore
            found = [(left, READS)]
        case _:
            pass
    for each, use in found:
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each, use
