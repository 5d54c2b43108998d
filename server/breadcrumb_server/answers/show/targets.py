"""Find the functions that a question names, traced or not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from breadcrumb_server.answers.annotated.functions import AnnotatedFunctions
from breadcrumb_server.answers.common.code_origin import Places, is_generated
from breadcrumb_server.answers.common.text import one_line
from breadcrumb_storage.queries.functions import FunctionName, matching_functions, similar_names, traced_code
from breadcrumb_storage.queries.gaps import list_gaps
from breadcrumb_storage.queries.trace_reader import TraceReader

_FILE_AND_NAME = re.compile(r"(?P<file>.+\.\w+):(?P<name>[^\W\d][\w.<>]*)")
_PLACE = re.compile(r"(?P<file>.+\.\w+):(?P<line>\d+)(?:-\d+)?")
# Names that are proposed instead of an unknown one, and other functions that an ambiguous name has.
MAX_NAMED = 5
# Files of the program that are searched for a function that never ran.
_MAX_FILES = 400


@dataclass(frozen=True, slots=True)
class Target:
    """A function to show.

    Attributes:
        module: Its module; "" if it is known by its file only.
        name: Its qualified name.
        file: The path of its file.
        line: Its first line.
        traced: Whether its calls can be looked for.
        note: What to say about it: other functions of this name, or why it has no calls.
    """

    module: str
    name: str
    file: str | None
    line: int | None
    traced: bool
    note: str = ""

    @property
    def full_name(self) -> str:
        """Return ``module:function``."""
        return f"{self.module}:{self.name}"


class TargetFinder:
    """Finds functions by name or place.

    Args:
        reader: The trace.
        functions: Its functions with their source.
        places: Shortens paths.
    """

    def __init__(self, reader: TraceReader, functions: AnnotatedFunctions, places: Places) -> None:
        self._reader = reader
        self._functions = functions
        self._places = places

    def find(self, what: str) -> Target | str:
        """Find the function that ``what`` means.

        Args:
            what: A name as in get_calls, file:line, or file:name.

        Returns:
            The function; if there is none, a sentence that says so, with the nearest names.
        """
        place = _PLACE.fullmatch(what.strip())
        if place is not None:
            return self._at_line(place["file"], int(place["line"])) or f"{what}: no function of the program is there."
        pattern = what.strip().removesuffix("()")
        in_file = _FILE_AND_NAME.fullmatch(pattern)
        if in_file is not None and (target := self._in_file(in_file["file"], in_file["name"])) is not None:
            return target
        found = [
            each
            for each in matching_functions(self._reader, pattern)
            if not is_generated(each.module, each.name, each.file)
        ]
        if not found and "." in pattern and ":" not in pattern:  # shop.pricing.total as module:function
            module, _, name = pattern.rpartition(".")
            found = matching_functions(self._reader, f"{module}:{name}")
        if found:
            return self._traced(pattern, found)
        return self._untraced(pattern) or self._never_called(pattern) or self._unknown(what)

    def _traced(self, pattern: str, found: Sequence[FunctionName]) -> Target:
        plain = pattern.replace(":", ".")

        def likeness(each: FunctionName) -> tuple[bool, bool, bool, bool]:
            full = f"{each.module}.{each.name}"
            return (
                plain in (full, each.name),
                full.endswith(f".{plain}"),
                self._places.origin(each.file, each.module) == "own",
                each.recorded > 0,
            )

        best = max(found, key=likeness)
        others = [each for each in found if each is not best and likeness(each)[:2] == likeness(best)[:2]]
        note = ""
        if others:
            names = [f"{each.module}:{each.name} ({self._places.path(each.file)})" for each in others[:MAX_NAMED]]
            more = f" and {len(others) - MAX_NAMED} more" if len(others) > MAX_NAMED else ""
            note = one_line(f"{pattern!r} also names {', '.join(names)}{more}", 500)
        return Target(best.module, best.name, best.file, best.line, traced=True, note=note)

    def _at_line(self, file: str, line: int) -> Target | None:
        """Find the innermost function around a line of a file, given by the end of its path."""
        for module, path in self._files(file):
            around = self._functions.parsed(path).around(line)
            first, name = around if around is not None else (1, "<module>")
            return self._known(module, path, first, name)
        return None

    def _in_file(self, file: str, name: str) -> Target | None:
        """Find a function in a file, given by the end of its path."""
        for module, path in self._files(file):
            found = self._functions.parsed(path).find(name)
            if found is not None:
                return self._known(module, path, *found)
        return None

    def _files(self, file: str) -> Iterator[tuple[str, str]]:
        """Yield the module and the path of each traced file whose path ends like this, the shortest first."""
        wanted = PurePath(file).parts
        for module, path in sorted(traced_code(self._reader), key=lambda each: len(each[1])):
            if PurePath(path).parts[-len(wanted) :] == wanted:
                yield module, path

    def _known(self, module: str, path: str, first_line: int, name: str) -> Target:
        same = matching_functions(self._reader, f"{module}:{name}")
        return Target(module, name, path, same[0].line if same else first_line, traced=bool(same))

    def _untraced(self, pattern: str) -> Target | None:
        """Find a function that traced code called and that was not traced."""
        plain = pattern.replace("*", "").strip(".:").replace(":", ".")
        for gap in list_gaps(self._reader, plain.rpartition(".")[2]) if plain else []:
            full = f"{gap.module}.{gap.name}"
            if full == plain or full.endswith(f".{plain}"):
                why = "it is written in C" if gap.kind == "c" else "no include pattern fits it: edit_config adds one"
                note = f"called {gap.call_count:,} times, not traced: {why}"
                return Target(gap.module, gap.name, gap.file, gap.line, traced=False, note=note)
        return None

    def _never_called(self, pattern: str) -> Target | None:
        """Find a function that did not run in the files of those that did."""
        name = pattern.replace(":", ".").strip(".")
        own = [each for each in traced_code(self._reader) if self._places.origin(each[1], each[0]) == "own"]
        for module, file in sorted(own)[:_MAX_FILES]:
            inside = name.removeprefix(f"{module}.")
            found = self._functions.parsed(file).find(inside)
            if found is not None:
                return Target(module, found[1], file, found[0], traced=False, note="it was not called in this run")
        return None

    def _unknown(self, what: str) -> str:
        similar = similar_names(self._reader, what.replace(":", ".").rpartition(".")[2] or what, MAX_NAMED)
        near = f" Near it: {', '.join(similar)}." if similar else ""
        return one_line(
            f"{what!r}: no function of this name ran, and none is in the files of those that did.{near}", 500
        )
