"""Write what the probes of a run found: for each place the values that never changed, then the first and last rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from breadcrumb_server.answers.common.budget import first_that_fits
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.parsed_json import parsed_object
from breadcrumb_server.answers.common.text import bounded_text, counted, cut, one_line
from breadcrumb_server.answers.probes.asked import AskedProbe, asked_probes
from breadcrumb_server.answers.probes.not_hit import code_of, why_not_hit
from breadcrumb_server.answers.rendering.layout import cut_value
from breadcrumb_server.answers.rendering.notation import named_values, read_value
from breadcrumb_storage.queries.probes import ProbeCount, ProbeValues, count_probes, probe_values
from breadcrumb_storage.queries.trace_reader import TraceReader

# Characters of the text: an answer to run has 2,500, of which one line may be about something else.
MAX_CHARS = 2_250
# Rows at the beginning and at the end of a place, and characters of a value, tried in turn.
_LEVELS = ((20, 20, 400), (20, 20, 160), (10, 10, 120), (6, 6, 80), (3, 3, 60), (2, 1, 40), (1, 1, 25))
_HEADING_CHARS = 300


@dataclass(frozen=True, slots=True)
class _Row:
    """A row as it is written: who, and the texts of its expressions by name."""

    call: str
    where: str  # its process, thread and task
    texts: dict[str, str]


def probes_text(reader: TraceReader, places: Places) -> str:
    """Write what the probes of a trace found, in at most MAX_CHARS characters; empty if it has none.

    Args:
        reader: The trace.
        places: Shortens paths.
    """
    asked = asked_probes(reader.trace)
    if not asked:
        return ""
    counts = {each.probe: each for each in count_probes(reader)}
    values: dict[int, list[ProbeValues]] = {}
    for each in probe_values(reader):
        values.setdefault(each.probe, []).append(each)
    several = len({each.process_id for rows in values.values() for each in rows}) > 1
    headings = [
        _heading(probe, counts.get(number), places)
        if values.get(number)
        else f"{one_line(probe.heading, _HEADING_CHARS)}: {why_not_hit(reader, places, probe, counts.get(number))}"
        for number, probe in enumerate(asked)
    ]

    def text(level: tuple[int, int, int]) -> str:
        return "\n".join(
            "\n".join([heading, *_rows(values.get(number, []), counts.get(number), level, several=several)])
            for number, heading in enumerate(headings)
        )

    fitting = first_that_fits((text(level) for level in _LEVELS), MAX_CHARS, size=len)
    return fitting if fitting is not None else cut(text(_LEVELS[-1]), MAX_CHARS)


def _heading(asked: AskedProbe, count: ProbeCount | None, places: Places) -> str:
    text = one_line(asked.heading, _HEADING_CHARS)
    if count is None:
        return f"{text}:"
    if asked.line:
        names = [each.function for each in code_of(count.codes) if each.function != "<module>"]
        text += f" in {one_line(', '.join(names), 120)}" if names else ""
    else:
        files = dict.fromkeys(f"{places.path(each.file)}:{each.line}" for each in code_of(count.codes))
        text += f" {one_line(', '.join(files), 200)}" if files else ""
    hits = f"{bounded_text(count.hits, exact=count.exact)} {'hit' if count.hits == 1 else 'hits'}"
    if asked.condition:
        hits += f", condition held {bounded_text(count.met, exact=count.exact)} {'time' if count.met == 1 else 'times'}"
    notes = f" ({one_line('; '.join(count.notes), 300)})" if count.notes else ""
    return f"{text}: {hits}{notes}"


def _rows(
    values: Sequence[ProbeValues], count: ProbeCount | None, level: tuple[int, int, int], *, several: bool
) -> list[str]:
    """Write the rows of one place."""
    if not values:
        return []
    first, last, chars = level
    threads = several or len({each.thread for each in values}) > 1
    rows = [
        _Row(
            f"#{each.call_id}" if each.call_id is not None else f"({each.position})",
            f" [{one_line(f'process {each.process_id} {each.thread}' if several else each.thread, 60)}]"
            if threads
            else "",
            _texts(each, chars),
        )
        for each in values
    ]
    constant = _constant(rows)
    lines = [f"  all: {_joined(constant)}"] if constant else []
    if constant and all(row.texts == constant for row in rows) and not threads:
        return lines
    groups = [list(group) for _, group in groupby(rows, key=lambda row: (row.where, list(row.texts.items())))]
    shown = groups if len(groups) <= first + last else [*groups[:first], *groups[-last:]]
    missing = max((count.met if count is not None else 0), len(rows)) - sum(len(group) for group in shown)
    for position, group in enumerate(shown):
        if missing > 0 and position == min(first, len(shown) - 1):
            lines.append(f"  … {counted(missing, 'more row')}")
        row = group[0]
        changing = {name: text for name, text in row.texts.items() if name not in constant}
        calls = row.call if len(group) == 1 else f"{row.call} to {group[-1].call} ({len(group)} times)"
        lines.append(f"  {calls}{row.where} {_joined(changing)}".rstrip())
    return lines


def _constant(rows: Sequence[_Row]) -> dict[str, str]:
    """Return the texts that are the same in all of several rows."""
    if len(rows) < 2:
        return {}
    return {name: text for name, text in rows[0].texts.items() if all(row.texts.get(name) == text for row in rows)}


def _texts(values: ProbeValues, chars: int) -> dict[str, str]:
    texts = {name: f"{name}={cut_value(value, chars)}" for name, value in named_values(values.expressions)}
    for name, error in parsed_object(values.errors).items():
        texts[name] = f"{name} !! {one_line(str(error), max(chars, 80))}"
    if values.raised is not None:
        texts["->"] = f"!! {one_line(values.raised, max(chars, 80))}"
    elif values.return_value is not None:
        texts["->"] = f"-> {cut_value(read_value(values.return_value), chars)}"
    return texts


def _joined(texts: dict[str, str]) -> str:
    return "  ".join(texts.values())
