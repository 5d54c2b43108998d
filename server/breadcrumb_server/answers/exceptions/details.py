"""Load exceptions with the calls that they were raised in, and render them within given limits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from breadcrumb_server.answers.common.budget import first_texts
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.model import Section
from breadcrumb_server.answers.common.text import clean, cut, one_line
from breadcrumb_server.answers.exceptions.messages import summarize_messages
from breadcrumb_server.answers.rendering.calls import Chain, LineSource, read_chains
from breadcrumb_server.answers.rendering.layout import cut_value
from breadcrumb_server.answers.rendering.mentions import Mentions
from breadcrumb_storage.queries.calls.chains import chains, recorded_chain
from breadcrumb_storage.queries.exceptions import MESSAGE_CHARS, ExceptionGroup, ExceptionRow, exceptions_by_id
from breadcrumb_storage.queries.trace_reader import TraceReader
from breadcrumb_storage.queries.traces import TraceRow, get_trace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Frames of a test runner outside the test. Those of its assertions are inside the test, and do not match.
_RUNNERS_FRAME = re.compile(r"/(?:_pytest|pluggy)/|/unittest/(?:case|async_case)\.py:\d+ in _call")
# Exceptions in a chain of causes. Chains of "During handling of ..." grow without end in retry loops.
MAX_CAUSES = 3
# Calls at the end of a chain whose arguments are shown at length, and characters of the lines of the others.
_INNER_CALLS = 2
_OUTER_CALL_CHARS = 200


class ExceptionDetail(Section):
    """One exception, or several equal ones."""

    always_shown = frozenset({"type", "message"})

    type: str
    message: str
    raised_at: str = Field(default="", description="file:line function")
    test: str = Field(default="", description="node id of the test that it was raised under")
    outcome: str = Field(default="", description="uncaught, or who handled it (module:function:line)")
    count: int | None = Field(default=1, description="number of exceptions with this type and message from this place")
    counted_only: int | None = Field(
        default=None, description="number of further ones of this type from this place, which were only counted"
    )
    other_messages: str = Field(default="", description="of this type from this place")
    trace_id: str = Field(default="", description="the newest trace that has it, if several were searched")
    call_id: int | None = Field(default=None, description="the innermost traced call at the first raise")
    last_call_id: int | None = None
    calls: list[str] = Field(default_factory=list, description="the call chain, outermost first")
    locals: list[str] = Field(default_factory=list, description="variables of the raising frame")
    causes: list[str] = Field(default_factory=list)
    stack: list[str] = Field(default_factory=list, description="end of the traceback, if no call was traced")


@dataclass(frozen=True, slots=True)
class ExceptionLimits:
    """Maximum sizes of the parts of one exception in an answer."""

    message_chars: int
    chain_lines: int
    argument_chars: int
    local_lines: int
    local_chars: int

    @classmethod
    def of_size(cls, chars: int) -> ExceptionLimits:
        """Choose limits with which an exception takes at most about ``chars`` characters."""
        return cls(
            message_chars=max(min(chars // 4, 600), 60),
            chain_lines=max(min(chars // 120, 12), 2),
            argument_chars=max(min(chars // 10, 400), 24),
            local_lines=min(chars // 120, 10),
            local_chars=max(min(chars // 12, 300), 24),
        )


# In a text that shows the source of the innermost frames as well.
BRIEF_EXCEPTION = ExceptionLimits(message_chars=500, chain_lines=5, argument_chars=40, local_lines=4, local_chars=70)


@dataclass(frozen=True, slots=True)
class LoadedException:
    """An exception with all that is needed to render it."""

    row: ExceptionRow
    group: ExceptionGroup
    chain: Chain | None
    causes: Sequence[tuple[str, ExceptionRow]]
    trace: TraceRow
    places: Places

    def raised_in_traced_code(self) -> bool:
        """Return whether the innermost traced call raised it itself, and not untraced code that this call ran."""
        call = self.chain.innermost if self.chain else None
        return call is not None and (call.name, call.file) == (self.row.name, self.row.file)

    def raised_by_launcher(self) -> bool:
        """Return whether a program that only runs the user's code raised it, such as one that executes a notebook."""
        call = self.chain.innermost if self.chain else None
        return call is not None and self.places.is_launcher(call.module, call.name, call.file)

    def render(self, detail: ExceptionLimits, source: LineSource | None = None) -> ExceptionDetail:
        """Render the exception within the limits of a level of detail.

        Args:
            detail: The limits.
            source: Reads the current line of each call; None leaves it out.
        """
        row, group = self.row, self.group
        place = _place(row, self.places)
        calls: list[str] = []
        mentions = Mentions(detail.argument_chars)
        if self.chain:
            inside = self.raised_in_traced_code()
            calls = self.chain.lines(
                self.places,
                stack=row.stack_trace or "",
                lines=detail.chain_lines,
                chars=detail.argument_chars,
                source=source,
                mentions=mentions,
            )
            # The way to the exception; get_calls shows the arguments of these calls in full.
            calls[:-_INNER_CALLS] = [cut(line, _OUTER_CALL_CHARS) for line in calls[:-_INNER_CALLS]]
            if not inside:
                calls.append(f"{place} (not traced)")
        stack = _from_the_test_on(clean(row.stack_trace or "").strip().splitlines()) if not calls else []
        return ExceptionDetail(
            type=one_line(row.type, 200),
            message=cut(clean(row.message), detail.message_chars),
            raised_at=place,
            test=one_line(row.test or "", 200),
            outcome=_outcome(group, row.type),
            count=group.count,
            counted_only=group.further or None,
            other_messages=self._other_messages(detail.message_chars),
            trace_id=row.trace_id if group.traces > 1 else "",
            call_id=row.call_id,
            last_call_id=group.last_call_id if group.count > 1 else None,
            calls=calls,
            locals=first_texts(
                mentions.pairs(row.locals),
                detail.local_lines,
                text=lambda local: f"{local[0]} = {cut_value(local[1], detail.local_chars)}",
            ),
            causes=[
                one_line(f"{how} {cause.type}: {cause.message}", detail.message_chars)
                + f", raised at {_place(cause, self.places)}"
                for how, cause in self.causes
            ],
            stack=[cut(line, 160) for line in stack[-2 * detail.chain_lines :]],
        )

    def _other_messages(self, chars: int) -> str:
        own = self.row.message[:MESSAGE_CHARS]
        others = [message for message in dict.fromkeys(self.group.messages) if message != own]
        return summarize_messages(others, min(chars, 200), at_least=bool(self.group.further)) if others else ""


def _from_the_test_on(stack: list[str]) -> list[str]:
    """Drop the frames of a test runner.

    A single remaining frame is dropped as well: it repeats ``raised_at``.
    """
    inner = max((index for index, line in enumerate(stack) if _RUNNERS_FRAME.search(line)), default=-1) + 1
    return stack if inner == 0 else stack[inner:] if len(stack) - inner > 1 else []


def _place(row: ExceptionRow, places: Places) -> str:
    return one_line(f"{places.path(row.file)}:{row.line or '?'} {row.name}", 200)


def _outcome(group: ExceptionGroup, type_name: str) -> str:
    parts: list[str] = []
    if group.uncaught:
        parts.append("uncaught" + _fraction(group.uncaught, group.count))
    if group.handled and group.handled_by:
        outside = ("", ", which expects it" if group.expected else ", which is not traced")[bool(group.escaped)]
        parts.append(f"handled by {group.handled_by}{_fraction(group.handled, group.count)}{outside}")
    elif group.handled:  # by code that the tracer does not see
        how = "left the traced code; who handled it is not known"  # a task may keep it unhandled
        if group.expected:
            built_in = "." not in type_name
            how = (
                "expected by a built-in function such as hasattr" if built_in else "expected outside of the traced code"
            )
        parts.append(how + _fraction(group.handled, group.count))
    return one_line("; ".join(parts) or "not known to have been handled", 300)


def _fraction(part: int, whole: int) -> str:
    return "" if part == whole else f" ({part:,} of {whole:,})"


def load_exceptions(
    con: DuckDBPyConnection,
    groups: Sequence[ExceptionGroup],
    known: TraceReader | None = None,
    *,
    first_calls: Mapping[int, int] | None = None,
) -> list[LoadedException]:
    """Load the representative exception of each group, in the order of the groups.

    Args:
        con: A connection to the project's database.
        groups: Groups of equal exceptions, of any traces.
        known: An open reader of one of these traces. The others are opened here.
        first_calls: The first call that a chain may begin with, by exception id.
    """
    loaded: dict[tuple[str, int], LoadedException] = {}
    for trace_id in dict.fromkeys(group.trace_id for group in groups):
        here = [group for group in groups if group.trace_id == trace_id]
        reader = known if known and known.trace_id == trace_id else TraceReader(con, get_trace(con, trace_id))
        rows = _with_causes(reader, [group.exception_id for group in here])
        in_calls = {row.call_id for group in here if (row := rows.get(group.exception_id)) and row.call_id is not None}
        links = {call: chain for call, chain in chains(reader, sorted(in_calls)).items() if chain}
        for row in rows.values():
            # Parent ids skip calls that were recorded late, when the exception passed them; call_chain has them.
            if row.call_id in links and row.call_chain:
                links[row.call_id] = recorded_chain(reader, row.call_chain)
            if first_calls and row.call_id in links and row.exception_id in first_calls:
                first = first_calls[row.exception_id]
                links[row.call_id] = [link for link in links[row.call_id] if link.call_id >= first]
        links = {call: chain for call, chain in links.items() if chain}
        ready = dict(zip(links, read_chains(reader, list(links.values())), strict=True))
        for group in here:
            row = rows[group.exception_id]
            loaded[trace_id, group.exception_id] = LoadedException(
                row=row,
                group=group,
                chain=ready.get(row.call_id) if row.call_id is not None else None,
                causes=_causes(row, rows),
                trace=reader.trace,
                places=Places.of(reader.trace),
            )
    return [loaded[group.trace_id, group.exception_id] for group in groups]


def _with_causes(reader: TraceReader, ids: Iterable[int]) -> dict[int, ExceptionRow]:
    """Read exceptions and their chains of causes, by exception id."""
    rows: dict[int, ExceptionRow] = {}
    wanted = set(ids)
    for _ in range(MAX_CAUSES + 1):
        fresh = exceptions_by_id(reader, sorted(wanted - rows.keys()))
        rows |= fresh
        wanted = {cause for row in fresh.values() for cause in (row.cause_id, row.context_id) if cause is not None}
    return rows


def _causes(row: ExceptionRow, rows: Mapping[int, ExceptionRow]) -> list[tuple[str, ExceptionRow]]:
    causes: list[tuple[str, ExceptionRow]] = []
    seen = {row.exception_id}
    while len(causes) < MAX_CAUSES:
        number = row.cause_id if row.cause_id is not None else row.context_id
        if number is None or number in seen or number not in rows:
            break
        causes.append(("caused by" if row.cause_id is not None else "while handling", rows[number]))
        seen.add(number)
        row = rows[number]
    return causes
