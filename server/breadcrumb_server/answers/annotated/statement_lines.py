"""Tell which lines of a file go on with the statement of the line before, and which are text within strings."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

# Statements whose body has lines of its own: only their head is one statement.
COMPOUND = (
    ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match,
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef,
)  # fmt: skip
# A comment that is no word to the reader.
_TO_TOOLS = re.compile(r"# ?(?:noqa|nosec|pragma:|type: ?ignore|fmt:|isort:|mypy:|pylint:|pyright:|ruff:)[^\"']*$")
_LONG_QUOTES = ('"""', "'''")


def without_directive(line: str) -> str:
    """Return a line without the comment at its end that is for linters, type checkers and the like."""
    found = _TO_TOOLS.search(line)
    return line if found is None else line[: found.start()].rstrip()


def first_line_of(node: ast.stmt) -> int:
    """Return the first line of a statement, which may be a decorator."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)])


def head_end_of(node: ast.AST, first: int) -> int:
    """Return the last line of the head of a statement that begins at a line, before its body."""
    body: list[ast.stmt] | None = getattr(node, "body", None) or getattr(node, "cases", None)
    if not body:
        return first
    begin = body[0]
    line = begin.pattern.lineno if isinstance(begin, ast.match_case) else first_line_of(begin)
    return max(first, line - 1) if line > first else first


@dataclass(frozen=True, slots=True)
class StatementLines:
    """How the lines of a file make up its statements.

    Attributes:
        continued: Numbers of the lines that can be written behind the line before: those of statements, or of their
            heads, but the first of each, those after a comment, and comments.
        in_strings: Numbers of the lines that begin within a string.
    """

    continued: Collection[int] = frozenset()
    in_strings: Collection[int] = frozenset()

    @classmethod
    def of(cls, tree: ast.AST, source: Sequence[str]) -> StatementLines:
        """Find them in a file.

        Args:
            tree: Its tree.
            source: Its lines.
        """
        in_strings = frozenset(_string_lines(tree, source))
        inside = {line for first, last in _spans(tree) for line in range(first + 1, last + 1)}
        continued = frozenset(
            line
            for line in inside - in_strings
            if line <= len(source)
            and not source[line - 1].lstrip().startswith("#")
            and "#" not in _before(line, source)
        )
        return cls(continued, in_strings)


def _string_lines(tree: ast.AST, source: Sequence[str]) -> Iterator[int]:
    for each in ast.walk(tree):
        if isinstance(each, ast.JoinedStr) or (isinstance(each, ast.Constant) and isinstance(each.value, str | bytes)):
            lines = range(each.lineno, (each.end_lineno or each.lineno) + 1)
            if len(lines) > 1 and _has_long_string(source[line - 1] for line in lines if line <= len(source)):
                yield from lines[1:]


def _spans(tree: ast.AST) -> Iterator[tuple[int, int]]:
    """Yield the first and the last line of each statement, head and decorator."""
    for each in ast.walk(tree):
        if isinstance(each, ast.ExceptHandler):
            yield each.lineno, head_end_of(each, each.lineno)
        elif isinstance(each, ast.match_case):
            yield each.pattern.lineno, head_end_of(each, each.pattern.lineno)
        elif isinstance(each, ast.stmt):
            last = head_end_of(each, each.lineno) if isinstance(each, COMPOUND) else each.end_lineno
            yield each.lineno, last or each.lineno
            decorators: list[ast.expr] = getattr(each, "decorator_list", [])
            yield from ((part.lineno, part.end_lineno or part.lineno) for part in decorators)


def _has_long_string(lines: Iterable[str]) -> bool:
    """Return whether a string goes on over the end of a line, and not only the next one stands there."""
    return any(line.rstrip().endswith("\\") or any(quotes in line for quotes in _LONG_QUOTES) for line in lines)


def _before(line: int, source: Sequence[str]) -> str:
    """Return the text of the nearest line before a line that is not blank."""
    texts = (without_directive(source[number - 1]) for number in range(line - 1, 0, -1))
    return next((text for text in texts if text.strip()), "")
