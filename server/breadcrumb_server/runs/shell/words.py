"""Split a command into words as a POSIX shell does, and find the operators between them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# How a piece of a word was written: without quotes, in quotes, or as a command to be substituted.
PLAIN, DOUBLE, SINGLE, COMMAND = "", '"', "'", "`"

IsCommand = Callable[[str], bool]

_REDIRECTION = re.compile(r"&>>|&>|<<<|<<-?|<>|<|>>|>\||>")
_CONNECTOR = re.compile(r"\|\||&&|\|&|\||;;|;|&(?!>)")
_HERE_DOCUMENT = re.compile(r"<<(?P<dash>-?)[ \t]*(?P<quote>['\"]?)(?P<mark>\w+)(?P=quote)(?P<rest>[^\n]*)\n")
_PLACEHOLDER = re.compile(r"<[^<>\s]*>")  # <name>, <b>
# What a shell reads as the name of a file, and arguments such as a>b, x>=2, List[int]->str do not look like.
_FILE = re.compile(r"&\d|&-|[^\s|&;<>()'\"]*/[^\s|&;<>()'\"]*|[\w.@+-]*\.[A-Za-z]\w*")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a word that is written in one way of quoting."""

    text: str
    quote: str = PLAIN


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a command."""

    pieces: tuple[Piece, ...]
    raw: str  # as it is written in a shell

    @property
    def text(self) -> str:
        """Return the word without its quotes, nothing expanded."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def is_plain(self) -> bool:
        """Return whether it is written without quotes."""
        return all(piece.quote == PLAIN for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator between words."""

    text: str  # |, &&, ;, &, >, 2>, <<, (, #, a line break ...
    target: Word | None = None  # of a redirection: the file, the descriptor (&1), or the text of a here-document

    @property
    def redirects(self) -> bool:
        """Return whether it is a redirection."""
        return "<" in self.text or ">" in self.text

    @property
    def shown(self) -> str:
        """Return it as it was written, with its target."""
        if self.text == "\n":
            return "a line break"
        if self.text.startswith("<<") and not self.text.startswith("<<<"):
            return "<<"
        return self.text + (self.target.raw if self.target else "")


Token = Word | Operator


def split_line(line: str, is_command: IsCommand) -> list[Token]:
    """Split a command line into words and operators.

    What a shell would take for an operator is one here only if it cannot well be meant as text: ``a|b``, ``x>=2``,
    ``<name>`` and the ``&`` in an address stay parts of their word.

    Args:
        line: The command line.
        is_command: Returns whether a word names a program or a command of the shell.

    Raises:
        ValueError: A quote is not closed, or the last character is a lone backslash.
    """
    return _Lexer(line, is_command).tokens()


class _Lexer:
    def __init__(self, line: str, is_command: IsCommand) -> None:
        self._line = line
        self._is_command = is_command
        self._at = 0
        self._tokens: list[Token] = []
        self._pieces: list[Piece] = []
        self._started = 0  # where the current word starts

    def tokens(self) -> list[Token]:
        while self._at < len(self._line):  # a here-document is taken out of it
            line = self._line
            character = line[self._at]
            if not self._pieces:
                self._started = self._at
            if character in " \t\r":
                self._end_word()
                self._at += 1
            elif line.startswith("\\\n", self._at):
                self._at += 2
            elif character == "\\":
                self._add(self._character_after_backslash(), SINGLE)
            elif character in "'\"":
                self._quoted(character)
            elif not (self._substitution() or self._line_break() or self._operator() or self._comment()):
                self._add(character, PLAIN)
                self._at += 1
        self._end_word()
        return self._tokens

    def _add(self, text: str, quote: str) -> None:
        last = self._pieces[-1] if self._pieces else None
        if last is not None and last.quote == quote:
            self._pieces[-1] = Piece(last.text + text, quote)
        else:
            self._pieces.append(Piece(text, quote))

    def _end_word(self) -> None:
        if self._pieces:
            self._tokens.append(Word(tuple(self._pieces), self._line[self._started : self._at]))
            self._pieces = []

    def _end_operator(self, text: str, target: Word | None = None) -> None:
        self._tokens.append(Operator(text, target))

    def _character_after_backslash(self) -> str:
        if self._at + 1 == len(self._line):
            raise ValueError("No escaped character")
        self._at += 2
        return self._line[self._at - 1]

    def _quoted(self, quote: str) -> None:
        line, position = self._line, self._at + 1
        text: list[str] = []
        while position < len(line) and line[position] != quote:
            if quote == '"' and line[position] == "\\" and line[position + 1 : position + 2] in tuple('"\\$`\n'):
                if line[position + 1] in "$`":  # the shell would not expand it
                    self._add("".join(text), quote)
                    text = []
                    self._add(line[position + 1], SINGLE)
                elif line[position + 1] != "\n":
                    text.append(line[position + 1])
                position += 2
            else:
                text.append(line[position])
                position += 1
        if position == len(line):
            raise ValueError("No closing quotation")
        self._add("".join(text), quote)
        self._at = position + 1

    def _substitution(self) -> bool:
        """Take ``$(...)`` or backquotes as one piece, with the blanks in them."""
        line, start = self._line, self._at
        if line[start] == "`":
            end = line.find("`", start + 1) + 1
        elif line.startswith("$(", start):
            end = _closing(line, start + 1)
        else:
            return False
        if not end:
            return False
        self._add(line[start:end], COMMAND)
        self._at = end
        return True

    def _line_break(self) -> bool:
        if self._line[self._at] != "\n":
            return False
        self._end_word()
        self._at += 1
        if self._tokens and self._is_command(_first_word(self._line[self._at :])):
            self._end_operator("\n")
        return True

    def _comment(self) -> bool:
        if self._pieces or not re.match(r"#(?:[ \t!]|$)", self._line[self._at :]) or not self._tokens:
            return False
        self._end_operator("#")
        end = self._line.find("\n", self._at)
        self._at = len(self._line) if end < 0 else end
        return True

    def _operator(self) -> bool:
        character = self._line[self._at]
        if character in "<>" or (self._line.startswith("&>", self._at) and not self._pieces):
            return self._here_document() or self._redirection()
        return character in "|&;" and self._connector()

    def _connector(self) -> bool:
        line = self._line
        found = _CONNECTOR.match(line, self._at)
        if found is None:
            return False
        operator, after = found[0], line[found.end() : found.end() + 1]
        blank_before, blank_after = not self._pieces, not after or after.isspace()
        in_address = "://" in line[self._started : self._at]
        if blank_before or blank_after:
            is_one = not in_address or operator in ("&&", "||", ";")
        else:
            is_one = operator != "&" and not in_address and self._is_command(_first_word(line[found.end() :]))
        if operator == "&" and blank_before and not blank_after:  # &name
            is_one = False
        if not is_one:
            return False
        self._end_word()
        self._end_operator(operator)
        self._at = found.end()
        return True

    def _redirection(self) -> bool:
        line = self._line
        found = _REDIRECTION.match(line, self._at)
        if found is None:
            return False
        operator, end = found[0], found.end()
        written = line[self._started : self._at] if self._pieces else ""
        descriptor = written if written.isdigit() else ""
        if operator in ("<", ">") and not written and (closing := _closing(line, end)):
            self._end_operator(operator, Word((Piece(line[end:closing], COMMAND),), line[end:closing]))
            self._at = closing
            return True
        blanks = len(line[end:]) - len(line[end:].lstrip(" \t"))
        if written:
            file = _FILE.match(line, end + blanks)
            is_file = file is not None and line[file.end() : file.end() + 1] in ("", *" \t\n|&;)")
            if written[-1] in "-=" or not (is_file or (descriptor and line[end : end + 1].isalpha())):
                return False
        elif operator == "<<" or line.startswith("=", end) or (operator == "<" and _PLACEHOLDER.match(line, self._at)):
            return False
        inner = _Lexer(line[end + blanks :], self._is_command)
        word = inner.leading_word()
        if word is None:
            return False
        if descriptor:
            self._pieces = []
        self._end_word()
        self._end_operator(descriptor + operator, word)
        self._at = end + blanks + inner._at
        return True

    def leading_word(self) -> Word | None:
        """Return the word with which the line starts, the target of a redirection; None if there is none."""
        line = self._line
        if line.startswith("&"):  # a descriptor: >&1
            self._add("&", PLAIN)
            self._at += 1
        while self._at < len(line) and line[self._at] not in " \t\r\n|&;<>":
            character = line[self._at]
            if character == "\\":
                self._add(self._character_after_backslash(), SINGLE)
            elif character in "'\"":
                self._quoted(character)
            elif not self._substitution():
                self._add(character, PLAIN)
                self._at += 1
        return Word(tuple(self._pieces), line[: self._at]) if self._pieces else None

    def _here_document(self) -> bool:
        found = _HERE_DOCUMENT.match(self._line, self._at)
        if found is None or self._pieces:
            return False
        text = self._line[found.end() :]
        indent = "\t*" if found["dash"] else ""
        end = re.search(rf"^{indent}{found['mark']}[ \t]*$", text, re.MULTILINE)
        if end is None:
            return False
        body = text[: end.start()]
        pieces = (Piece(body, SINGLE),) if found["quote"] else _document_pieces(body)
        self._end_operator(found[0][: 2 + len(found["dash"])], Word(pieces, body))
        # The rest of the first line belongs to the command; the lines after the document follow it.
        self._line = self._line[: found.start()] + found["rest"] + text[end.end() :]
        self._at = found.start()
        return True


def _document_pieces(body: str) -> tuple[Piece, ...]:
    """Return the pieces of a here-document in which the shell expands."""
    parts = re.split(r"\\([$`\\\n])", body)
    pieces = [Piece(part.strip("\n"), SINGLE) if at % 2 else Piece(part, DOUBLE) for at, part in enumerate(parts)]
    return tuple(pieces)


def _closing(line: str, opening: int) -> int:
    """Return the position after the parenthesis that closes the one at ``opening``; 0 if there is none."""
    depth = 0
    for position in range(opening, len(line) if line.startswith("(", opening) else 0):
        depth += {"(": 1, ")": -1}.get(line[position], 0)
        if not depth:
            return position + 1
    return 0


def _first_word(line: str) -> str:
    found = re.match(r"[ \t]*([^\s|&;<>()]+)", line)
    return found[1] if found else ""


def is_file_name(text: str) -> bool:
    """Return whether a text looks like the name of a file rather than a value that is compared."""
    return _FILE.fullmatch(text) is not None


def join_words(words: Sequence[Token]) -> str:
    """Write tokens as a line for a shell."""
    return " ".join(token.raw if isinstance(token, Word) else token.shown for token in words)
