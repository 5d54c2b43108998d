"""Redact secrets in the words of a command line."""

from __future__ import annotations

from ..value_format import REDACTED
from .regex import compiled
from .secret_names import JUDGED, SECRET, SecretNames, is_credential

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, List, Sequence, Tuple

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
# Only while they log in: ``docker run -p 8080:80`` names ports.
_LOGINS = ("docker", "podman", "helm")
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
        is_short = program in _SHORT_OPTIONS.get(short, ()) and (program not in _LOGINS or "login" in words)
        if secret_follows and not word.startswith("-"):
            out.append(_redact_value(word, secret_follows, names, learn))
        elif equals and _is_secret_option(bare, names) and value:
            out.append(name + "=" + (_redact_value(value, bare, names, learn)))
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
    if names.kind_of(option) == JUDGED and not is_credential(value):
        return value
    if option in _USER_OPTIONS:
        separator = "%" if "%" in value and ":" not in value else ":"
        user, found, password = value.partition(separator)
        if not found:
            return value
        learn(password, "")
        return user + separator + REDACTED
    learn(value, "" if option.startswith("-") or names.kind_of(option) == SECRET else option)
    return REDACTED


# A program that takes a password after a short option, and the rest of its command.
_PROGRAMS = sorted({program for programs in _SHORT_OPTIONS.values() for program in programs})
_COMMAND = r"(?<![\w./-])(?:[\w./-]*/)?(" + "|".join(_PROGRAMS) + r")(?=\s)([^\n;|&<>]*)"


def redact_commands(text: str, names: SecretNames, learn: Callable[[str, str], None]) -> str:
    """Redact the passwords after short options of known programs in a text: ``mysql -px shop``, ``curl -u me:x URL``.

    Args:
        text: The text to search.
        names: The rules for secret names.
        learn: Called with each secret value and its name.
    """
    pattern = compiled(_COMMAND)
    if pattern is None:
        return REDACTED

    def redact(match: Any) -> str:
        head: str = match.group()[: match.start(2) - match.start()]
        spaced = [*_split_at_spaces(match.group(2))]
        words = redact_words(
            [match.group(1), *[word.strip("'\"") for word, _ in spaced]], names, learn, lambda word: word
        )[1:]
        return head + "".join(
            [(word if REDACTED not in redacted else redacted) + space for (word, space), redacted in zip(spaced, words)]
        )

    return str(pattern.sub(redact, text))


def _split_at_spaces(text: str) -> Iterator[Tuple[str, str]]:
    """Yield each word with the spaces after it; the first one may be empty."""
    word = space = ""
    for char in text:
        if char.isspace():
            space += char
        elif space:
            yield word, space
            word, space = char, ""
        else:
            word += char
    yield word, space
