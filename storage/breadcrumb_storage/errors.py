"""The one error type of Breadcrumb: what happened, why, and what to do next.

Services and storage raise it; the server turns it into a tool error or an exit code in one place.
"""

from __future__ import annotations


class BreadcrumbError(Exception):
    """Something the caller can understand and act on.

    Args:
        what: What happened, as one sentence.
        why: The reason, where it is known; another program's message goes here word for word.
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
    """Someone else held the database for longer than the lock timeout."""


class DatabaseTooNew(BreadcrumbError):
    """The database was written by a newer Breadcrumb. It is left as it is."""


class DatabaseUnusable(BreadcrumbError):
    """The file is damaged, is not a Breadcrumb database, or cannot be opened. It is left as it is."""


class QueryRefused(BreadcrumbError):
    """The SQL is not exactly one statement that only reads."""


class QueryFailed(BreadcrumbError):
    """The SQL was tried and failed: it is wrong, took too long, or needed too much memory."""
