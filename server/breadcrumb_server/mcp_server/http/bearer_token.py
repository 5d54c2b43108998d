"""Find the bearer token of an HTTP server, or make one."""

import os
import re
import secrets
import shlex
import stat
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from breadcrumb_server.projects.atomic_file import write_file
from breadcrumb_server.projects.home import Home
from breadcrumb_storage.errors import BreadcrumbError

ENV_TOKEN = "BREADCRUMB_HTTP_TOKEN"
FILE_NAME = "http-token"

# 43 characters of urlsafe base64; a given token may be shorter, but not so short that it could be guessed.
TOKEN_BYTES = 32
MIN_CHARS = 32
# A longer file is some other file.
MAX_CHARS = 4096
_FORM = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, section 2.1

_MAKE_ONE = 'Make one: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'


@dataclass(frozen=True)
class BearerToken:
    """A token and where it is from.

    Attributes:
        text: The token itself; never printed or logged.
        source: Where it is, for people.
        in_shell: What a shell replaces by it.
        was_given: Whether the user named it, rather than Breadcrumb making it.
    """

    text: str = field(repr=False)
    source: str
    in_shell: str
    was_given: bool


def find_token(home: Home, file: Path | None, environ: MutableMapping[str, str]) -> BearerToken:
    """Return the token in ``file``, else the one in ``BREADCRUMB_HTTP_TOKEN``, else that of the home folder.

    The last one is made if it is missing. The variable is removed, so that commands that are run do not inherit it.

    Args:
        home: The folder with the projects.
        file: The file that the user named.
        environ: The variables of this process.

    Raises:
        BreadcrumbError: The token is missing, too short or no token, or others can read its file.
    """
    given = environ.pop(ENV_TOKEN, None)
    if file is not None:
        return _from_file(file, was_given=True)
    if given is not None:
        source = f"the variable {ENV_TOKEN}"
        return BearerToken(_checked(given, source), source, f"${ENV_TOKEN}", was_given=True)
    home.create()
    own = home.folder / FILE_NAME
    with home.locked():  # two servers may start at once
        if not os.path.lexists(own):
            write_file(own, secrets.token_urlsafe(TOKEN_BYTES) + "\n")
    return _from_file(own, was_given=False)


def _from_file(file: Path, *, was_given: bool) -> BearerToken:
    path = file.expanduser().absolute()
    source = f"the file {path}"
    return BearerToken(_checked(_read(path), source), source, f"$(cat {shlex.quote(str(path))})", was_given)


def _read(path: Path) -> str:
    try:
        # Without O_NONBLOCK, opening a named pipe waits for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, encoding="ascii", errors="replace") as stream:
            info = os.fstat(stream.fileno())
            if not stat.S_ISREG(info.st_mode):
                raise BreadcrumbError(f"{path} is not a file.", hint=f"Name a file with a token. {_MAKE_ONE}")
            if info.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise BreadcrumbError(
                    f"The token in {path} is not used: other users may have read it.",
                    why=f"The file has mode {stat.S_IMODE(info.st_mode):04o}; 0600 is allowed.",
                    hint=f"If nobody has read it: chmod 600 {shlex.quote(str(path))}. Else write a new token first.",
                )
            if info.st_uid not in (0, os.geteuid()):
                raise BreadcrumbError(
                    f"The token in {path} is not used: the file belongs to another user.",
                    hint="Copy it into a file of your own with mode 0600.",
                )
            return stream.read(MAX_CHARS + 1)
    except OSError as error:
        raise BreadcrumbError(
            f"Cannot read the token in {path}.", why=str(error), hint=f"It is a line of text. {_MAKE_ONE}"
        ) from error


def _checked(text: str, source: str) -> str:
    """Return the token without the space around it. No message repeats any of it."""
    token = text.strip()
    if not token:
        raise BreadcrumbError(f"There is no token in {source}: it is empty.", hint=_MAKE_ONE)
    if not _FORM.fullmatch(token) or len(token) > MAX_CHARS:
        raise BreadcrumbError(
            f"What is in {source} is not a bearer token.",
            why="It is one word of letters, digits and -._~+/, perhaps with = at its end (RFC 6750).",
            hint=_MAKE_ONE,
        )
    if len(token) < MIN_CHARS:
        raise BreadcrumbError(
            f"The token in {source} is too short: {len(token)} characters.",
            why=f"Whoever guesses it runs commands as you: it has {MIN_CHARS} characters at least.",
            hint=_MAKE_ONE,
        )
    return token
