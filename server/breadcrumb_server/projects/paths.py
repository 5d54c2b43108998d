"""Check paths that callers give, in one place."""

from pathlib import Path

from breadcrumb_storage.errors import BreadcrumbError

# PATH_MAX of Linux, with its NUL; the system takes no longer one.
MAX_PATH_CHARS = 4_095
MAX_PART_BYTES = 255
_SHOWN_CHARS = 200


def expanded(given: str, name: str) -> Path:
    """Return a path with ``~`` expanded. It need not exist.

    Args:
        given: The path, absolute or relative.
        name: The name of the argument or setting, for errors.

    Raises:
        BreadcrumbError: The system can have no such path; says why.
    """
    if "\0" in given:
        raise BreadcrumbError(f"{name} holds a NUL byte.", hint="Give the path of a folder.")
    parts = given.split("/")
    if len(given) > MAX_PATH_CHARS or any(len(part.encode(errors="replace")) > MAX_PART_BYTES for part in parts):
        raise BreadcrumbError(f"{name} is too long for a path: {given[:_SHOWN_CHARS]}... ({len(given):,} characters)")
    try:
        return Path(given).expanduser()
    except RuntimeError:
        user = given.partition("/")[0]
        raise BreadcrumbError(
            f"{name} = {given[:_SHOWN_CHARS]!r}: there is no user {user!r}.", hint="Give an absolute path."
        ) from None
