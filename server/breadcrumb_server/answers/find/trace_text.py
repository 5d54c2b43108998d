"""Write the places and the source lines of a trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.text import clean, cut, one_line
from breadcrumb_server.answers.lines.source import SourceText
from breadcrumb_storage.queries.find.functions import TracedFunction

_NAME_CHARS = 120


class TraceText:
    """The functions of a trace as text.

    Args:
        functions: All functions of the trace.
        source: The text of their files.
        places: Shortens paths.
    """

    def __init__(self, functions: Sequence[TracedFunction], source: SourceText, places: Places) -> None:
        self._functions: Mapping[tuple[int, int], TracedFunction] = {
            (each.process_id, each.function_id): each for each in functions
        }
        self._source = source
        self.places = places

    def function(self, key: tuple[int, int]) -> TracedFunction | None:
        """Return a function by (process, function)."""
        return self._functions.get(key)

    def name(self, key: tuple[int, int]) -> str:
        """Return the qualified name of a function."""
        function = self._functions.get(key)
        return one_line(function.name, _NAME_CHARS) if function is not None else "?"

    def place(self, key: tuple[int, int], line: int | None = None) -> str:
        """Write a function and a line of it, or its first one: ``Cart.total shop/cart.py:12``."""
        function = self._functions.get(key)
        if function is None:
            return "?"
        number = line if line is not None else function.line
        return one_line(f"{function.name} {self.places.path(function.file)}:{number or '?'}", 2 * _NAME_CHARS)

    def source(self, key: tuple[int, int], line: int, chars: int) -> str:
        """Return the redacted text of a line; "" if it cannot be read."""
        function = self._functions.get(key)
        text = self._source.lines(function.file, [line]).get(line, "") if function is not None else ""
        return cut(clean(text.strip()), chars)
