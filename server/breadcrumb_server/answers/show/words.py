"""Find the lines of the program's source that mention words, traced or not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath

from breadcrumb_server.answers.annotated.functions import AnnotatedFunctions
from breadcrumb_server.answers.common.budget import shares
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.text import clean, counted, ellipsized, one_line
from breadcrumb_server.answers.lines.source import SourceText
from breadcrumb_server.workspace.discover import TEST_FOLDERS, workspace_code
from breadcrumb_storage.queries.functions import traced_code
from breadcrumb_storage.queries.trace_reader import TraceReader

# Files that are searched; files and lines that are shown, with their characters.
_MAX_FILES = 3_000
_FILES_SHOWN = 8
_MAX_LINES = 20
_LINE_CHARS = 100
# Words of a question, and characters of each.
_MAX_WORDS, _WORD_CHARS = 40, 200
# Characters of a line within which an assignment begins: a longer one is data.
_ASSIGNED_WITHIN = 300
# What a pattern for grep has beside its words.
_IMPORT = re.compile(r"\s*(?:from\s+\S+\s+)?import\s")
_ESCAPED = re.compile(r"\\[bB<>]|\\(?=\W)|\^|\$")


@dataclass(frozen=True, slots=True)
class _Mentions:
    """The lines of a file that mention the words."""

    file: str
    is_traced: bool
    lines: Sequence[int]
    assigning: frozenset[int]  # those that assign one of the words, or define it
    importing: frozenset[int]

    @property
    def telling(self) -> list[int]:
        """Return the lines in the order of what they tell: where a word gets its value, where it is used, imports."""
        return sorted(self.lines, key=lambda each: (each in self.importing, each not in self.assigning, each))

    @property
    def order(self) -> tuple[bool, bool, int, int, str]:
        """Sort code before tests, what ran before what did not, and where a word gets its value before the rest."""
        path = PurePath(self.file)
        is_test = path.name.startswith("test_") or not TEST_FOLDERS.isdisjoint(path.parts)
        used = len(self.lines) - len(self.importing)
        return is_test or not used, not self.is_traced, -len(self.assigning), -used, self.file


class WordSearch:
    """Finds lines of the program and of its workspace by the words in them.

    Args:
        reader: The trace.
        functions: Its functions with their source.
        places: Shortens paths, and knows the workspace.
    """

    def __init__(self, reader: TraceReader, functions: AnnotatedFunctions, places: Places) -> None:
        self._reader = reader
        self._functions = functions
        self._places = places

    def mentions(self, what: str) -> str | None:
        """Show the lines that mention one of several words, the files in which they are assigned first.

        Args:
            what: Words, or other pieces of code, with ``|`` between them. A dotted name that is nowhere is looked for
                by its last part; what is nowhere so is looked for in any case of its letters.

        Returns:
            None if no line mentions them.
        """
        parts = what.split("|")[:_MAX_WORDS]
        words = [word for part in parts if 1 < len(word := _ESCAPED.sub("", part).strip()) <= _WORD_CHARS]
        last_parts = [word.rpartition(".")[2] for word in words if not word.endswith(".")]
        for wanted, flags in ((words, 0), (last_parts, 0), (words, re.IGNORECASE)):
            source = self._functions.source.apart()
            if wanted and (found := list(self._search(wanted, source, flags))):
                return self._text(what, sorted(found, key=lambda each: each.order), source)
        return None

    def _search(self, words: Sequence[str], source: SourceText, flags: int) -> Iterator[_Mentions]:
        mention = re.compile("|".join(map(_whole_word, words)), flags)
        names = [re.escape(word) for word in words if word.replace(".", "").isidentifier()]
        name = f"(?:{'|'.join(names)})"
        assigned = re.compile(rf"\b{name}\b(?:\s*:[^=]*)?\s*=[^=]|\b(?:def|class)\s+{name}\b", flags)
        for file, is_traced in self._files():
            lines = source.whole(file)
            found = [number for number, text in enumerate(lines, start=1) if mention.search(text)]
            if found and (is_traced or self._is_of_workspace(file)):
                begins = {each: lines[each - 1][:_ASSIGNED_WITHIN] for each in found}
                assigning = frozenset(each for each, begin in begins.items() if names and assigned.search(begin))
                importing = frozenset(each for each, begin in begins.items() if _IMPORT.match(begin))
                yield _Mentions(file, is_traced, found, assigning, importing)

    def _files(self) -> Iterator[tuple[str, bool]]:
        """Yield the path of each file of the program that was traced, then of the others of the workspace."""
        traced = {file for module, file in traced_code(self._reader) if self._places.origin(file, module) == "own"}
        yield from ((file, True) for file in islice(sorted(traced), _MAX_FILES))
        workspace = self._reader.trace.config.get("workspace")
        if isinstance(workspace, str):
            others = (file for _, file in workspace_code(Path(workspace)) if file not in traced)
            yield from ((file, False) for file in islice(others, max(_MAX_FILES - len(traced), 0)))

    def _is_of_workspace(self, file: str) -> bool:
        """Return whether a file lies in the workspace, and is no link to one outside."""
        resolved = Path(file).resolve()
        return any(resolved.is_relative_to(Path(root).resolve()) for root in self._places.roots)

    def _text(self, what: str, found: Sequence[_Mentions], source: SourceText) -> str:
        total = sum(len(each.lines) for each in found)
        left_out = f" ({counted(len(source.changed), 'file')} changed since the run left out)" if source.changed else ""
        where = counted(len(found), "file") if len(found) > 1 else "one file"
        said = "line mentions" if total == 1 else "lines mention"
        out = [
            one_line(f"{ellipsized(what, _WORD_CHARS)}: no function; {total:,} {said} it, in {where}{left_out}:", 300)
        ]
        shown = found[:_FILES_SHOWN]
        for each, most in zip(shown, shares([len(each.lines) for each in shown], _MAX_LINES), strict=True):
            out += self._lines(each, max(most, 1), source)
        if len(found) > len(shown):
            out.append(f"… and {counted(len(found) - len(shown), 'file')}")
        return "\n".join(out)

    def _lines(self, mentions: _Mentions, most: int, source: SourceText) -> Iterator[str]:
        chosen = sorted(mentions.telling[:most])
        left = len(mentions.lines) - len(chosen)
        yield self._places.path(mentions.file) + (f" (… {left:,} more)" if left else "")
        parsed = self._functions.parsed(mentions.file)
        for number in chosen:
            text = ellipsized(" ".join(clean(source.block(mentions.file, number, number)[number]).split()), _LINE_CHARS)
            around = parsed.around(number)
            inside = f" {around.name}" if around is not None and around.head != number else ""
            yield f" {number}{inside}: {text}"


def _whole_word(word: str) -> str:
    """Return a pattern for a piece of code, whose letters do not go on before and after it."""
    before = r"\b" if word[0].isalnum() or word[0] == "_" else ""
    after = r"\b" if word[-1].isalnum() or word[-1] == "_" else ""
    return before + re.escape(word) + after
