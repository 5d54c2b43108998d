"""Decode and parse the source of programs, those in the syntax of a Python that is newer than the server's too.

What is newer is written in older syntax, on the same lines: type parameters (PEP 695, 696) are left out, ``type``
statements become assignments, f-strings that nest quotes (PEP 701) and t-strings (PEP 750) become plain ones,
``except`` with several types gets parentheses (PEP 758), and ``lazy`` is left out of imports (PEP 810).
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache

_CANNOT_PARSE = (SyntaxError, ValueError, RecursionError, MemoryError)

_STRING = re.compile(r"(?<!\w)(?P<prefix>[A-Za-z]{0,3})(?P<quote>\"\"\"|'''|\"|')")
_PREFIXES = frozenset({"", "r", "b", "u", "f", "t", "br", "rb", "fr", "rf", "tr", "rt"})
_FORMATTED = frozenset("ft")
_NAMED = re.compile(r"(?<!\w)(?:def|class)[ \t]+\w+[ \t]*(?=\[)")
_TYPE = re.compile(r"(?m:^)[ \t]*(?P<word>type[ \t]+)\w+[ \t]*(?=\[|=[^=])")
_EXCEPT = re.compile(r"(?m:^)(?P<head>[ \t]*except\*?[ \t]+)(?P<types>[\w.]+(?:[ \t]*,[ \t]*[\w.]+)+)(?=[ \t]*:)")
_LAZY = re.compile(r"(?m:^)(?P<indent>[ \t]*)lazy[ \t]+(?=(?:import|from)[ \t])")
# Where one of these may begin, or a comment.
_BEGIN = re.compile(r"#|(?<!\w)[A-Za-z]{0,3}[\"']|[\"']|(?<!\w)(?:def|class)[ \t]|(?m:^)[ \t]*(?:type|except|lazy)\b")
_OPENING, _CLOSING = "([{", ")]}"


def source_lines(content: bytes) -> list[str]:
    """Return the lines of a source file as Python numbers them: a form feed, for example, ends none.

    Raises:
        SyntaxError: Its encoding is unknown.
        UnicodeDecodeError: It is not in its encoding.
    """
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    lines = io.StringIO(content.decode(encoding), newline=None).read().split("\n")
    return lines if lines[-1] else lines[:-1]


def parse_source(lines: Sequence[str]) -> ast.Module | None:
    """Parse a source file, or as much of one as can be parsed by itself.

    Args:
        lines: Its lines, without their ends.

    Returns:
        Its tree, whose nodes have the numbers of these lines; None if it cannot be parsed.
    """
    source = "\n".join(lines)
    tree = _parsed(source)
    if tree is not None:
        return tree
    try:
        return _parsed(in_older_syntax(source))
    except IndexError:  # a string or a bracket without an end
        return None


def _parsed(source: str) -> ast.Module | None:
    with warnings.catch_warnings():  # about the program, such as an invalid escape
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except _CANNOT_PARSE:
            return None


@lru_cache(maxsize=32)  # an answer asks for a file once for each of its functions
def in_older_syntax(source: str) -> str:
    """Write source in the syntax of Python 3.11, as far as that is known; its lines stay where they are.

    Raises:
        IndexError: A string or a bracket has no end.
    """
    return "".join(_rewritten(source))


def _rewritten(source: str) -> Iterator[str]:
    at = 0
    while (begin := _BEGIN.search(source, at)) is not None:
        yield source[at : begin.start()]
        at = begin.start()
        if source[at] == "#":
            end = _end_of_comment(source, at)
            yield source[at:end]
        elif (string := _string_at(source, at)) is not None:
            end = _end_of_string(source, string)
            yield _older_string(source[at:end], string["prefix"])
        elif (named := _NAMED.match(source, at)) is not None:
            bracket = named.end()
            end = _end_of_bracket(source, bracket)
            yield named[0] + _without_parameters(source, bracket, end)
            end += source[end : end + 1] == "(" and "\n" in source[bracket:end]
        elif (alias := _TYPE.match(source, at)) is not None:
            end = alias.end()
            yield alias[0].replace(alias["word"], "", 1)
            if source[end] == "[":
                bracket, end = end, _end_of_bracket(source, end)
                yield "\\\n" * source.count("\n", bracket, end)
        elif (handler := _EXCEPT.match(source, at)) is not None:
            end = handler.end()
            yield f"{handler['head']}({handler['types']})"
        elif (lazy := _LAZY.match(source, at)) is not None:
            end = lazy.end()
            yield lazy["indent"]
        else:
            end = at + 1
            yield source[at]
        at = end
    yield source[at:]


def _without_parameters(source: str, start: int, end: int) -> str:
    """Return what stands in the place of type parameters: as many line ends, within brackets."""
    ends = "\n" * source.count("\n", start, end)
    if not ends:
        return ""
    return "(" + ends if source[end : end + 1] == "(" else f"({ends})"


def _end_of_comment(source: str, at: int) -> int:
    end = source.find("\n", at)
    return len(source) if end < 0 else end


def _string_at(source: str, at: int) -> re.Match[str] | None:
    found = _STRING.match(source, at)
    return found if found is not None and found["prefix"].lower() in _PREFIXES else None


def _end_of_string(source: str, string: re.Match[str]) -> int:
    """Return the place behind a string that begins with a prefix and a quote."""
    quote = string["quote"]
    formatted = not _FORMATTED.isdisjoint(string["prefix"].lower())
    at = string.end()
    while not source.startswith(quote, at):
        if source[at] == "\\" or (formatted and source.startswith(("{{", "}}"), at)):
            at += 2
        elif formatted and source[at] == "{":
            at = _end_of_field(source, at)
        else:
            at += 1
    return at + len(quote)


def _end_of_field(source: str, at: int) -> int:
    """Return the place behind a replacement field of an f-string, which may end with a format of its own fields."""
    at = _end_of_bracket(source, at, stop=":")
    if source[at - 1] == "}":
        return at
    while source[at] != "}":
        at = _end_of_field(source, at) if source[at] == "{" else at + 1
    return at + 1


def _end_of_bracket(source: str, at: int, stop: str = "") -> int:
    """Return the place behind the bracket that closes the one at a place, or behind a character that stands in it."""
    depth = 0
    while True:
        if source[at] == "#":
            at = _end_of_comment(source, at)
        elif (string := _string_at(source, at)) is not None:
            at = _end_of_string(source, string)
        else:
            depth += (source[at] in _OPENING) - (source[at] in _CLOSING)
            at += 1
            if depth == 0 or (depth == 1 and source[at - 1] == stop):
                return at


def _older_string(text: str, prefix: str) -> str:
    """Return a string as it is if it has always been one, else one with as many lines."""
    if _FORMATTED.isdisjoint(prefix.lower()):
        return text
    older = "".join("f" if each in "tT" else each for each in prefix) + text[len(prefix) :]
    return older if _parsed(f"({older})") is not None else '"""' + "\n" * text.count("\n") + '"""'
