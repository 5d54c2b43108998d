"""Find in source code which locks a line takes, and which ones are held while it runs.

Locks are known by the expression that names them, as in the source: ``self._lock``. Only what must be so is said: a
lock taken under a condition or in another function, and lines that both take a lock and work under it, are left out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from breadcrumb_server.answers.common.python_syntax import parse_source

# Characters of a file that is parsed: parsing takes about a second for each million.
MAX_SOURCE_CHARS = 500_000

_ACQUIRING = frozenset({"acquire", "__enter__", "__aenter__"})
_WORKING = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom)

# A block of statements, and the position of the one that a line is in.
_Step = tuple[Sequence[ast.stmt], int]


class LockStatements:
    """The statements of a file. Nothing is found in one that cannot be parsed.

    Args:
        lines: The lines of the file.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._tree = parse_source(lines) if sum(map(len, lines)) <= MAX_SOURCE_CHARS else None

    def taken_at(self, line: int) -> list[str]:
        """Return the locks that a line takes, or waits for; none if it does something else as well."""
        working = [each for each in self._statements_of(line) if _works(each, line)]
        if len(working) != 1:
            return []
        (statement,) = working
        found = list(_calls(_head(statement), _ACQUIRING, line))
        if isinstance(statement, ast.With | ast.AsyncWith):
            found += [ast.unparse(item.context_expr) for item in statement.items]
        return found

    def held_at(self, line: int) -> list[tuple[str, int]]:
        """Return the locks that are held while a line runs, each with the line that took it."""
        held: dict[str, int] = {}
        for block, at in self._path(line):
            for before in block[:at]:
                for name in _calls(ast.walk(before), {"release"}):
                    held.pop(name, None)
                taken = _taken_by(before.value) if isinstance(before, ast.Expr) else None
                held |= {taken: before.lineno} if taken else {}
            statement = block[at]
            if isinstance(statement, ast.With | ast.AsyncWith):
                if statement.lineno < statement.body[0].lineno <= line:
                    held |= {ast.unparse(item.context_expr): statement.lineno for item in statement.items}
            elif isinstance(statement, ast.If) and statement.body[0].lineno <= line <= _end(statement.body[-1]):
                taken = _taken_by(statement.test, conditionally=True)
                held |= {taken: statement.lineno} if taken else {}
        return list(held.items())

    def _statements_of(self, line: int) -> Iterator[ast.stmt]:
        """Yield the statements that a line is part of, a compound one only if the line is part of its beginning."""
        for node in ast.walk(self._tree) if self._tree else ():
            if isinstance(node, ast.stmt) and node.lineno <= line <= _end(node):
                block: list[ast.stmt] = getattr(node, "body", [])
                if not block or node.lineno == line or line < block[0].lineno:
                    yield node

    def _path(self, line: int) -> list[_Step]:
        """Return the blocks around a line within its function, from the outermost to the innermost."""
        path: list[_Step] = []
        blocks: list[Sequence[ast.stmt]] = [self._tree.body] if self._tree else []
        while blocks:
            step = next(((block, at) for block in blocks for at in _positions(block, line)), None)
            if step is None:
                break
            statement = step[0][step[1]]
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                if line < statement.body[0].lineno:
                    break
                path = []
            else:
                path.append(step)
            blocks = list(_blocks(statement))
        return path


def _positions(block: Sequence[ast.stmt], line: int) -> Iterator[int]:
    return (at for at, statement in enumerate(block) if statement.lineno <= line <= _end(statement))


def _end(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _blocks(statement: ast.stmt) -> Iterator[Sequence[ast.stmt]]:
    parts: list[ast.AST] = [statement, *getattr(statement, "handlers", []), *getattr(statement, "cases", [])]
    for part in parts:
        for name in ("body", "orelse", "finalbody"):
            yield getattr(part, name, [])


def _head(statement: ast.stmt) -> Iterator[ast.AST]:
    """Yield the nodes of a statement without those of the statements in it."""
    for child in ast.iter_child_nodes(statement):
        if not isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from ast.walk(child)


def _calls(nodes: Iterator[ast.AST], methods: frozenset[str] | set[str], line: int | None = None) -> Iterator[str]:
    """Yield the expressions whose methods of these names are called, on one line or on any."""
    for node in nodes:
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in methods and (line is None or node.lineno <= line <= (node.end_lineno or node.lineno)):
            yield ast.unparse(node.func.value)


def _taken_by(expression: ast.expr, *, conditionally: bool = False) -> str | None:
    """Return the lock that an expression is known to take; only under a condition if its arguments limit the wait."""
    call = expression.value if isinstance(expression, ast.Await) else expression
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr != "acquire":
        return None
    is_sure = conditionally or not (call.args or call.keywords)
    return ast.unparse(call.func.value) if is_sure else None


def _works(statement: ast.stmt, line: int) -> bool:
    """Return whether the part of a statement on a line can take time."""
    if isinstance(statement, ast.With | ast.AsyncWith):
        return True
    working = (node for node in _head(statement) if isinstance(node, _WORKING))
    return any(node.lineno <= line <= (node.end_lineno or node.lineno) for node in working)
