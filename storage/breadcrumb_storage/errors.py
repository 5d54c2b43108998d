"""Define Breadcrumb's errors, which say what happened, why, and what to do next.

Storage and services raise them. The server turns them into a tool error or an exit code in one place.
"""

from __future__ import annotations

import errno

# Reasons that may be gone the next time: no room for a file, too many open ones, no memory, a disk that fails.
PASSING_ERRORS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EROFS}
)


class BreadcrumbError(Exception):
    """An error that the caller can understand and act on.

    Its text is the three arguments, one below the other, without the empty ones.

    Args:
        what: One sentence: what happened.
        why: The reason if known; the message of another program unchanged.
        hint: What to do or to call instead.
    """

    def __init__(self, what: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        return "\n".join(part for part in (self.what, self.why, self.hint) if part)


class DatabaseBusy(BreadcrumbError):
    """The database stayed locked for longer than the lock timeout."""


class DatabaseTooNew(BreadcrumbError):
    """The database was written by a newer Breadcrumb. The file is unchanged."""


class DatabaseUnusable(BreadcrumbError):
    """The file is damaged, is not a Breadcrumb database, or cannot be opened. It is unchanged."""


class DatabaseFailed(BreadcrumbError):
    """DuckDB could not do what was asked of an open database, such as for a full disk or a row that it cannot read."""


class SpoolUnreadable(BreadcrumbError):
    """The spool folder of a trace is gone or cannot be read: what it held and was not ingested before is lost."""


class SpoolTooNew(BreadcrumbError):
    """The spool of a trace was written by a newer Breadcrumb. It is unchanged."""


class QueryRefused(BreadcrumbError):
    """The SQL is not exactly one statement that only reads."""


class QueryFailed(BreadcrumbError):
    """The SQL is wrong, took too long, or needed too much memory."""


def is_refusal(error: BaseException) -> bool:
    """Return whether DuckDB refused the data or the statement, and would refuse it again.

    Others, such as a full disk, a lock or too little memory, may be gone the next time.
    """
    import duckdb

    return isinstance(error, duckdb.DataError | duckdb.ProgrammingError | duckdb.IntegrityError)


def is_passing(error: BaseException) -> bool:
    """Return whether an error of storage may be gone the next time: a busy database, a full disk, too little memory."""
    import duckdb

    if isinstance(error, SpoolUnreadable):
        return False
    if isinstance(error, OSError):
        return error.errno in PASSING_ERRORS
    return isinstance(error, BreadcrumbError) or (isinstance(error, duckdb.Error) and not is_refusal(error))


def is_corruption(error: BaseException) -> bool:
    """Return whether DuckDB met a damaged block, which it notices when a statement reads it."""
    import duckdb

    # It has no type of its own. A statement of a user may raise any text, but not of these types.
    return "Corrupt database file" in str(error) and isinstance(error, duckdb.Error) and not is_refusal(error)


def is_interrupt(error: BaseException) -> bool:
    """Return whether DuckDB stopped a statement because its connection was interrupted."""
    import duckdb

    return isinstance(error, duckdb.InterruptException)


def first_line(error: BaseException) -> str:
    """Return the type and the first line of an error's text."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
