"""Find the functions that a question names, traced or not."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

from breadcrumb_server.answers.annotated.functions import AnnotatedFunctions
from breadcrumb_server.answers.annotated.source_block import Definition
from breadcrumb_server.answers.common.code_origin import Places, is_generated
from breadcrumb_server.answers.common.text import ellipsized, first_of, one_line
from breadcrumb_server.answers.show.regions import Region
from breadcrumb_server.answers.show.words import WordSearch
from breadcrumb_storage.queries.functions import FunctionName, matching_functions, similar_names, traced_code
from breadcrumb_storage.queries.gaps import list_gaps
from breadcrumb_storage.queries.trace_reader import TraceReader

_FILE_AND_NAME = re.compile(r"(?P<file>.+\.\w+):(?P<name>[^\W\d][\w.<>]*)")
_PLACE = re.compile(r"(?P<file>.+\.\w+):(?P<line>\d{1,9})(?:-(?P<last>\d{1,9}))?")
_FILE = re.compile(r".+\.pyw?")
# Names that are proposed instead of an unknown one, and other functions that an ambiguous name has.
MAX_NAMED = 5
# Files of the program that are searched for a function that never ran.
_MAX_FILES = 400
# Lines shown before and after one that is in no function.
_BEFORE, _AFTER = 6, 14


def _is_called(pattern: str, function: FunctionName) -> bool:
    """Return whether a function is called what a pattern says, and does not only have it in its name."""
    plain = pattern.replace(":", ".")
    return f".{function.module}.{function.name}".endswith(f".{plain}")


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
        self._words = WordSearch(reader, functions, places)

    def find(self, what: str) -> Target | Region | str:
        """Find the function that ``what`` means, or the lines of a class, a file or a range.

        Args:
            what: A name as in get_calls, file:line, file:line-line, file:name, a file, the name of a class, or words
                with ``|`` between them.

        Returns:
            The function or the lines; if there is none, the lines that mention the name, or a sentence that says so,
            with the nearest names.
        """
        place = _PLACE.fullmatch(what.strip())
        if place is not None:
            last = int(place["last"]) if place["last"] else None
            return (
                self._at_line(place["file"], int(place["line"]), last)
                or f"{what}: no file of the program has this line."
            )
        pattern = what.strip().removesuffix("()")
        if "|" in pattern:
            return self._words.mentions(pattern) or f"{ellipsized(what, 200)!r}: no line mentions one of these."
        if _FILE.fullmatch(pattern):
            return self._at_line(pattern, 1, sys.maxsize) or self._unknown(what)
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
        if any(_is_called(pattern, each) for each in found):
            return self._traced(pattern, found)
        if (region := self._class(pattern)) is not None:
            return region
        if found:
            return self._traced(pattern, found)
        return (
            self._untraced(pattern)
            or self._never_called(pattern)
            or self._words.mentions(pattern)
            or self._unknown(what)
        )

    def _traced(self, pattern: str, found: Sequence[FunctionName]) -> Target | Region:
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
            names = [f"{each.module}:{each.name} ({self._places.path(each.file)})" for each in others]
            note = one_line(f"{pattern!r} also names {first_of(names, MAX_NAMED)}", 500)
        if best.file is not None and (body := self._functions.parsed(best.file).class_at(best.line, best.name)):
            return Region(best.file, body.first, body.last, body.name)
        return Target(best.module, best.name, best.file, best.line, traced=True, note=note)

    def _at_line(self, file: str, line: int, last: int | None = None) -> Target | Region | None:
        """Find the function around a line of a file, given by the end of its path, or the lines themselves."""
        for module, path in self._files(file):
            parsed = self._functions.parsed(path)
            length = len(self._functions.source.whole(path))
            if not 0 < line <= max(length, 1):
                return None
            if last is not None:
                return Region(path, line, min(max(line, last), max(length, line)), is_range=last < sys.maxsize)
            around = parsed.around(line)
            if around is not None:
                return self._known(module, path, around)
            return Region(path, max(line - _BEFORE, 1), min(line + _AFTER, max(length, line)))
        return None

    def _in_file(self, file: str, name: str) -> Target | Region | None:
        """Find a function or class in a file, given by the end of its path."""
        for module, path in self._files(file):
            found = self._functions.parsed(path).find(name)
            if found is not None:
                return self._known(module, path, found)
        return None

    def _files(self, file: str) -> Iterator[tuple[str, str]]:
        """Yield the module and the path of each traced file whose path ends like this, the shortest first.

        If there is none, a file of the workspace that was not traced.
        """
        wanted = PurePath(file).parts
        found = False
        for module, path in sorted(traced_code(self._reader), key=lambda each: len(each[1])):
            if PurePath(path).parts[-len(wanted) :] == wanted:
                found = True
                yield module, path
        if found or not file.endswith((".py", ".pyw")):
            return
        for root in map(Path, self._places.roots):
            untraced = root / file
            with suppress(OSError):  # a name that no file can have
                if untraced.is_file() and untraced.resolve().is_relative_to(root.resolve()):
                    yield "", str(untraced)

    def _known(self, module: str, path: str, found: Definition) -> Target | Region:
        if found.is_class:
            return Region(path, found.first, found.last, found.name)
        same = matching_functions(self._reader, f"{module}:{found.name}")
        return Target(module, found.name, path, same[0].line if same else found.first, traced=bool(same))

    def _own_code(self) -> list[tuple[str, str]]:
        """Return the module and the path of each traced file of the program."""
        own = [each for each in traced_code(self._reader) if self._places.origin(each[1], each[0]) == "own"]
        return sorted(own)[:_MAX_FILES]

    def _definition(self, pattern: str) -> tuple[str, str, Definition] | None:
        """Find a definition in the files of the functions that ran: its module, its path, itself."""
        name = pattern.replace(":", ".").strip(".")
        defines = re.compile(rf"\s*(?:async\s+)?(?:def|class)\s+{re.escape(name.rpartition('.')[2])}\b")
        for module, file in self._own_code():
            if not any(map(defines.match, self._functions.source.whole(file))):
                continue  # parsing each file of a large program takes seconds
            found = self._functions.parsed(file).find(name.removeprefix(f"{module}."))
            if found is not None:
                return module, file, found
        return None

    def _class(self, pattern: str) -> Region | None:
        """Find the lines of a class."""
        found = self._definition(pattern)
        if found is None or not found[2].is_class:
            return None
        _, file, definition = found
        return Region(file, definition.first, definition.last, definition.name)

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
        found = self._definition(pattern)
        if found is None:
            return None
        module, file, definition = found
        note = "it was not called in this run"
        return Target(module, definition.name, file, definition.first, traced=False, note=note)

    def _unknown(self, what: str) -> str:
        similar = similar_names(self._reader, what.replace(":", ".").rpartition(".")[2] or what, MAX_NAMED)
        near = f" Near it: {', '.join(similar)}." if similar else ""
        said = "no function of this name ran, and none is in the files of those that did."
        return one_line(f"{ellipsized(what, 200)!r}: {said}{near}", 500)
