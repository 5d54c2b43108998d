"""Match the patterns of ``capture.lines`` to the functions of a trace, and explain those without a match."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from breadcrumb.globs import matches_function
from breadcrumb_server.answers.common.code_origin import is_generated
from breadcrumb_server.answers.common.trace_config import line_patterns
from breadcrumb_server.answers.gaps.ranking import RankedGap
from breadcrumb_server.answers.gaps.targets import Target
from breadcrumb_storage.queries.functions import FunctionTime
from breadcrumb_storage.queries.traces import TraceRow

# Names that are proposed for one without a match.
MAX_NEAR = 3


def functions_with_lines(trace: TraceRow, functions: Sequence[FunctionTime]) -> list[FunctionTime]:
    """Select the functions with recorded calls that a pattern matches, without generated ones."""
    patterns = line_patterns(trace)
    return [
        each
        for each in functions
        if each.recorded
        and not is_generated(each.module, each.name, each.file)
        and any(matches_function(each.module, each.name, pattern) for pattern in patterns)
    ]


def unmatched_patterns(trace: TraceRow, functions: Sequence[FunctionTime], gaps: Sequence[RankedGap]) -> Iterator[str]:
    """Yield a sentence for each pattern that matches no traced function."""
    if trace.status == "running":
        return
    for pattern in line_patterns(trace):
        matched = [each for each in functions if matches_function(each.module, each.name, pattern)]
        if matched and all(is_generated(each.module, each.name, each.file) for each in matched):
            yield f"no lines for {pattern!r}: the program generated {matched[0].full_name}, which has no source"
        if matched:
            continue
        called = ((gap, target) for gap in gaps for target in gap.targets)
        found = next((each for each in called if matches_function(each[1].module, each[1].name, pattern)), None)
        yield f"no lines for {pattern!r}: " + (_why_untraced(*found) if found else _why_unknown(pattern, functions))


def _why_untraced(gap: RankedGap, target: Target) -> str:
    if gap.row.kind == "c":
        return f"{target.full_name} ran, but it is written in C"
    include = f"; include pattern {target.include} traces it" if target.include else ""
    return f"{target.full_name} ran, but it is not traced{include}"


def _why_unknown(pattern: str, functions: Sequence[FunctionTime]) -> str:
    wanted = pattern.replace(":", ".").rpartition(".")[2].lower()
    by_name: dict[str, list[str]] = {}
    for each in functions:
        by_name.setdefault(each.name.rpartition(".")[2].lower(), []).append(f"{each.module}:{each.name}")
    near = [name for key in difflib.get_close_matches(wanted, by_name, MAX_NEAR) for name in by_name[key]]
    return "no traced function of that name ran" + (f"; near it: {', '.join(near[:MAX_NEAR])}" if near else "")
