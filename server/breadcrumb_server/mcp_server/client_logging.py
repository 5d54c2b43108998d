"""Send what is logged while a request is handled to its client as well (``notifications/message``).

Stderr has it all the same. MCP deprecates this since 2026-07-28 in favour of stderr (SEP-2577); it is here for the
sessions of earlier protocols, whose clients set a level, and goes when the SDK drops it.
"""

import logging
import math
from collections import deque
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.types import (
    LOG_LEVEL_META_KEY,
    EmptyResult,
    LoggingLevel,
    LoggingMessageNotification,
    LoggingMessageNotificationParams,
    SetLevelRequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from breadcrumb_server.mcp_server.error_text import printable, redact
from breadcrumb_server.mcp_server.sdk_internals import connection_of

# In a session without `logging/setLevel`, the server chooses.
DEFAULT_LEVEL: LoggingLevel = "warning"
# Messages kept for one request; of more, the last ones count.
MAX_MESSAGES = 50

_LOGGERS = ("breadcrumb_server", "breadcrumb_storage")
_LEVEL_KEY = "breadcrumb.log_level"
# RFC 5424 has levels that `logging` has not; each counts as the next one above it there.
_NUMBERS: dict[LoggingLevel, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "notice": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "alert": logging.CRITICAL + 1,
    "emergency": logging.CRITICAL + 1,
}

_records: ContextVar[deque[logging.LogRecord] | None] = ContextVar("log_records", default=None)


class _RequestHandler(logging.Handler):
    """Keeps the records of the request in whose context they are logged, also in its worker threads."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        if (records := _records.get()) is not None:
            records.append(record)


_HANDLER = _RequestHandler(logging.WARNING)


def install() -> None:
    """Collect what Breadcrumb logs; once is enough for all servers of a process."""
    for name in _LOGGERS:
        logging.getLogger(name).addHandler(_HANDLER)


async def set_level(ctx: ServerRequestContext[Any, Any], params: SetLevelRequestParams) -> EmptyResult:
    """Handle ``logging/setLevel``: the level holds for the session."""
    connection_of(ctx).state[_LEVEL_KEY] = params.level
    return EmptyResult()


async def forward_log(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Handle a request, then send its client what was logged meanwhile, ahead of the answer."""
    if ctx.request_id is None:  # a notification
        return await call_next(ctx)
    records: deque[logging.LogRecord] = deque(maxlen=MAX_MESSAGES)
    before = _records.set(records)
    try:
        return await call_next(ctx)
    finally:
        _records.reset(before)
        least = _least_number(ctx)
        for record in list(records):
            if record.levelno >= least:
                await ctx.session.send_notification(_message(record), related_request_id=ctx.request_id)


def _least_number(ctx: ServerRequestContext[Any, Any]) -> float:
    """Return the lowest level that the client wants, as a number of `logging`; infinity if it wants nothing."""
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:  # each request says so for itself
        meta: Mapping[str, Any] = ctx.meta or {}
        return _NUMBERS.get(meta.get(LOG_LEVEL_META_KEY, ""), math.inf)
    return _NUMBERS[connection_of(ctx).state.get(_LEVEL_KEY, DEFAULT_LEVEL)]


def _message(record: logging.LogRecord) -> LoggingMessageNotification:
    level: LoggingLevel = "error" if record.levelno >= logging.ERROR else "warning"
    return LoggingMessageNotification(
        params=LoggingMessageNotificationParams(
            level=level, logger=record.name, data=printable(redact(record.getMessage()))
        )
    )
