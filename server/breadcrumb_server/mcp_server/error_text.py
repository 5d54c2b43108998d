"""Make texts of errors fit to be sent to a client: without secrets, printable, not too long."""

from breadcrumb_server.answers.common.text import visible

# Far below the 11,000 characters or so at which clients cut an error.
MAX_ERROR_CHARS = 4_000
# Characters that are searched for secrets: many more than are shown, so that none is cut in two and missed.
MAX_READ_CHARS = 64_000


def redact(text: str) -> str:
    """Redact a text, which may repeat a password from the caller's arguments; of a very long one only the beginning."""
    from breadcrumb.redaction.redactor import Redactor

    return Redactor().redact_text(text[:MAX_READ_CHARS])


def printable(text: str) -> str:
    """Replace what UTF-8 cannot hold and what cannot be seen, and cut the text."""
    text = visible(text.encode("utf-8", errors="replace").decode())
    return text if len(text) <= MAX_ERROR_CHARS else f"{text[:MAX_ERROR_CHARS]}... ({len(text):,} characters)"
