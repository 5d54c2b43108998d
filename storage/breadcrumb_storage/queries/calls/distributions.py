"""Count the values that each parameter and the result have in many calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.queries.calls.records import CallFilter, call_conditions
from breadcrumb_storage.queries.calls.value_sql import kind_of, length_of, number_of, without_numbers
from breadcrumb_storage.rows import fetch_with

if TYPE_CHECKING:
    from breadcrumb_storage.queries.trace_reader import TraceReader

# Calls, and characters of values, that are parsed for one answer, in about 100 ms; of more, an even sample is.
MAX_CALLS = 50_000
MAX_CHARS = 15_000_000
# Calls read for the names of the parameters; one would nearly always do.
SIGNATURE_CALLS = 200
# Values returned per kind: the most frequent ones, and outliers.
MAX_COMMON = 6
MAX_OUTLIERS = 2
# A value with longer JSON cannot be shown beside others.
MAX_SHOWN_CHARS = 200

RESULT = "result"  # the result's key, beside args.NAME of the parameters


@dataclass(frozen=True, slots=True)
class ValueCount:
    """A value and the number of calls that had it."""

    text: str | None  # JSON; None: longer than MAX_SHOWN_CHARS
    calls: int
    measure: float | None  # its number or length; None: it has neither


@dataclass(frozen=True, slots=True)
class KindCount:
    """The values of one type that a parameter or the result had."""

    kind: str  # the type's name; number for int and float; raised, cancelled or unfinished for a missing result
    calls: int
    distinct: int
    least: float | None  # the smallest number or length
    most: float | None  # the largest number or length
    common: tuple[ValueCount, ...]  # the most frequent first
    outliers: tuple[ValueCount, ...]  # the farthest from the median first
    outlier_calls: int  # calls with any outlier


@dataclass(frozen=True, slots=True)
class ValueDistributions:
    """The values of the parameters and of the result in the calls that fit a filter."""

    calls: int  # the calls that fit
    read: int  # the calls that were read: fewer if only a sample was
    kinds: dict[str, list[KindCount]]  # by args.NAME in the order of the signature, then RESULT; most frequent first


def value_distributions(reader: TraceReader, wanted: CallFilter, *, calls: int, recorded: int) -> ValueDistributions:
    """Count the values of each parameter and of the result over the calls that fit a filter.

    Args:
        wanted: The filter; its functions should have the same parameters.
        calls: The number of calls that fit, or an upper bound.
        recorded: The number of recorded calls of the filter's functions.
    """
    names, chars = _signature(reader, wanted, recorded)
    every = max(-(-calls // MAX_CALLS), calls * chars // MAX_CHARS, 1)
    conditions, parameters = call_conditions(reader, wanted)
    result = reader.con.execute(
        f"""
        WITH chosen AS MATERIALIZED (  -- or values would be parsed before the rows are chosen
            SELECT c.call_id, c.args, c.return_value, c.outcome, c.exception_id
            FROM call_records c WHERE {" AND ".join(conditions)} AND hash(c.call_id) % {every} = 0),
        parsed AS (
            SELECT c.call_id, TRY(json_extract({without_numbers("c.args")}, ?)) AS given,
                   CASE c.outcome WHEN 0 THEN TRY(json_extract({without_numbers("c.return_value")}, '$'))
                        WHEN 1 THEN json_object('$raised', e.exception_type)
                        WHEN 2 THEN json_object('$cancelled', true) ELSE json_object('$unfinished', true) END AS result
            FROM chosen c LEFT JOIN exceptions e ON e.trace_id = ? AND e.exception_id = c.exception_id),
        named AS (
            SELECT call_id, unnest(range({len(names) + 1})) AS position,
                   unnest(list_append(list_resize(coalesce(given, []), {len(names)}), result)) AS value
            FROM parsed),
        counted AS (
            SELECT position, value, count(*) AS calls, min(call_id) AS first
            FROM named WHERE value IS NOT NULL GROUP BY position, value),
        typed AS (SELECT *, {kind_of("value")} AS kind FROM counted),
        measured AS MATERIALIZED (
            SELECT position, calls, CASE WHEN kind IN ('int', 'float') THEN 'number' ELSE kind END AS kind,
                   CASE WHEN kind IN ('int', 'float')
                        THEN {number_of("value")} ELSE {length_of("value")} END AS measure,
                   {{'text': CASE WHEN strlen(value::VARCHAR) <= {MAX_SHOWN_CHARS} THEN value::VARCHAR END,
                     'calls': calls, 'measure': measure}} AS shown,
                   calls::HUGEINT * {10**18} - first AS frequency  -- with equal counts, the first wins
            FROM typed),
        quartiles AS (
            SELECT position, kind, quantile_cont(measure, [0.25, 0.5, 0.75]) AS quartile FROM measured GROUP BY ALL),
        fenced AS (
            SELECT *, abs(measure - quartile[2]) AS distance,
                   -- Tukey's outer fences: no value of an even distribution is so far from the median
                   distance > 3.5 * (quartile[3] - quartile[1]) AND distance > 0 AS is_outlier
            FROM measured JOIN quartiles USING (position, kind))
        SELECT position, kind, sum(calls)::BIGINT AS calls, count(*) AS distinct, min(measure) AS least,
               max(measure) AS most, arg_max(shown, frequency, {MAX_COMMON}) AS common,
               arg_max(shown, distance, {MAX_OUTLIERS}) FILTER (is_outlier) AS outliers,
               coalesce(sum(calls) FILTER (is_outlier), 0)::BIGINT AS outlier_calls
        FROM fenced GROUP BY position, kind ORDER BY position, 3 DESC, kind
        """,
        [*parameters, [f'$."{name}"' for name in names], reader.trace_id],
    )
    kinds: dict[str, list[KindCount]] = {}
    labels = [*(f"args.{name}" for name in names), RESULT]
    converters = {"common": _counts, "outliers": _counts}
    for kind, (position,) in fetch_with(result, KindCount, "position", convert=converters):
        kinds.setdefault(labels[int(position)], []).append(kind)
    read = max((sum(kind.calls for kind in each) for each in kinds.values()), default=0) if every > 1 else calls
    return ValueDistributions(calls, read, kinds)


def _signature(reader: TraceReader, wanted: CallFilter, recorded: int) -> tuple[list[str], int]:
    """Return the names of the parameters and the average number of characters of a call's values, from a sample."""
    of_function = CallFilter(function=wanted.function, full_names=wanted.full_names)
    conditions, parameters = call_conditions(reader, of_function)
    rows = reader.con.execute(
        f"""
        SELECT TRY(json_keys(c.args)), coalesce(strlen(c.args), 0) + coalesce(strlen(c.return_value), 0)
        FROM call_records c
        WHERE {" AND ".join(conditions)} AND hash(c.call_id) % {max(recorded // SIGNATURE_CALLS, 1)} = 0
        ORDER BY c.call_id
        """,
        parameters,
    ).fetchall()
    names = dict.fromkeys(name for row in rows for name in row[0] or () if '"' not in name)
    return list(names), sum(row[1] for row in rows) // max(len(rows), 1)


def _counts(found: list[dict[str, Any]] | None) -> tuple[ValueCount, ...]:
    return tuple(ValueCount(**each) for each in found or ())
