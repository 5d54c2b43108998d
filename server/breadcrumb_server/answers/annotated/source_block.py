"""Find the lines of a function in its file, and the statements among them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from breadcrumb_server.answers.annotated.statement_lines import COMPOUND, StatementLines, first_line_of, head_end_of
from breadcrumb_server.answers.common.python_syntax import parse_source

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
# Expressions whose values decide what a statement does.
_TESTS = (ast.If, ast.While, ast.Assert)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of a function, or the head of one that has a body."""

    first: int
    last: int
    runs: bool = True  # whether the interpreter reports its line when it is executed
    reads: tuple[str, ...] = ()  # variables and attributes that it compares, as paths: amount, self.rates
    names: frozenset[str] = frozenset()  # variables, functions and classes that it names
    assigned: frozenset[str] = frozenset()  # those of them that it assigns


@dataclass(frozen=True, slots=True)
class SourceBlock:
    """The lines of a function, or of a module or class body.

    Attributes:
        first: Number of its first line, which may be a decorator.
        last: Number of its last line.
        statements: Its statements by the number of their first line, without those of functions defined in it.
        documentation: Numbers of the lines of its docstring, or of several docstrings.
        defaults: The constants that its arguments have if they are not given, by name.
        arguments: The names of its arguments, without ``self`` and ``cls``.
        written: How the lines of its file make up statements.
    """

    first: int
    last: int
    statements: Mapping[int, Statement] = field(default_factory=dict[int, Statement])
    documentation: Collection[int] = range(0)
    defaults: Mapping[str, object] = field(default_factory=dict[str, object])
    arguments: frozenset[str] = frozenset()
    written: StatementLines = field(default_factory=StatementLines)

    def statement_at(self, line: int) -> Statement | None:
        """Return the statement that a line belongs to."""
        found = [each for each in self.statements.values() if each.first <= line <= each.last]
        return max(found, key=lambda each: each.first, default=None)

    def before(self, statement: Statement) -> Iterator[Statement]:
        """Yield the earlier statements that a statement depends on by its variables, the last first."""
        earlier = [each for each in self.statements.values() if each.last < statement.first]
        variables = self.arguments.union(*(each.assigned for each in earlier))
        wanted = variables & statement.names
        for each in sorted(earlier, key=lambda each: each.first, reverse=True):
            if not wanted.isdisjoint(each.names):
                yield each
                if not wanted.isdisjoint(each.assigned):
                    wanted |= variables & each.names


@dataclass(frozen=True, slots=True)
class Definition:
    """A function or class of a file.

    Attributes:
        first: Number of its first line, which may be a decorator.
        head: Number of the line with ``def`` or ``class``.
        last: Number of its last line.
        name: Its qualified name.
        is_class: Whether it is a class.
    """

    first: int
    head: int
    last: int
    name: str
    is_class: bool


class ParsedFile:
    """The functions of a source file.

    Args:
        source: Its lines.
    """

    def __init__(self, source: Sequence[str]) -> None:
        self._source = source
        self._tree = parse_source(source)  # of what cannot be parsed, the lines are shown without marks

    @cached_property
    def _written(self) -> StatementLines:
        return StatementLines.of(self._tree, self._source) if self._tree is not None else StatementLines()

    def block(self, first_line: int, name: str) -> SourceBlock | None:
        """Return the lines of a function.

        Args:
            first_line: Its first line as the interpreter tells it: that of its first decorator, if it has any.
            name: Its qualified name.

        Returns:
            None if the file has no such line.
        """
        if not 0 < first_line <= len(self._source):
            return None
        if self._tree is None:
            return SourceBlock(first_line, _end_by_indentation(self._source, first_line))
        if name.rpartition(".")[2] == "<module>":
            return _block_of(self._tree, 1, len(self._source), self._written)
        owner = _innermost(self._tree, first_line, name.rpartition(".")[2])
        if owner is None:
            return SourceBlock(first_line, _end_by_indentation(self._source, first_line))
        return _block_of(owner, first_line_of(owner), owner.end_lineno or first_line, self._written)

    def find(self, name: str) -> Definition | None:
        """Find a definition by the end of its qualified name."""
        return next((each for each in self.definitions() if f".{each.name}".endswith(f".{name}")), None)

    def class_at(self, line: int | None, name: str) -> Definition | None:
        """Return the class of a qualified name that begins at a line, if there is one."""
        found = (each for each in self.definitions() if each.is_class and each.name == name)
        return next((each for each in found if line in (each.first, each.head)), None)

    def around(self, line: int) -> Definition | None:
        """Return the innermost function around a line."""
        found = [each for each in self.definitions() if not each.is_class and each.first <= line <= each.last]
        return max(found, key=lambda each: each.first, default=None)

    def definitions(self) -> Iterator[Definition]:
        """Yield the functions and classes of the file, each before those in it."""
        if self._tree is not None:
            for node, qualified in _definitions(self._tree, ""):
                last = node.end_lineno or node.lineno
                yield Definition(first_line_of(node), node.lineno, last, qualified, isinstance(node, ast.ClassDef))

    def region(self, first: int, last: int, without: Collection[str]) -> SourceBlock:
        """Return lines of the file, with the statements of the functions among them.

        Args:
            first: Number of the first line.
            last: Number of the last line.
            without: Qualified names of the functions whose statements are left out.
        """
        statements: dict[int, Statement] = {}
        documentation: set[int] = set()
        for node, qualified in _definitions(self._tree, "") if self._tree is not None else ():
            documentation.update(_documentation(node))
            if not isinstance(node, ast.ClassDef) and qualified not in without:
                statements |= {each.first: each for each in _statements(node, is_owner=True)}
        return SourceBlock(first, last, statements, documentation, written=self._written)

    def attributes(self, first: int, last: int) -> set[int]:
        """Return the first lines of the assignments in the bodies of classes, and of the module, within some lines."""
        if self._tree is None:
            return set()
        bodies = [self._tree.body, *(node.body for node in ast.walk(self._tree) if isinstance(node, ast.ClassDef))]
        return {
            each.lineno
            for body in bodies
            for each in body
            if isinstance(each, ast.Assign | ast.AnnAssign) and first <= each.lineno <= last
        }


def _definitions(
    node: ast.AST, prefix: str
) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _DEFINITIONS):
            name = prefix + child.name
            yield child, name
            yield from _definitions(child, f"{name}." if isinstance(child, ast.ClassDef) else f"{name}.<locals>.")
        else:
            yield from _definitions(child, prefix)


def _innermost(tree: ast.Module, first_line: int, name: str) -> ast.stmt | None:
    """Return the definition that begins at a line; for a lambda or comprehension, the statement around it."""
    around: ast.stmt | None = None
    for node in ast.walk(tree):
        if isinstance(node, _DEFINITIONS) and node.name == name and first_line in (first_line_of(node), node.lineno):
            return node
        if isinstance(node, ast.stmt) and node.lineno <= first_line <= (node.end_lineno or 0):
            around = node  # walk goes from the outside to the inside
    return around if name.startswith("<") else None


def _block_of(owner: ast.Module | ast.stmt, first: int, last: int, written: StatementLines) -> SourceBlock:
    return SourceBlock(
        first,
        last,
        statements={each.first: each for each in _statements(owner, is_owner=True)},
        documentation=_documentation(owner),
        defaults=_defaults(owner),
        arguments=_arguments(owner),
        written=written,
    )


def _arguments(owner: ast.AST) -> frozenset[str]:
    if not isinstance(owner, ast.FunctionDef | ast.AsyncFunctionDef):
        return frozenset()
    arguments = owner.args
    found = {each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    return frozenset(found - {"self", "cls"})


def _defaults(owner: ast.AST) -> dict[str, object]:
    if not isinstance(owner, ast.FunctionDef | ast.AsyncFunctionDef):
        return {}
    arguments = owner.args
    positional = [*arguments.posonlyargs, *arguments.args]
    given = [
        *zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    return {argument.arg: value.value for argument, value in given if isinstance(value, ast.Constant)}


def _documentation(owner: ast.AST) -> range:
    body: list[ast.stmt] = getattr(owner, "body", [])
    match body[:1]:
        case [ast.Expr(value=ast.Constant(value=str())) as first]:
            return range(first.lineno, (first.end_lineno or first.lineno) + 1)
        case _:
            return range(0)


def _statements(node: ast.AST, *, is_owner: bool = False) -> Iterator[Statement]:
    """Find the statements of a function or module, without those of the functions in it."""
    documentation = _documentation(node)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ExceptHandler | ast.match_case):
            head = child if isinstance(child, ast.ExceptHandler) else child.pattern
            yield Statement(head.lineno, head_end_of(child, head.lineno), runs=isinstance(child, ast.ExceptHandler))
            yield from _statements(child)
        elif isinstance(child, ast.stmt):
            if child.lineno in documentation:
                continue
            first = first_line_of(child)
            end = head_end_of(child, child.lineno) if isinstance(child, COMPOUND) else child.end_lineno or first
            yield Statement(first, end, _is_reported(child), _compared(child), *_names(child))
            if not isinstance(child, _FUNCTIONS):
                yield from _statements(child)
    if is_owner and isinstance(node, _DEFINITIONS):
        yield Statement(first_line_of(node), head_end_of(node, node.lineno), runs=False)


def _names(statement: ast.stmt) -> tuple[frozenset[str], frozenset[str]]:
    """Return what a statement, or the head of one that has a body, names and what of it it assigns."""
    match statement:
        case ast.If() | ast.While():
            heads: list[ast.AST] = [statement.test]
        case ast.For() | ast.AsyncFor():
            heads = [statement.target, statement.iter]
        case ast.With() | ast.AsyncWith():
            heads = [*statement.items]
        case ast.Match():
            heads = [statement.subject]
        case _ if isinstance(statement, COMPOUND):
            heads = []
        case _:
            heads = [statement]
    named = [each for head in heads for each in ast.walk(head) if isinstance(each, ast.Name)]
    assigned = frozenset(each.id for each in named if isinstance(each.ctx, ast.Store))
    return frozenset(each.id for each in named), assigned


def _is_reported(statement: ast.stmt) -> bool:
    """Return whether the interpreter executes code for a statement at its line."""
    if isinstance(statement, ast.Global | ast.Nonlocal | ast.Pass | ast.Try | ast.TryStar):
        return False
    is_constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return not is_constant and not (isinstance(statement, ast.AnnAssign) and statement.value is None)


def _compared(statement: ast.stmt) -> tuple[str, ...]:
    """Return the variables and attributes that a condition reads."""
    if isinstance(statement, _TESTS):
        return tuple(dict.fromkeys(_read_paths(statement.test)))
    if isinstance(statement, ast.Return) and isinstance(statement.value, ast.Compare | ast.BoolOp):
        return tuple(dict.fromkeys(_read_paths(statement.value)))
    return ()


def _read_paths(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name | ast.Attribute):
        path = _path(node)
        if path:
            yield path
            return
    if isinstance(node, ast.Call):  # the function is no value worth showing, nor is an object with its methods
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        held = [owner] if isinstance(owner, ast.Attribute) else []
        parts: list[ast.AST] = [*held, *node.args, *(each.value for each in node.keywords)]
    else:
        parts = list(ast.iter_child_nodes(node))
    for child in parts:
        if not isinstance(child, _FUNCTIONS):
            yield from _read_paths(child)


def _path(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = _path(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def _end_by_indentation(source: Sequence[str], first_line: int) -> int:
    """Return the last line of a definition whose file cannot be parsed."""
    margin = len(source[first_line - 1]) - len(source[first_line - 1].lstrip())
    last = first_line
    is_decorated = source[first_line - 1].lstrip().startswith("@")
    for number in range(first_line + 1, len(source) + 1):
        text = source[number - 1]
        if not text.strip():
            continue
        begin = text.lstrip()
        if len(text) - len(begin) <= margin and not begin.startswith((")", "]", "}")):
            if not (is_decorated and begin.startswith(("@", "def ", "async ", "class "))):
                break
            is_decorated = begin.startswith("@")
        last = number
    return last
