"""Render the last calls of a test as a tree: most tests fail because of a wrong result of one of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from breadcrumb_server.answers.common.budget import first_that_fits
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.text import counted, one_line
from breadcrumb_server.answers.rendering.calls import call_line, result_text
from breadcrumb_server.answers.rendering.layout import arguments_text
from breadcrumb_storage.queries.calls.records import CallRow, calls_by_id
from breadcrumb_storage.queries.test_results import (
    CalledLink,
    FailedTest,
    calls_between,
    calls_of_test_function,
    last_calls,
    last_children,
)
from breadcrumb_storage.queries.trace_reader import TraceReader

# Levels of calls below the last call of the test.
_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the calls of a failed test."""

    tops: int = 6
    """Calls that the test made itself, the last ones. Only the last of them is shown with the calls below it."""
    lines: int = 14
    """Lines of the tree."""
    first_equal: int = 2
    """Of successive siblings of the same function, the first ones that are shown."""
    last_equal: int = 1
    """The last ones that are shown; those between are counted."""


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class _Line:
    indent: int
    link: CalledLink | None  # None: the line counts calls that are left out
    left_out: str = ""


class CallTree:
    """The last calls that a test made, and the calls below the last of them."""

    def __init__(self, reader: TraceReader, test: FailedTest) -> None:
        self.tops, self.total, itself = _made_by(reader, test)
        self._children: dict[int, list[CalledLink]] = defaultdict(list)
        if self.tops:
            for link in calls_between(reader, self.tops[-1].call_id, test.last_call_id):
                if link.parent_call_id is not None:
                    self._children[link.parent_call_id].append(link)
        shown = [line.link.call_id for line in self._layout(LIMITS.lines) if line.link]
        self._calls = calls_by_id(reader, [*shown, *itself])
        self.itself = self._calls.get(itself[-1]) if itself else None  # the call of the test function

    @property
    def last(self) -> CallRow | None:
        """Return the last call that the test made itself."""
        return self._calls.get(self.tops[-1].call_id) if self.tops else None

    @property
    def functions(self) -> set[str]:
        """Return ``module:function`` of the calls that may be shown."""
        return {f"{each.module}:{each.name}" for each in self._calls.values()}

    def called_by(self, call_id: int) -> list[str]:
        """Return the functions that a call below the last one of the test called, each once, the last one first."""
        return list(dict.fromkeys(each.function_name for each in reversed(self._children.get(call_id, ()))))

    def lines(self, places: Places, lines: int, chars: int) -> list[str]:
        """Render calls as ``shop/cart.py:4 total(pieces=20) -> 114  #12``, with those that they made indented.

        Args:
            places: The folders of the trace.
            lines: Maximum number of lines, without one that counts earlier calls.
            chars: Maximum characters of the arguments of a call, and of its result.
        """
        layout = self._layout(min(lines, LIMITS.lines))
        shown = sum(1 for line in layout if line.indent == 0)
        before = self.total - shown
        earlier = [f"… {counted(before, 'earlier call')}"] if before else []
        return earlier + [self._text(line, places, chars) for line in layout]

    def lines_before(self, places: Places, excluded: Container[int], lines: int, chars: int) -> list[str]:
        """Render the last calls that the test made itself, other than the excluded ones, without calls below."""
        tops = [top for top in self.tops if top.call_id not in excluded]
        shown = tops[-lines:]
        before = self.total - (len(self.tops) - len(tops)) - len(shown)
        earlier = [f"… {counted(before, 'earlier call')}"] if before else []
        return earlier + [self._text(_Line(0, top), places, chars) for top in shown]

    def _layout(self, lines: int) -> list[_Line]:
        """Lay out the last calls of the test, and the tree below the last one as deep as the lines allow."""
        tops = self.tops[-lines:]
        if not tops:
            return []
        before = [_Line(0, top) for top in tops[:-1]]
        trees = (list(self._tree(tops[-1], 0, depth)) for depth in range(_MAX_DEPTH, -1, -1))
        tree = first_that_fits(trees, lines - len(before), size=len)
        return [*before, *(tree or [_Line(0, tops[-1])])]

    def _tree(self, link: CalledLink, indent: int, depth: int) -> Iterator[_Line]:
        yield _Line(indent, link)
        if depth == 0:
            return
        for siblings in _group_consecutive(self._children[link.call_id]):
            left_out = len(siblings) - LIMITS.first_equal - LIMITS.last_equal
            for position, sibling in enumerate(siblings):
                is_first, is_last = position < LIMITS.first_equal, position >= len(siblings) - LIMITS.last_equal
                if left_out <= 1 or is_first or is_last:
                    yield from self._tree(sibling, indent + 1, depth - 1)
                elif position == LIMITS.first_equal:
                    yield _Line(indent + 1, None, f"… {left_out:,} more calls of {sibling.function_name}")

    def _text(self, line: _Line, places: Places, chars: int) -> str:
        pad = "  " * line.indent
        each = self._calls.get(line.link.call_id) if line.link else None
        if line.link is None or each is None:
            return pad + one_line(line.left_out or "?", 120)
        if line.indent == 0:
            text = call_line(each, places, None, chars)
        else:
            text = f"{each.name}({one_line(arguments_text(each.args, chars), chars)})"
        return f"{pad}{text}{_outcome(each, line.link.kind or '', chars)}  #{each.call_id}"


def _outcome(each: CallRow, kind: str, chars: int) -> str:
    if each.outcome == "returned" and kind.endswith("generator") and each.yielded is None:
        return " (generator)"
    if each.outcome == "returned":
        return f" -> {one_line(result_text(each, chars), chars)}"
    if each.outcome == "raised":
        return f" !! {one_line(result_text(each, chars), chars)}"
    return f" ({each.outcome})"


def _made_by(reader: TraceReader, test: FailedTest) -> tuple[list[CalledLink], int, list[int]]:
    """Find the last calls that a test made itself, their total number, and the calls of the test function.

    If the test function itself is traced, its place is taken by the calls that it made.
    """
    tops, total = last_calls(reader, test.first_call_id, test.last_call_id, LIMITS.tops)
    itself = calls_of_test_function(reader, test.first_call_id, test.last_call_id, function_of(test.node_id))
    if not itself:
        return tops, total, []
    ids = [each.call_id for each in itself]
    made, total_made = last_children(reader, ids, LIMITS.tops)
    fixtures = [top for top in tops if top.call_id not in ids]
    merged = sorted([*fixtures, *made], key=lambda link: link.call_id)
    outermost = sum(1 for each in itself if (each.parent_call_id or 0) < test.first_call_id)
    return merged[-LIMITS.tops :], total - outermost + total_made, ids


def function_of(node_id: str) -> str:
    """Return the function in a node id.

    It is ``test_add`` for both ``test_cart.py::Cart::test_add[1.5-2]`` and ``test_cart.Cart.test_add``.
    """
    path, separator, names = node_id.partition("::")
    if separator:
        return names.partition("[")[0].rpartition("::")[2]
    return path.rpartition(".")[2]


def _group_consecutive(siblings: Sequence[CalledLink]) -> Iterator[list[CalledLink]]:
    """Group successive calls of the same function."""
    group: list[CalledLink] = []
    for sibling in siblings:
        if group and group[-1].function_name != sibling.function_name:
            yield group
            group = []
        group.append(sibling)
    if group:
        yield group
