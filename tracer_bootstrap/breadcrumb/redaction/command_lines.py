"""Secrets in the words of a command line."""

from __future__ import annotations

from ..value_format import REDACTED
from .secret_names import SECRET, SecretNames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Sequence

# Programs with a password behind an option of one letter, in the same word or in the next.
_MYSQL = ("mysql", "mysqldump", "mysqladmin", "mysqlimport", "mysqlcheck", "mariadb", "mariadb-dump")
_SHORT_OPTIONS = {
    "-p": (
        *_MYSQL,
        "sshpass",
        "mongo",
        "mongosh",
        "mongodump",
        "mongorestore",
        "docker",
        "podman",
        "helm",
        "7z",
        "rar",
    ),
    "-P": ("zip", "unzip", "sqlcmd", "bcp"),
    "-a": ("redis-cli",),
    "-w": ("ldapsearch", "ldapmodify", "ldapadd", "ldapwhoami"),
    "-u": ("curl",),  # user:password
    "-U": ("curl", "smbclient"),  # for the proxy; user%password
}
# With a space behind it, their option is another one.
_ATTACHED_ONLY = (*_MYSQL, "7z")
# Options whose value is user:password.
_USER_OPTIONS = ("-u", "-U", "--user", "--proxy-user")


def redact_words(
    words: Sequence[str], names: SecretNames, learn: Callable[[str, str], None], redact_text: Callable[[str], str]
) -> List[str]:
    """The words without secrets: what follows ``--password``, ``--token=...``, ``API_KEY=...``, ``mysql -p...``.

    learn: called with value and name; redact_text: for all other words.
    """
    out: List[str] = []
    secret_follows = ""  # the option before, if its value is a secret
    program = ""
    for word in words:
        name, equals, value = word.partition("=")
        bare = name.lstrip("-")
        short, attached = word[:2], word[2:]
        is_short = program in _SHORT_OPTIONS.get(short, ())
        if secret_follows and not word.startswith("-"):
            out.append(_hidden(word, secret_follows, names, learn))
        elif equals and is_option_name(bare, names):
            out.append(name + "=" + (_hidden(value, bare, names, learn) if value else ""))
        elif is_short and attached and not attached.startswith("-"):
            out.append(short + _hidden(attached, short, names, learn))
        else:
            out.append(redact_text(word))
            if not word.startswith("-"):
                program = _program(word) or program
        secret_follows = ""
        if word.startswith("-") and not equals:
            if is_option_name(bare, names):
                secret_follows = bare
            elif (is_short and not attached and program not in _ATTACHED_ONLY) or word in _USER_OPTIONS[2:]:
                secret_follows = word
    return out


def is_option_name(name: str, names: SecretNames) -> bool:
    return name.replace("-", "_").replace(".", "_").isidentifier() and bool(names.kind_of(name))


def _program(word: str) -> str:
    """The program's name, if the word is a program with a password among its short options."""
    base = word.rpartition("/")[2]
    return base if any(base in programs for programs in _SHORT_OPTIONS.values()) else ""


def _hidden(value: str, option: str, names: SecretNames, learn: Callable[[str, str], None]) -> str:
    """The mark for the value of an option; the user's name stays where it stands before the password.

    What stands behind an option is no word of a parser, so ``--token`` teaches whatever it is given.
    """
    if option in _USER_OPTIONS:
        separator = "%" if "%" in value and ":" not in value else ":"
        user, found, password = value.partition(separator)
        if not found:
            return value
        learn(password, "")
        return user + separator + REDACTED
    learn(value, "" if option.startswith("-") or names.kind_of(option) == SECRET else option)
    return REDACTED
