"""Count the values of parameters that have few different ones in a group of calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.queries.calls.value_sql import json_without_numbers
from breadcrumb_storage.rows import fetch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# Characters of arguments that are parsed for one answer, in about 50 ms; groups beyond them are left out.
MAX_CHARS = 15_000_000


@dataclass(frozen=True, slots=True)
class ArgumentValue:
    """A value of a parameter, counted over the calls of a group."""

    group: int  # its index
    name: str
    value: str  # JSON
    calls: int  # number of calls with this value
    first_call_id: int


def argument_values(reader: TraceReader, groups: Sequence[Sequence[int]], max_values: int) -> list[ArgumentValue]:
    """Count the values of the parameters that have several values in a group of calls.

    Args:
        groups: The call ids of each group.
        max_values: Parameters with more values in a group are left out.

    Returns:
        The values by group and parameter, the most frequent first.
    """
    if not groups:
        return []
    result = reader.con.execute(
        f"""
        WITH asked AS (SELECT unnest($groups::INTEGER[]) AS group_no, unnest($ids::BIGINT[]) AS call_id),
        found AS MATERIALIZED (  -- no value is parsed before the rows are chosen
            SELECT a.group_no, c.call_id, c.args FROM call_records c JOIN asked a USING (call_id)
            WHERE c.trace_no = $trace_no
            -- RANGE includes all calls of the group.
            QUALIFY sum(strlen(c.args)) OVER (ORDER BY a.group_no RANGE UNBOUNDED PRECEDING) <= {MAX_CHARS}),
        given AS (
            SELECT group_no, call_id, entry.key AS name, coalesce(entry.value::VARCHAR, 'null') AS value
            FROM (
                SELECT group_no, call_id, unnest(map_entries(TRY_CAST(args::JSON AS MAP(VARCHAR, JSON)))) AS entry
                FROM found WHERE json_valid(args))),
        counted AS (
            SELECT group_no, name, arg_min(value, call_id) AS value, count(*) AS calls, min(call_id) AS first_call_id
            FROM given GROUP BY group_no, name, hash({json_without_numbers("value")}))
        SELECT group_no AS group, name, value, calls, first_call_id FROM counted
        QUALIFY count(*) OVER (PARTITION BY group_no, name) BETWEEN 2 AND $max_values
        ORDER BY group_no, name, calls DESC, first_call_id
        """,
        {
            "trace_no": reader.trace_no,
            "groups": [number for number, call_ids in enumerate(groups) for _ in call_ids],
            "ids": [call_id for call_ids in groups for call_id in call_ids],
            "max_values": max_values,
        },
    )
    return fetch(result, ArgumentValue)
