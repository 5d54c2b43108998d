"""Explain why a function has no calls in an answer, and propose calls that lead on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.next_calls import NextCalls, call
from breadcrumb_server.answers.common.text import clean, counted, cut
from breadcrumb_server.answers.gaps.ranking import rank_gaps
from breadcrumb_storage.queries.functions import FunctionName, similar_names
from breadcrumb_storage.queries.gaps import list_gaps
from breadcrumb_storage.queries.trace_reader import TraceReader

MAX_MESSAGE_CHARS = 1_500


def why_no_calls(
    reader: TraceReader,
    next_calls: NextCalls,
    functions: Sequence[FunctionName],
    function: str,
    where: Mapping[str, Any] | None,
) -> tuple[str, list[str | None]]:
    """Return the reason as a sentence, and proposed calls.

    Args:
        reader: The trace.
        next_calls: Proposes calls about this trace.
        functions: The traced functions that ``function`` names.
        function: A name of functions, as in the question.
        where: The conditions that none of their calls meets.
    """
    shown = function[:100]
    follow_ups: list[str | None] = []
    if functions:
        recorded = sum(each.recorded for each in functions)
        conditions = cut(json.dumps(dict(where or {}), default=str), 200)
        message = (
            f"{recorded:,} calls of {shown!r} were recorded, and none matches where={conditions}."
            if recorded
            else f"{shown!r} was seen, but none of its calls was recorded."
        )
        if recorded:
            follow_ups.append(next_calls.get_calls(shown))
    else:
        plain = function.replace("*", "").strip(".:")
        gaps = rank_gaps(list_gaps(reader, plain), Places.of(reader.trace), reader.trace.config) if plain else []
        gap = next((each for each in gaps if each.suggested_include), gaps[0] if gaps else None)
        similar = similar_names(reader, plain.replace(":", ".").rpartition(".")[2] or plain, 5)
        if gap is not None and gap.suggested_include:
            message = (
                f"{gap.full_name} was called {counted(gap.row.call_count, 'time')} but not traced: "
                f"no include pattern fits {gap.targets[0].module}."
            )
            edit = call("edit_config", project=next_calls.project, add_include=[gap.suggested_include])
            follow_ups += [edit, next_calls.rerun()]
        elif gap is not None:
            message = f"{gap.full_name} was called {counted(gap.row.call_count, 'time')}, but cannot be traced" + (
                ": it is a C function."
                if gap.row.kind == "c"
                else " with this configuration: it is excluded or frozen."
            )
        else:
            message = f"No traced function matches {shown!r}, and traced code called none of that name."
        if similar:
            message += " Similar recorded names: " + ", ".join(cut(name, 100) for name in similar) + "."
            follow_ups.append(next_calls.get_calls(similar[0]))
        else:
            follow_ups.append(next_calls.call("find_gaps"))
    return cut(clean(message), MAX_MESSAGE_CHARS), follow_ups
