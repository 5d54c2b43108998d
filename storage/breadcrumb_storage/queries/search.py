"""Find a text in arguments, yields, results, exceptions and their local variables, in the order of time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.queries.functions import COLON_NAME
from breadcrumb_storage.rows import fetch, fetch_page, fetch_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# Functions for which hits are counted.
MAX_FUNCTIONS = 8
# Calls that are checked for the text as a whole word; a text that is in more calls is too common for that to help.
MAX_WORD_CHECKS = 200_000
_HIT = "in_args OR in_result OR in_exception OR yielded_ns IS NOT NULL"
# When a call first had the text: at its start, at a yield, or at its end.
_SEEN_NS = "CASE WHEN in_args THEN started_ns ELSE coalesce(yielded_ns, started_ns + coalesce(duration_ns, 0)) END"

# What may be before a word: the beginning, a character of neither words nor numbers, an escape of JSON, or a hyphen
# that is not a minus sign. What may be after it: the end, or such a character, also a dot that is not a decimal point.
_BEFORE = r"""(?:^|[^\w.\\-]|\\[nrtbf"\\/]|\\u[0-9a-f]{4}|[\w"'.]-|[^\w]\.)"""
_AFTER = r"""(?:$|[^\w.]|\.(?:\D|$))"""


@dataclass(frozen=True, slots=True)
class FunctionHits:
    """The numbers of a function's calls that have the text, by its place."""

    full_name: str
    in_args: int
    in_yields: int
    in_results: int
    in_exceptions: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A call that has the text."""

    call_id: int
    seen_ns: int  # since the epoch: its start if its arguments have the text, else the first yield of it, else its end


@dataclass(frozen=True, slots=True)
class YieldHit:
    """A yielded value with the text."""

    position: int  # counts from 0 within the call
    value: str  # JSON


@dataclass(frozen=True, slots=True)
class ExceptionHit:
    """An exception with the text."""

    type: str
    message: str | None
    locals: str | None  # JSON: the raising frame's variables


class TextHits:
    """The calls of a trace that have a text, in temporary tables of the connection."""

    def __init__(self, reader: TraceReader, text: str, spellings: Sequence[str]) -> None:
        """Search the trace.

        Args:
            reader: The trace.
            text: The text, as it would be in the message of an exception.
            spellings: Its forms in stored values, which are JSON.
        """
        self._reader = reader
        contains, values = _contains_condition(spellings)
        reader.con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE found_exceptions AS
            SELECT exception_id, call_id, contains(exception_message, $text) AS in_message,
                   {contains.format("locals")} AS in_locals, exception_message, locals
            FROM exceptions WHERE trace_id = $trace AND (in_message OR in_locals)
            """,
            {"trace": reader.trace_id, "text": text, **values},
        )
        reader.con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE found_yields AS
            SELECT call_id, position, coalesce(at_ns, 0) AS at_ns, value
            FROM yield_records WHERE trace_no = $trace_no AND {contains.format("value")}
            """,
            {"trace_no": reader.trace_no, **values},
        )
        reader.con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE found_calls AS
            WITH yielded AS (SELECT call_id, min(at_ns) AS yielded_ns FROM found_yields GROUP BY call_id)
            SELECT c.call_id, c.process_id, c.function_id, c.started_ns, c.duration_ns, y.yielded_ns,
                   coalesce({contains.format("c.args")}, false) AS in_args,
                   coalesce({contains.format("c.return_value")}, false) AS in_result,
                   coalesce(c.exception_id IN (SELECT exception_id FROM found_exceptions WHERE in_message)
                            OR c.call_id IN (SELECT call_id FROM found_exceptions WHERE in_locals), false)
                       AS in_exception
            FROM call_records c LEFT JOIN yielded y USING (call_id) WHERE c.trace_no = $trace_no AND ({_HIT})
            """,
            {"trace_no": reader.trace_no, **values},
        )
        self.total = self._count()
        self.words = False  # True: only calls with the text as a whole word or number were kept
        self.within_longer = 0  # calls left out for that reason
        if 0 < self.total <= MAX_WORD_CHECKS and (pattern := word_pattern(spellings)):
            self._keep_words(pattern, word_pattern([text]))

    def _keep_words(self, pattern: str, message_pattern: str) -> None:
        """Keep only calls that have the text as a whole word or number, if there are any."""
        # CASE, because AND would search all values, those without the text too.
        self._reader.con.execute(
            """
            CREATE OR REPLACE TEMP TABLE found_words AS
            WITH yielded AS (
                SELECT call_id, min(at_ns) AS yielded_ns FROM found_yields
                WHERE regexp_matches(value, $pattern) GROUP BY call_id)
            SELECT f.* REPLACE (
                y.yielded_ns AS yielded_ns,
                CASE WHEN f.in_args THEN regexp_matches(c.args, $pattern) ELSE false END AS in_args,
                CASE WHEN f.in_result THEN regexp_matches(c.return_value, $pattern) ELSE false END AS in_result,
                f.in_exception AND (
                    coalesce(c.exception_id IN (
                        SELECT exception_id FROM found_exceptions
                        WHERE in_message AND regexp_matches(exception_message, $message_pattern)), false)
                    OR c.call_id IN (
                        SELECT call_id FROM found_exceptions
                        WHERE call_id IS NOT NULL AND in_locals AND regexp_matches(locals, $pattern))) AS in_exception)
            FROM found_calls f JOIN call_records c ON c.call_id = f.call_id AND c.trace_no = $trace_no
            LEFT JOIN yielded y ON y.call_id = f.call_id
            """,
            {"pattern": pattern, "message_pattern": message_pattern, "trace_no": self._reader.trace_no},
        )
        ((words,),) = self._reader.con.execute(f"SELECT count(*) FROM found_words WHERE {_HIT}").fetchall()
        if words:
            self.words = True
            self.within_longer = self.total - words
            self.total = words
            self._reader.con.execute(f"CREATE OR REPLACE TEMP TABLE found_calls AS FROM found_words WHERE {_HIT}")

    def narrow(self, functions: Sequence[tuple[int, int]] | None, call_pattern: str) -> None:
        """Keep only calls of these functions, or with arguments that match.

        Args:
            functions: (process, function); None for all.
            call_pattern: A regular expression for the arguments; "" for any.
        """
        kept = "true"
        if functions is not None:
            pairs = ", ".join(f"({int(process)}, {int(function)})" for process, function in functions)
            kept = f"(f.process_id, f.function_id) IN ({pairs})" if pairs else "false"
        self._reader.con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE found_calls AS
            SELECT f.* FROM found_calls f JOIN call_records c ON c.trace_no = ? AND c.call_id = f.call_id
            WHERE {kept} AND (? = '' OR coalesce(regexp_matches(c.args, ?), false))
            """,
            [self._reader.trace_no, call_pattern, call_pattern],
        )
        self.total = self._count()

    def page(self, offset: int, limit: int) -> list[Hit]:
        """Return the calls in the order in which they first had the text."""
        result = self._reader.con.execute(
            f"""
            SELECT call_id, {_SEEN_NS} AS seen_ns
            FROM found_calls ORDER BY seen_ns, call_id LIMIT {int(limit)} OFFSET {int(offset)}
            """
        )
        return fetch(result, Hit)

    def functions(self) -> tuple[list[FunctionHits], int]:
        """Return the first `MAX_FUNCTIONS` functions whose calls have the text, and the number of such functions."""
        result = self._reader.con.execute(
            f"""
            SELECT {COLON_NAME} AS full_name, count(*) FILTER (in_args) AS in_args, count(yielded_ns) AS in_yields,
                   count(*) FILTER (in_result) AS in_results, count(*) FILTER (in_exception) AS in_exceptions,
                   count(*) OVER () AS total
            FROM found_calls h JOIN functions f ON f.process_id = h.process_id AND f.function_id = h.function_id
            WHERE f.trace_id = ? GROUP BY 1
            ORDER BY min({_SEEN_NS}), 1
            LIMIT {MAX_FUNCTIONS}
            """,
            [self._reader.trace_id],
        )
        return fetch_page(result, FunctionHits)

    def exceptions(self, call_ids: Sequence[int]) -> dict[int, ExceptionHit]:
        """Return the first exception with the text that each call raised, by call id."""
        result = self._reader.con.execute(
            """
            SELECT f.call_id, e.exception_type AS type, f.exception_message AS message, f.locals
            FROM found_exceptions f JOIN exceptions e ON e.trace_id = ? AND e.exception_id = f.exception_id
            WHERE f.call_id IN (SELECT unnest(?::BIGINT[])) ORDER BY f.exception_id DESC
            """,
            [self._reader.trace_id, list(call_ids)],
        )
        return {call_id: hit for hit, (call_id,) in fetch_with(result, ExceptionHit, "call_id")}

    def yields(self, call_ids: Sequence[int]) -> dict[int, list[YieldHit]]:
        """Return the values with the text that each call yielded, in their order, by call id."""
        result = self._reader.con.execute(
            """
            SELECT call_id, position, value FROM found_yields
            WHERE call_id IN (SELECT unnest(?::BIGINT[])) ORDER BY call_id, position
            """,
            [list(call_ids)],
        )
        found: dict[int, list[YieldHit]] = {}
        for hit, (call_id,) in fetch_with(result, YieldHit, "call_id"):
            found.setdefault(call_id, []).append(hit)
        return found

    def exceptions_elsewhere(self) -> int:
        """Count the exceptions with the text that were raised outside of all recorded calls."""
        ((count,),) = self._reader.con.execute("SELECT count(*) FROM found_exceptions WHERE call_id IS NULL").fetchall()
        return int(count)

    def _count(self) -> int:
        ((count,),) = self._reader.con.execute("SELECT count(*) FROM found_calls").fetchall()
        return int(count)


def word_pattern(spellings: Sequence[str]) -> str:
    """Return a regular expression that finds one of the texts as a whole word or number.

    It is for RE2 too, which has no lookbehind, so a match includes the character before the word.

    Returns:
        The expression; "" if no text begins or ends with a character of words.
    """
    if not any(re.match(r"\w", text) or re.search(r"\w$", text) for text in spellings):
        return ""
    return "|".join(
        (_BEFORE if re.match(r"\w", text) else "") + re.escape(text) + (_AFTER if re.search(r"\w$", text) else "")
        for text in spellings
    )


def _contains_condition(spellings: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return an SQL condition for a column `{0}` that contains one of the texts, and its parameters by name."""
    values = {f"spelling_{number}": text for number, text in enumerate(spellings)}
    return "(" + " OR ".join(f"contains({{0}}, ${name})" for name in values) + ")", values
