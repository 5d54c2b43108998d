"""What a test called last, as a tree in text: most failures are a wrong result of one of these calls."""

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
from breadcrumb_storage.queries.test_results import CalledLink, FailedTest, calls_between, last_calls, last_children
from breadcrumb_storage.queries.trace_reader import TraceReader

# Calls that the test made itself: the last ones, of which the last is shown with what it called.
MAX_TOPS = 6
MAX_LINES = 14
_MAX_DEPTH = 8
# Of siblings of the same function these many are shown, the others counted: the first ones, and the last.
_FIRST_EQUAL, _LAST_EQUAL = 2, 1


@dataclass(frozen=True, slots=True)
class _Line:
    indent: int
    link: CalledLink | None  # None: others were left out
    left_out: str = ""


class CalledTree:
    """The last calls that a test made, and those below the last of them."""

    def __init__(self, reader: TraceReader, test: FailedTest) -> None:
        self.tops, self.total = _made_by(reader, test)
        self._children: dict[int, list[CalledLink]] = defaultdict(list)
        if self.tops:
            for link in calls_between(reader, self.tops[-1].call_id, test.last_call_id):
                if link.parent_call_id is not None:
                    self._children[link.parent_call_id].append(link)
        shown = [line.link.call_id for line in self._layout(MAX_LINES) if line.link]
        self._calls = calls_by_id(reader, shown)

    @property
    def last(self) -> CallRow | None:
        """The last call that the test made itself."""
        return self._calls.get(self.tops[-1].call_id) if self.tops else None

    @property
    def functions(self) -> set[str]:
        """``module:function`` of the calls that may be shown."""
        return {f"{each.module}:{each.name}" for each in self._calls.values()}

    def lines(self, places: Places, lines: int, chars: int) -> list[str]:
        """``shop/cart.py:4 total(pieces=20) -> 114  #12``, and what that called, indented.

        Args:
            lines: at most so many, and one more for what was left out before them.
            chars: of the arguments of a call, and of its result.
        """
        layout = self._layout(min(lines, MAX_LINES))
        shown = sum(1 for line in layout if line.indent == 0)
        before = self.total - shown
        told = [f"… {counted(before, 'earlier call')}"] if before else []
        return told + [self._text(line, places, chars) for line in layout]

    def lines_before(self, places: Places, told: Container[int], lines: int, chars: int) -> list[str]:
        """The last calls that the test made itself, without those that are told already and what is below them."""
        tops = [top for top in self.tops if top.call_id not in told]
        shown = tops[-lines:]
        before = self.total - (len(self.tops) - len(tops)) - len(shown)
        left_out = [f"… {counted(before, 'earlier call')}"] if before else []
        return left_out + [self._text(_Line(0, top), places, chars) for top in shown]

    def _layout(self, lines: int) -> list[_Line]:
        """As deep as fits into so many lines; the calls before the last one give way at the end."""
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
        for siblings in _runs(self._children[link.call_id]):
            left_out = len(siblings) - _FIRST_EQUAL - _LAST_EQUAL
            for position, sibling in enumerate(siblings):
                if left_out <= 1 or position < _FIRST_EQUAL or position >= len(siblings) - _LAST_EQUAL:
                    yield from self._tree(sibling, indent + 1, depth - 1)
                elif position == _FIRST_EQUAL:
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


def _made_by(reader: TraceReader, test: FailedTest) -> tuple[list[CalledLink], int]:
    """The last calls that a test made itself, and how many it made: also those of a test function that is traced."""
    tops, total = last_calls(reader, test.first_call_id, test.last_call_id, MAX_TOPS)
    name = function_of(test.node_id)
    itself = [top for top in tops if top.function_name.rpartition(".")[2] == name]
    if not itself:
        return tops, total
    made, total_made = last_children(reader, [top.call_id for top in itself], MAX_TOPS)
    # Beside it stand the fixtures.
    others = [top for top in tops if top not in itself]
    merged = sorted([*others, *made], key=lambda link: link.call_id)
    return merged[-MAX_TOPS:], total - len(itself) + total_made


def function_of(node_id: str) -> str:
    """A test's function: ``test_add`` of ``test_cart.py::Cart::test_add[1.5-2]`` or ``test_cart.Cart.test_add``."""
    path, separator, names = node_id.partition("::")
    if separator:
        return names.partition("[")[0].rpartition("::")[2]
    return path.rpartition(".")[2]


def _runs(siblings: Sequence[CalledLink]) -> Iterator[list[CalledLink]]:
    """Siblings of the same function that follow each other."""
    run: list[CalledLink] = []
    for sibling in siblings:
        if run and run[-1].function_name != sibling.function_name:
            yield run
            run = []
        run.append(sibling)
    if run:
        yield run
