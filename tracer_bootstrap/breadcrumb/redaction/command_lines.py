"""Redact secrets in the words of a command line."""

from __future__ import annotations

from ..value_format import REDACTED
from .secret_names import SECRET, SecretNames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Sequence

# Programs that take a password after a one-letter option, in the same word or in the next.
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
# Their option takes a password in the same word only: ``mysql -p shop`` names a database.
_ATTACHED_ONLY = (*_MYSQL, "7z")
# Options whose value is user:password.
_USER_OPTIONS = ("-u", "-U", "--user", "--proxy-user")


def redact_words(
    words: Sequence[str], names: SecretNames, learn: Callable[[str, str], None], redact_text: Callable[[str], str]
) -> List[str]:
    """Redact the values of ``--password x``, ``--token=x``, ``API_KEY=x``, ``mysql -px`` and the like.

    Args:
        words: The command line, one item per word.
        names: The rules for secret names.
        learn: Called with each secret value and its name.
        redact_text: Applied to all other words.
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
            out.append(_redact_value(word, secret_follows, names, learn))
        elif equals and _is_secret_option(bare, names):
            out.append(name + "=" + (_redact_value(value, bare, names, learn) if value else ""))
        elif is_short and attached and not attached.startswith("-"):
            out.append(short + _redact_value(attached, short, names, learn))
        else:
            out.append(redact_text(word))
            if not word.startswith("-"):
                program = _program(word) or program
        secret_follows = ""
        if word.startswith("-") and not equals:
            if _is_secret_option(bare, names):
                secret_follows = bare
            elif (is_short and not attached and program not in _ATTACHED_ONLY) or word in _USER_OPTIONS[2:]:
                secret_follows = word
    return out


def _is_secret_option(name: str, names: SecretNames) -> bool:
    return name.replace("-", "_").replace(".", "_").isidentifier() and bool(names.kind_of(name))


def _program(word: str) -> str:
    """Return the program's name if it takes a password after a short option, else an empty string."""
    base = word.rpartition("/")[2]
    return base if any(base in programs for programs in _SHORT_OPTIONS.values()) else ""


def _redact_value(value: str, option: str, names: SecretNames, learn: Callable[[str, str], None]) -> str:
    """Redact an option's value, except for a user name before the password.

    A value after ``--token`` is no token of a parser, so it is learned without that name, which would exclude words.
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
