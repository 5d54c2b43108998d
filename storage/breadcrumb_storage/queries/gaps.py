"""Read the gaps of a trace: functions that traced code called and that were not traced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.rows import fetch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader


@dataclass(frozen=True, slots=True)
class GapRow:
    """A function that was not traced, with the calls of all its callers added up."""

    module: str
    name: str
    file: str | None
    line: int | None
    kind: str  # python or c
    caller: str  # module:function of the most frequent caller
    callers: int
    call_count: int
    exact: bool  # False: call_count is a lower bound
    time_ns: int  # 0: not measured
    importing: bool  # only bodies of imported modules, and of their classes, called it
    main_files: Sequence[str]  # of the calling bodies of __main__; "" stands for all other callers
    wrapped: Sequence[str] | None  # see `wraps`; in any order, with repetitions

    @property
    def wraps(self) -> tuple[tuple[str, str, str], ...]:
        """Module, function and file of the other modules' functions for which this wrapper was called.

        Older versions redacted the three parts as one text (`session:[REDACTED]`); missing parts are empty.
        """
        parts = ([*each.split(":", 2), "", ""] for each in dict.fromkeys(self.wrapped or ()))
        return tuple((module, name, file) for module, name, file, *_ in parts)


def list_gaps(reader: TraceReader, name_part: str | None = None) -> list[GapRow]:
    """Return the gaps with calls, the one with the most first.

    Args:
        name_part: A part of `module:function` or `module.function` of the gap or of a function that it wraps; None
            for all gaps.
    """
    result = reader.con.execute(
        """
        WITH by_caller AS (
            SELECT coalesce(g.module_name, '') AS module, coalesce(g.function_name, '?') AS name,
                   any_value(g.file) AS file, any_value(g.line) AS line, coalesce(g.kind, 'python') AS kind,
                   coalesce(f.module_name || ':' || f.function_name, '') AS caller,
                   sum(g.call_count)::BIGINT AS calls, bool_and(g.exact) AS exact, sum(g.time_ns)::BIGINT AS time_ns,
                   bool_and(coalesce(f.kind IN ('module', 'class') AND f.module_name <> '__main__', false))
                       AS importing,
                   CASE WHEN f.module_name = '__main__' AND f.function_name = '<module>' THEN any_value(f.file) END
                       AS main_file,
                   flatten(list(g.wraps ORDER BY g.process_id, g.slot) FILTER (g.wraps IS NOT NULL)) AS wraps
            FROM gap_records g
            LEFT JOIN functions f
              ON f.trace_id = g.trace_id AND f.process_id = g.process_id AND f.function_id = g.caller_id
            WHERE g.trace_id = $trace_id
              AND ($part IS NULL OR contains(coalesce(g.module_name, '') || ':' || g.function_name, $part)
                   OR contains(coalesce(g.module_name, '') || '.' || g.function_name, $part)
                   OR contains(list_aggregate(list_transform(g.wraps, lambda each:
                          split_part(each, ':', 1) || '.' || each), 'string_agg', ' '), $part))
            GROUP BY 1, 2, 5, 6, f.module_name, f.function_name)
        SELECT module, name, any_value(file) AS file, any_value(line) AS line, kind, arg_max(caller, calls) AS caller,
               count(*) AS callers, sum(calls)::BIGINT AS call_count, bool_and(exact) AS exact,
               sum(time_ns)::BIGINT AS time_ns, bool_and(importing) AS importing,
               list(DISTINCT coalesce(main_file, '')) AS main_files,
               flatten(list(wraps ORDER BY calls DESC) FILTER (wraps IS NOT NULL)) AS wrapped
        FROM by_caller GROUP BY module, name, kind HAVING sum(calls) > 0
        ORDER BY call_count DESC, module, name
        """,
        {"trace_id": reader.trace_id, "part": name_part},
    )
    return fetch(result, GapRow)
