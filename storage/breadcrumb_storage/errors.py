"""Define Breadcrumb's errors, which say what happened, why, and what to do next.

Storage and services raise them. The server turns them into a tool error or an exit code in one place.
"""

from __future__ import annotations


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


class QueryRefused(BreadcrumbError):
    """The SQL is not exactly one statement that only reads."""


class QueryFailed(BreadcrumbError):
    """The SQL is wrong, took too long, or needed too much memory."""
