"""Tell commands, program text and operators among the words of a command."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from shlex import quote

from breadcrumb_server.runs.shell.expansion import Surroundings, expandable_argument
from breadcrumb_server.runs.shell.words import COMMAND, PLAIN, SINGLE, Operator, Piece, Token, Word, is_file_name

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "fish"})
_CODE_OPTION = re.compile(r"-[a-zA-Z]*c")
_TAKES_CODE = re.compile(r"(?:python|pypy|ipython)[\d.]*t?|perl|ruby|node")
# Commands that only a shell has, and words with which its statements start. A program may have the name of some.
BUILTINS = frozenset(
    {
        ".", "alias", "cd", "eval", "exec", "export", "pushd", "set", "source", "time", "trap", "ulimit", "umask",
        "unset", "wait", "for", "while", "until", "if", "case", "function", "select", "[[", "{", "!",
    }
)  # fmt: skip
_ONLY_BUILTIN = frozenset({"cd", "source", "export", "."})
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_CONNECTORS = frozenset({"&&", "||", "|", "|&", ";", "&"})
_ARGUMENT_REDIRECTION = re.compile(r"(?P<operator>(?:\d|&)?(?:>>|>\|?|<))(?P<target>.*)", re.DOTALL)
_SAME_STREAM = re.compile(r"[12]?>&[12]")


def is_command(word: str, path: str) -> bool:
    """Return whether a word can be the first of a command."""
    if word in BUILTINS or ASSIGNMENT.match(word):
        return True
    return bool(re.fullmatch(r"[\w./+~-]+", word)) and shutil.which(word, path=path) is not None


def tokens_of(words: Sequence[str], around: Surroundings, path: str) -> list[Token]:
    """Read the words of a list: operators that can only be meant for a shell, and arguments that it would expand."""
    tokens: list[Token] = []
    codes = code_positions(words)
    if codes and _program(words[0]) in _SHELLS:  # the shell gets it all
        return [_literal(word) for word in words]
    is_assignment = False
    for position, word in enumerate(words):
        before = words[position - 1] if position else ""
        rest = words[position + 1 :]
        is_value = before.startswith("-") and before != "--"  # -d "|", --pattern "*.py", -exec rm {} ";"
        starts_command = not tokens or (isinstance(tokens[-1], Operator) and not tokens[-1].redirects)
        if ASSIGNMENT.match(word) and (starts_command or is_assignment):
            name, _, value = word.partition("=")
            tokens.append(Word((Piece(name + "="), Piece(value, SINGLE)), f"{name}={quote(value)}"))
            is_assignment = True
            continue
        is_assignment = False
        if position in codes or not word:
            tokens.append(_literal(word))
        elif tokens and isinstance(tokens[-1], Operator) and tokens[-1].redirects and tokens[-1].target is None:
            tokens[-1] = Operator(tokens[-1].text, _literal(word))
        elif position and (operator := _operator_argument(word, rest, path)) and not is_value:
            tokens.append(operator)
        elif expandable_argument(word, around.variables, around.folder) and not is_value:
            substitutes = word.startswith(("$(", "`"))
            tokens.append(Word((Piece(word, COMMAND if substitutes else PLAIN),), word))
        else:
            tokens.append(_literal(word))
    return tokens


def _operator_argument(word: str, rest: Sequence[str], path: str) -> Operator | None:
    """Return the operator that an argument is, if it can only be meant for a shell."""
    if word in _CONNECTORS:
        ends_there = not rest and word in ("&", ";")
        return Operator(word) if (ends_there and word == "&") or (rest and is_command(rest[0], path)) else None
    if re.fullmatch(_SAME_STREAM, word):
        return Operator(word[: word.index("&")], Word((Piece(word[word.index("&") :]),), word[word.index("&") :]))
    redirection = _ARGUMENT_REDIRECTION.fullmatch(word)
    if redirection is None:
        return None
    operator, target = redirection["operator"], redirection["target"]
    if target:
        return Operator(operator, _literal(target)) if is_file_name(target) else None
    follows = rest[0] if rest else ""
    at_the_end = len(rest) == 1 or (len(rest) > 1 and _operator_argument(rest[1], rest[2:], path) is not None)
    return Operator(operator) if at_the_end and is_file_name(follows) else None


def _literal(text: str) -> Word:
    return Word((Piece(text, SINGLE),), quote(text))


def code_positions(words: Sequence[str]) -> set[int]:
    """Return the positions of program text: the words after ``python -c`` and ``bash -c``."""
    found: set[int] = set()
    program = ""  # the last word that is no option
    for position, word in enumerate(words[:-1]):
        if _CODE_OPTION.fullmatch(word) and (program in _SHELLS or _TAKES_CODE.fullmatch(program)):
            found.add(position + 1)
        is_value = position > 0 and words[position - 1] in ("-X", "-W")
        if not word.startswith("-") and not is_value:
            program = _program(word)
    return found


def _program(word: str) -> str:
    return word.rpartition("/")[2]


def is_builtin(word: Word, path: str) -> bool:
    """Return whether the first word of a command is one that a shell runs itself."""
    name = word.text
    if name not in BUILTINS or not (word.is_plain or name in _ONLY_BUILTIN):
        return False
    return name in _ONLY_BUILTIN or shutil.which(name, path=path) is None
