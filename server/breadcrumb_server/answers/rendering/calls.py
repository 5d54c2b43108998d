"""Render calls as text: chains of calls like a traceback with arguments, and results."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.text import clean, counted, cut, one_line
from breadcrumb_server.answers.rendering.layout import arguments_text, cut_value, value_text
from breadcrumb_server.answers.rendering.mentions import Mentions
from breadcrumb_server.answers.rendering.notation import ValueTree, read_value
from breadcrumb_storage.queries.calls.chains import Link
from breadcrumb_storage.queries.calls.records import CallRow, calls_by_id
from breadcrumb_storage.queries.functions import names_by_id
from breadcrumb_storage.queries.trace_reader import TraceReader

_STACK_LINE = re.compile(r"(?P<file>.+):(?P<line>\d+) in (?P<name>.+)")

# Calls of a chain that are shown. Most of them are the innermost ones, which explain where the chain ends.
MAX_CHAIN_LINES = 12
# Characters of a path, a line number and a qualified name together.
MAX_PLACE_CHARS = 200
# Characters of the source of a call's current line.
MAX_SOURCE_CHARS = 90


class LineSource(Protocol):
    """Reads source lines of the program, redacted."""

    def lines(self, file: str | None, numbers: Sequence[int]) -> Mapping[int, str]:
        """Return the text of lines by number; those that cannot be read are left out."""
        ...


@dataclass(frozen=True, slots=True)
class Chain:
    """Calls from the outermost to the innermost."""

    links: Sequence[Link]
    calls: Mapping[int, CallRow]  # by call id; only those that may be shown
    names: Mapping[tuple[int, int], str]  # by process and function id

    @property
    def innermost(self) -> CallRow | None:
        """Return the last call; None if there is none, or it was not read."""
        return self.calls.get(self.links[-1].call_id) if self.links else None

    def lines(
        self,
        places: Places,
        *,
        stack: str = "",
        lines: int,
        chars: int,
        mentions: Mentions | None = None,
        source: LineSource | None = None,
    ) -> list[str]:
        """Render each call as a line: its current file and line, its name, its arguments.

        Args:
            places: Shortens the paths of files.
            stack: The recorded stack, which has the current line of each call. For a call that is not in it, the line
                that called the next one is shown.
            lines: Maximum number of calls shown. The others, in the middle, are counted by name in a line more.
            chars: Maximum characters of the arguments of a call.
            source: Reads the current line of each call; None leaves it out.
            mentions: The objects that the text has shown; None: the chain is the whole text.
        """
        mentions = mentions or Mentions(chars)
        head, tail = _split(len(self.links), min(lines, MAX_CHAIN_LINES))
        stood_at = self.stood_at(stack)
        text = [
            _line_of_chain(self.calls[link.call_id], places, stood_at[link.call_id], chars, mentions, source)
            if link.call_id in self.calls
            else "?"
            for index, link in enumerate(self.links)
            if index < head or index >= tail
        ]
        if head < tail:
            hidden = Counter(self.names.get((k.process_id, k.function_id), "?") for k in self.links[head:tail])
            names = ", ".join(f"{name} x{count}" for name, count in hidden.most_common(4))
            text.insert(head, f"… {counted(tail - head, 'call')} not shown: {names}{', …' if len(hidden) > 4 else ''}")
        return text

    def stood_at(self, stack: str = "") -> dict[int, int | None]:
        """Return the current line of each call, by its id.

        Args:
            stack: The recorded stack, which has these lines. For a call that is not in it, it is the line that called
                the next one; None for the last.
        """
        called_at = [link.call_line for link in self.links[1:]] + [None]
        in_stack = self._lines_from_stack(stack)
        return {
            link.call_id: in_stack.get(link.call_id, line) for link, line in zip(self.links, called_at, strict=True)
        }

    def _lines_from_stack(self, stack: str) -> dict[int, int]:
        """Find the current line of each call in a recorded stack, by call id."""
        frames = [frame for line in stack.splitlines() if (frame := _STACK_LINE.fullmatch(line.strip()))]
        found: dict[int, int] = {}
        end = len(frames)
        for link in reversed(self.links):
            call = self.calls.get(link.call_id)
            name = self.names.get((link.process_id, link.function_id), "").rpartition(".")[2]
            for index in range(end - 1, -1, -1):
                # Without its row, the file of a call is not known: the name alone has to match.
                if frames[index]["name"] == name and (call is None or frames[index]["file"] == call.file):
                    found[link.call_id] = int(frames[index]["line"])
                    end = index
                    break
        return found


def _line_of_chain(
    call: CallRow, places: Places, line: int | None, chars: int, mentions: Mentions, source: LineSource | None
) -> str:
    """Render a call with the source of its current line, without that of a function that has not begun."""
    text = call_line(call, places, line, chars, mentions)
    if source is None or line is None or (call.line is not None and line <= call.line and not call.is_body):
        return text
    found = source.lines(call.file, [line]).get(line, "").strip()
    return f"{text}  | {cut(clean(found), MAX_SOURCE_CHARS)}" if found else text


def _split(count: int, lines: int) -> tuple[int, int]:
    """Return the start and the end of the part in the middle that is left out."""
    if count <= lines:
        return count, count
    head = max(lines // 4, 1)
    return head, count - (lines - head)


def call_line(call: CallRow, places: Places, line: int | None, chars: int, mentions: Mentions | None = None) -> str:
    """Render a call as ``shop/pricing.py:12 total(items=[…], rate=None)``.

    Args:
        call: The call.
        places: Shortens the path of its file.
        line: Its current line; None for the first line of the function.
        chars: Maximum characters of the arguments.
        mentions: The objects that the text has shown before, if it is longer.
    """
    # A line before the function's first is one of another file: untraced code ran between the two calls.
    if line is None or (call.line is not None and line < call.line):
        line = call.line
    place = one_line(f"{places.path(call.file)}:{line or '?'} {call.name}", MAX_PLACE_CHARS)
    return place if call.is_body and call.kind != "class" else f"{place}({arguments_text(call.args, chars, mentions)})"


def end_text(call: CallRow, chars: int, mentions: Mentions | None = None) -> str:
    """Render how a call ended: ``-> result``, ``!! exception``, or that it has not."""
    if call.outcome == "unfinished":
        return "(has not ended)"
    if call.outcome == "cancelled":
        return "-> cancelled"
    text = one_line(result_text(call, chars, mentions), chars) or "None"
    return f"!! {short_type(text)}" if call.outcome == "raised" else f"-> {text}"


def short_type(raised: str) -> str:
    """Return an exception as text, which begins with its type, without the module of the type."""
    name, colon, message = raised.partition(":")
    return name.rpartition(".")[2] + colon + message


def result_text(call: CallRow, chars: int, mentions: Mentions | None = None) -> str:
    """Render the result of a call in at most ``chars`` characters: see ``result_value``."""
    text = cut_value(result_value(call, chars, mentions), chars)
    if mentions is not None:
        mentions.shown(text)
    return text


def result_value(call: CallRow, chars: int, mentions: Mentions | None = None) -> ValueTree:
    """Return the result of a call: its return value, the values it yielded, or its exception.

    Args:
        call: The call.
        chars: Maximum characters of an exception, or of yielded values. A return value is not cut.
        mentions: The objects that the text has shown before, if it is longer.

    Returns:
        A tree, or text; "" if there is no result.
    """
    if call.exception_type is not None and call.outcome != "returned":
        return cut(clean(f"{call.exception_type}: {call.exception_message or ''}".rstrip(": ")), chars)
    if call.yielded is None and call.kind.endswith("generator") and call.outcome == "returned" and not call.late:
        then = "" if call.return_value in (None, "null") else f", returned {value_text(call.return_value, chars)}"
        return cut(f"yielded nothing{then}", chars)
    if call.yielded is None:
        read = read_value if mentions is None else mentions.value
        return "" if call.return_value is None else read(call.return_value)
    returned = value_text(call.return_value, chars)
    values = [value_text(value, chars) for value in call.yielded.values]
    if call.yielded.count > len(values):
        values.append(f"… {call.yielded.count:,} in all")
    then = f", returned {returned}" if call.return_value not in (None, "null") else ""
    return cut(f"yielded [{', '.join(values)}]{then}", chars)


def read_chains(reader: TraceReader, chains: Sequence[Sequence[Link]]) -> list[Chain]:
    """Read the calls and names that chains show, in two queries for all of them.

    A test runner's module body at the beginning of a chain is left out, since it explains nothing.

    Args:
        reader: The trace.
        chains: The links of each chain, the outermost call first.
    """
    wanted: list[int] = []
    for links in chains:
        # Fewer lines show some of these calls. One more at the beginning, as the first call may be left out.
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
