"""Chains of calls as text lines, as a traceback would show them but with the arguments."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.text import clean, cut, one_line
from breadcrumb_server.answers.rendering.layout import arguments_text, cut_value, value_text
from breadcrumb_server.answers.rendering.notation import ValueTree, read_value
from breadcrumb_storage.queries.calls.chains import Link
from breadcrumb_storage.queries.calls.records import CallRow, calls_by_id
from breadcrumb_storage.queries.functions import names_by_id
from breadcrumb_storage.queries.trace_reader import TraceReader

_STACK_LINE = re.compile(r"(?P<file>.+):(?P<line>\d+) in (?P<name>.+)")

# Lines of a chain at most: the way in, and above all the calls next to where it ends.
MAX_CHAIN_LINES = 12
# Of a path, a line number and a qualified name together.
MAX_PLACE_CHARS = 200


@dataclass(frozen=True, slots=True)
class Chain:
    """Calls from the outermost to the innermost, of which those that may be shown are known in full."""

    links: Sequence[Link]
    calls: Mapping[int, CallRow]
    names: Mapping[tuple[int, int], str]

    @property
    def innermost(self) -> CallRow | None:
        return self.calls.get(self.links[-1].call_id) if self.links else None

    def lines(self, places: Places, *, stack: str = "", lines: int, chars: int) -> list[str]:
        """One line a call: where it stood, its name, its arguments.

        Args:
            stack: says where each call stood, as the tracer writes it; a call that is not in it stood where it
                called the next one.
            lines: at most so many; calls in the middle are then counted by name.
            chars: of the arguments of a call.
        """
        head, tail = _split(len(self.links), min(lines, MAX_CHAIN_LINES))
        called_at = [link.call_line for link in self.links[1:]] + [None]
        in_stack = self._lines_in(stack)
        stood = [in_stack.get(link.call_id, line) for link, line in zip(self.links, called_at, strict=True)]
        text = [
            call_line(self.calls[link.call_id], places, line, chars) if link.call_id in self.calls else "?"
            for index, (link, line) in enumerate(zip(self.links, stood, strict=True))
            if index < head or index >= tail
        ]
        if head < tail:
            hidden = Counter(self.names.get((k.process_id, k.function_id), "?") for k in self.links[head:tail])
            names = ", ".join(f"{name} x{count}" for name, count in hidden.most_common(4))
            text.insert(head, f"… {tail - head:,} calls not shown: {names}{', …' if len(hidden) > 4 else ''}")
        return text

    def _lines_in(self, stack: str) -> dict[int, int]:
        """The line at which each call stands in a stack, from the innermost on."""
        frames = [frame for line in stack.splitlines() if (frame := _STACK_LINE.fullmatch(line.strip()))]
        found: dict[int, int] = {}
        end = len(frames)
        for link in reversed(self.links):
            call = self.calls.get(link.call_id)
            name = self.names.get((link.process_id, link.function_id), "").rpartition(".")[2]
            for index in range(end - 1, -1, -1):
                # The files of calls that are not shown were not read; they count as passed all the same.
                if frames[index]["name"] == name and (call is None or frames[index]["file"] == call.file):
                    found[link.call_id] = int(frames[index]["line"])
                    end = index
                    break
        return found


def _split(count: int, lines: int) -> tuple[int, int]:
    """Where the part in the middle that is not shown begins and ends."""
    if count <= lines:
        return count, count
    head = max(lines // 4, 1)
    return head, count - (lines - head)


def call_line(call: CallRow, places: Places, line: int | None, chars: int) -> str:
    """``shop/pricing.py:12 total(items=[…], rate=None)``."""
    # A line in front of the function is one of another file: of untraced code between the two calls.
    if line is None or (call.line is not None and line < call.line):
        line = call.line
    place = one_line(f"{places.path(call.file)}:{line or '?'} {call.name}", MAX_PLACE_CHARS)
    return place if call.name == "<module>" else f"{place}({arguments_text(call.args, chars)})"


def result_text(each: CallRow, chars: int) -> str:
    """Write the return value of a call with all that it yielded before, or its exception."""
    return cut_value(result_value(each, chars), chars)


def result_value(each: CallRow, chars: int) -> ValueTree:
    """Read the result of a call: a tree of all its values, or a text of at most ``chars`` characters."""
    if each.exception_type is not None and each.outcome != "returned":
        return cut(clean(f"{each.exception_type}: {each.exception_message or ''}".rstrip(": ")), chars)
    if each.yielded is None:
        return "" if each.return_value is None else read_value(each.return_value)
    returned = value_text(each.return_value, chars)
    values = [value_text(value, chars) for value in each.yielded.values]
    if each.yielded.count > len(values):
        values.append(f"… {each.yielded.count:,} in all")
    then = f", returned {returned}" if each.return_value not in (None, "null") else ""
    return cut(f"yielded [{', '.join(values)}]{then}", chars)


def read_chains(reader: TraceReader, chains: Sequence[Sequence[Link]]) -> list[Chain]:
    """The chains with all that their lines need, in two queries however many and long they are.

    Without the body of a test runner's module at their beginning, which tells nothing. With fewer lines than
    MAX_CHAIN_LINES, those that are shown are always some of these.
    """
    wanted: list[int] = []
    for links in chains:
        head, tail = _split(len(links), MAX_CHAIN_LINES)
        wanted += [link.call_id for link in (*links[: head + 1], *links[tail:])]
    calls = calls_by_id(reader, wanted)
    names = names_by_id(reader, ((link.process_id, link.function_id) for links in chains for link in links))
    places = Places.of(reader.trace)

    def is_launcher(link: Link) -> bool:
        call = calls.get(link.call_id)
        return call is not None and places.is_launcher(call.module, call.name, call.file)

    inner = [links[1:] if len(links) > 1 and is_launcher(links[0]) else links for links in chains]
    return [Chain(links, calls, names) for links in inner]
