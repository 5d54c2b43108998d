"""Find what the source of a line tells of the values that it makes: a note would only repeat it."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from textwrap import dedent

# Of a value as text: the object that it begins with.
_OBJECT = re.compile(r"\w+#\d+(?=\(|$|<)")
_DEFINITION = re.compile(r"(?:async\s+def|def|class)\s+(\w+)")
_DELETION = re.compile(r"del\b")


class ToldBySource:
    """What one line tells by itself.

    Args:
        source: Its text, or that of the whole statement that begins with it. What is none tells nothing.
    """

    def __init__(self, source: str) -> None:
        text = dedent(source).strip()
        definition = _DEFINITION.match(text)
        self._defined = definition[1] if definition else ""
        self.deletes = _DELETION.match(text) is not None
        self._values = dict(_assigned(text)) if "=" in text else {}

    def tells(self, path: str, value: str, known: Mapping[str, str]) -> bool:
        """Return whether a reader of the line knows the new value of a variable.

        Args:
            path: The variable.
            value: Its value, as text.
            known: The values that the reader knows from the lines before, by path.
        """
        if path == self._defined:
            return True
        expression = self._values.get(path)
        return expression is not None and (expression == value or are_alike(known.get(expression), value))


def are_alike(text: str | None, other: str) -> bool:
    """Return whether two texts are those of equal values, or of the same object, which one may show in part."""
    if text is None or text == other:
        return text is not None
    if "|" in text + other:  # several executions
        return False
    first, second = _OBJECT.match(text), _OBJECT.match(other)
    return first is not None and second is not None and first[0] == second[0]


def _assigned(text: str) -> Iterator[tuple[str, str]]:
    """Yield the targets of an assignment with their expressions."""
    with warnings.catch_warnings(), suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        warnings.simplefilter("ignore")
        match ast.parse(text).body:
            case [ast.Assign(targets=targets, value=value)]:
                for target in targets:
                    yield from _pairs(target, value)
            case [ast.AnnAssign(target=target, value=ast.expr() as value)]:
                yield from _pairs(target, value)
            case _:
                return


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, str]]:
    match target, value:
        case ast.Tuple(elts=targets), ast.Tuple(elts=values) if len(targets) == len(values):
            for each, its_value in zip(targets, values, strict=True):
                yield from _pairs(each, its_value)
        case _:
            yield ast.unparse(target), ast.unparse(value)
