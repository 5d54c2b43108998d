"""Explain a probe whose expressions were never evaluated, with the places that were perhaps meant."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_server.answers.common.text import bounded_text, one_line
from breadcrumb_server.answers.probes.asked import AskedProbe
from breadcrumb_storage.queries.functions import matching_functions, similar_names, traced_code
from breadcrumb_storage.queries.gaps import list_gaps
from breadcrumb_storage.queries.probes import ProbeCount
from breadcrumb_storage.queries.trace_reader import TraceReader

# Names that are proposed for one without a match.
MAX_NEAR = 3
# Ranges of lines that are named.
MAX_RANGES = 8
_MAX_CHARS = 400


@dataclass(frozen=True, slots=True)
class Code:
    """A function in which a probe is, or around its line."""

    function: str
    file: str
    line: int
    lines: tuple[int, ...]

    def title(self, places: Places) -> str:
        """Return its name with its place."""
        return f"{self.function} ({places.path(self.file)}:{self.line})"


def code_of(texts: Sequence[str]) -> list[Code]:
    """Read the code that processes have found, each function once."""
    found: dict[Code, None] = {}
    for text in texts:
        try:
            parsed: object = json.loads(text)
        except ValueError:
            continue
        for each in parsed if is_array(parsed) else []:
            if not is_object(each):
                continue
            lines: object = each.get("lines")
            numbers = tuple(line for line in lines if isinstance(line, int)) if is_array(lines) else ()
            line = each.get("line")
            code = Code(str(each.get("function")), str(each.get("file")), line if isinstance(line, int) else 0, numbers)
            found.setdefault(code)
    return list(found)


def why_not_hit(reader: TraceReader, places: Places, asked: AskedProbe, count: ProbeCount | None) -> str:
    """Say why a probe has no values.

    Args:
        reader: The trace.
        places: Shortens paths.
        asked: The probe.
        count: What the processes counted; None if no process has its place.
    """
    if count is not None and count.notes:
        return one_line("; ".join(count.notes), _MAX_CHARS)
    if count is not None and count.hits:
        times = f"{bounded_text(count.hits, exact=count.exact)} {'time' if count.hits == 1 else 'times'}"
        return f"reached {times}, and the condition never held" if asked.condition else f"reached {times}"
    so_far = " so far" if reader.trace.status == "running" else ""
    codes = code_of(count.codes) if count is not None else []
    if codes:
        named = codes[0].title(places)
        if asked.line and count is not None and count.started:
            return one_line(f"not hit{so_far}: {named} ran, but not this line of it", _MAX_CHARS)
        return one_line(f"not hit{so_far}: {named} did not run", _MAX_CHARS)
    nearest = code_of(count.nearest) if count is not None else []
    if nearest:
        lines = [f"lines of {_named(each)} are {ranges(each.lines, asked.line)}" for each in nearest[:MAX_NEAR]]
        return one_line(f"hit no line: {'; '.join(lines)}", _MAX_CHARS)
    if asked.function:
        return one_line(f"not hit{so_far}: {_unknown_function(reader, asked.function)}", _MAX_CHARS)
    return one_line(f"not hit{so_far}: {_unknown_file(reader, places, asked)}", _MAX_CHARS)


def _named(code: Code) -> str:
    return "the module's body" if code.function == "<module>" else code.function


def ranges(lines: Sequence[int], near: int) -> str:
    """Render lines as ``28, 30-36``; of many the ones near a line."""
    found: list[list[int]] = []
    for line in sorted(lines):
        if found and line == found[-1][1] + 1:
            found[-1][1] = line
        else:
            found.append([line, line])
    nearest = sorted(found, key=lambda each: min(abs(each[0] - near), abs(each[1] - near)))[:MAX_RANGES]
    text = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in sorted(nearest))
    return text + (" and others" if len(found) > len(nearest) else "")


def _unknown_function(reader: TraceReader, name: str) -> str:
    plain = name.replace(":", ".")
    last = plain.rpartition(".")[2]
    for gap in list_gaps(reader, last):
        if gap.kind == "c" and f"{gap.module}.{gap.name}".endswith(plain):
            return f"{gap.module}.{gap.name} is written in C, and has no frame to evaluate in"
    near = similar_names(reader, plain, MAX_NEAR) or similar_names(reader, last, MAX_NEAR)
    return f"no function {name} ran" + (f"; near it: {', '.join(near)}" if near else "")


def _unknown_file(reader: TraceReader, places: Places, asked: AskedProbe) -> str:
    known = traced_code(reader)
    if asked.module:
        if "." in asked.module and matching_functions(reader, asked.module):  # module.function:line
            module = max((m for m, _ in known if asked.module.startswith(f"{m}.")), key=len, default=asked.module)
            return f"{asked.module} is a function: lines are given by module or file, as {module}:{asked.line}"
        names = {PurePath(file).stem if module == "__main__" else module for module, file in known}
        near = difflib.get_close_matches(asked.module, names, MAX_NEAR, 0.5)
        same_end = [name for name in sorted(names) if name.rpartition(".")[2] == asked.module.rpartition(".")[2]]
        kind = "module"
    else:
        names = {places.path(file) for _, file in known if file}
        near = difflib.get_close_matches(asked.file, names, MAX_NEAR, 0.5)
        same_end = [name for name in sorted(names) if name.rpartition("/")[2] == asked.file.rpartition("/")[2]]
        kind = "file"
    named = list(dict.fromkeys([*same_end, *near]))[:MAX_NEAR]
    return f"no {kind} {asked.module or asked.file} was loaded" + (f"; near it: {', '.join(named)}" if named else "")
