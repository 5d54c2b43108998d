"""Say where the source mentions a name of which nothing was recorded, or which names are near to it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from breadcrumb_server.answers.common.code_origin import Places, is_generated
from breadcrumb_server.answers.common.text import counted, one_line
from breadcrumb_server.answers.find.names.mentions import DEFINES, READS, Mention, mentions
from breadcrumb_server.answers.find.names.wanted_name import WantedName
from breadcrumb_server.answers.lines.source import SourceText
from breadcrumb_storage.queries.find.functions import TracedFunction

# Files of the program that are searched.
_MAX_FILES = 400
# Functions that are named, and of which the next run records the lines.
MAX_FUNCTIONS = 8
_MAX_NEAR = 5
_MAX_LINES = 6
_IDENTIFIER = re.compile(r"[^\W\d]\w*")


@dataclass
class SourceMentions:
    """The places that mention a name in the files of a program's own functions.

    Attributes:
        of_files: By file.
        unread: Files that could not be read, or were changed since the run.
    """

    of_files: dict[str, list[Mention]] = field(default_factory=dict[str, list[Mention]])
    unread: list[str] = field(default_factory=list[str])

    @classmethod
    def of(
        cls, functions: Sequence[TracedFunction], source: SourceText, places: Places, wanted: WantedName
    ) -> SourceMentions:
        """Search the files of functions."""
        found = cls()
        for file in own_files(functions, places):
            lines = source.whole(file)
            if not lines:
                found.unread.append(file)
            elif here := mentions(lines, wanted):
                found.of_files[file] = here
        return found

    def by_line(self, functions: Sequence[TracedFunction]) -> dict[tuple[tuple[int, int], int], Mention]:
        """Return the mentions by function and line, for each function of their file, which may have comprehensions.

        Where a line mentions the name several times, the strongest use of it is taken.
        """
        found: dict[tuple[tuple[int, int], int], Mention] = {}
        for each in functions:
            for mention in self.of_files.get(each.file or "", ()):
                if mention.use == DEFINES:
                    continue
                key = ((each.process_id, each.function_id), mention.line)
                if key not in found or found[key].use < mention.use:
                    found[key] = mention
        return found

    def text(
        self,
        functions: Sequence[TracedFunction],
        recorded: Mapping[tuple[int, int], object],
        places: Places,
        of: Sequence[TracedFunction],
        *,
        writes_only: bool,
    ) -> tuple[list[str], list[str]]:
        """Write where the name is mentioned in functions without recorded lines.

        Args:
            functions: All functions of the trace.
            recorded: (process, function) of those with recorded lines.
            places: Shortens paths.
            of: The functions that are of interest; none for all.
            writes_only: Whether only functions that change it are of interest.

        Returns:
            A line for each function, and the full names of those that ran.
        """
        ran: dict[tuple[str, str], TracedFunction] = {}
        with_lines: set[tuple[str, str]] = set()
        for each in functions:
            ran[each.file or "", each.name] = each
            if (each.process_id, each.function_id) in recorded:
                with_lines.add((each.file or "", each.name))
        kept = {(each.file or "", each.name) for each in of}
        lines: list[tuple[bool, str]] = []
        wanted: list[str] = []
        for file, here in self.of_files.items():
            by_function: dict[str, list[Mention]] = {}
            for mention in here:
                by_function.setdefault(mention.function[1], []).append(mention)
            for name, found in by_function.items():
                if (
                    (file, name) in with_lines
                    or (kept and (file, name) not in kept)
                    or (writes_only and all(each.use in (READS, DEFINES) for each in found))
                ):
                    continue
                function = ran.get((file, name))
                if function is None and writes_only:
                    continue
                lines.append(
                    (function is None, _mention_text(name, places.path(file), found, ran=function is not None))
                )
                if function is not None and name != "<module>":
                    wanted.append(function.full_name)
        texts = [text for _, text in sorted(lines, key=lambda each: each[0])]
        return texts, list(dict.fromkeys(wanted))[:MAX_FUNCTIONS]


def own_files(functions: Sequence[TracedFunction], places: Places) -> list[str]:
    """Return the files of a program's own functions."""
    own = (
        each.file
        for each in functions
        if each.file
        and not is_generated(each.module, each.name, each.file)
        and places.origin(each.file, each.module) == "own"
    )
    return list(dict.fromkeys(own))[:_MAX_FILES]


def near_names(
    wanted: WantedName,
    functions: Sequence[TracedFunction],
    source: SourceText,
    places: Places,
    arguments: Mapping[str, str],
) -> str:
    """Write the names most similar to one that nothing has, with where they are; "" if there are none."""
    known: dict[str, str] = {}
    for file in own_files(functions, places):
        for number, line in enumerate(source.whole(file), 1):
            for name in _IDENTIFIER.findall(line):
                known.setdefault(name, f"{places.path(file)}:{number}")
    for name, function in arguments.items():
        known.setdefault(name, f"an argument of {function}")
    near = get_close_matches(wanted.last, [name for name in known if name != wanted.last], _MAX_NEAR, 0.6)
    return ", ".join(f"{name} ({known[name]})" for name in near)


def _mention_text(name: str, file: str, found: Sequence[Mention], *, ran: bool) -> str:
    defined = sorted({each.line for each in found if each.use == DEFINES})
    writes = sorted({each.line for each in found if each.use not in (READS, DEFINES)})
    reads = sorted({each.line for each in found if each.use == READS} - {*writes})
    parts = [
        f"{what} at {', '.join(map(str, lines[:_MAX_LINES]))}" + (", …" if len(lines) > _MAX_LINES else "")
        for what, lines in (("defined", defined), ("set or changed", writes), ("read", reads))
        if lines
    ]
    return one_line(f"{name} {file}: {'; '.join(parts)}{'' if ran else ' (it was not called)'}", 300)


def unread_note(files: Sequence[str], changed: set[str], places: Places) -> str:
    """Say which files could not be searched; "" if all were."""
    if not files:
        return ""
    names = ", ".join(one_line(places.path(each), 80) for each in files[:2])
    more = f" and {counted(len(files) - 2, 'more file')}" if len(files) > 2 else ""
    why = "changed since the run" if changed.intersection(files) else "cannot be read"
    return f"{names}{more} {why}: recorded values are searched, not its source"
