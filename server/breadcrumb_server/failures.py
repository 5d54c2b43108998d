"""Turn any exception into the one error type: what happened, why, and what to do."""

import traceback

from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.system_errors import hint_for
from breadcrumb_storage.errors import BreadcrumbError, first_line

# Characters of the text of another program.
MAX_WHY_CHARS = 300


def as_breadcrumb_error(error: BaseException, doing: str) -> BreadcrumbError:
    """Return the error that tells a caller of any exception; a `BreadcrumbError` is returned as it is.

    Args:
        error: What was raised.
        doing: What failed, as the beginning of a sentence: the name of a tool.
    """
    if isinstance(error, BreadcrumbError):
        return error
    why = first_line(error)[:MAX_WHY_CHARS]
    if isinstance(error, OSError):
        hint = hint_for(error, "Look at the path that it names, then call again.")
        return BreadcrumbError(f"{doing} failed: the system refused it.", why=why, hint=hint)
    if isinstance(error, MemoryError):
        return BreadcrumbError(f"{doing} failed: there was too little memory.", why=why, hint="Ask about less of it.")
    if isinstance(error, ImportError):
        return BreadcrumbError(
            f"{doing} failed: a part of Breadcrumb's installation cannot be loaded.",
            why=why,
            hint="Install it again (pipx reinstall breadcrumb-mcp), and restart this server.",
        )
    return BreadcrumbError(
        f"{doing} failed because of an error in Breadcrumb itself: {why}",
        hint="The server's log (stderr) has the traceback. Other tools still work; list_traces shows what is recorded.",
    )


def is_defect(error: BaseException) -> bool:
    """Return whether an exception is none that Breadcrumb raises or the system: its traceback belongs into the log."""
    return not isinstance(error, BreadcrumbError | OSError | MemoryError)


def traceback_text(error: BaseException) -> str:
    """Return the traceback of an exception for the log, without secrets."""
    return Redactor().redact_text("".join(traceback.format_exception(error)))
