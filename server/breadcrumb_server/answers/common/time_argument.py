"""Parse times in arguments."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from breadcrumb_storage.errors import BreadcrumbError

_AGO = re.compile(r"(\d{1,6})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_since(text: str, now: datetime | None = None, argument: str = "since") -> datetime:
    """Parse an age such as ``1h``, a date, or an ISO date and time.

    Args:
        text: A time without a zone is UTC, as all timestamps of the database.
        now: The moment that an age counts back from, with a zone; the present by default.
        argument: The name of the argument, for the error.

    Returns:
        The moment in UTC, without a zone.

    Raises:
        BreadcrumbError: The text is none of these.
    """
    now = now or datetime.now(UTC)
    given = text.strip()
    try:
        if ago := _AGO.fullmatch(given.lower()):
            moment = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            moment = datetime.fromisoformat(given)
    except (ValueError, OverflowError) as error:
        raise BreadcrumbError(
            f"{argument}={text[:80]!r} is not a time.",
            hint="Use an age such as 30m, 1h, 2d or 1w, a date such as 2025-01-10, or 2025-01-10T14:30:00 (UTC).",
        ) from error
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment
