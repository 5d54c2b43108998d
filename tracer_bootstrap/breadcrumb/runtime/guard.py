"""Keep the tracer's own failures out of the program.

What the program calls (events, hooks, signal handlers) also runs after the interpreter has cleared the globals of the
tracer's modules, at its very end: functions here use closure variables only.
"""

from __future__ import annotations

import sys

from .interruptions import raised_by_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Protocol

    class Failures(Protocol):
        """The part of the session that records failures of callbacks."""

        near_recursion_limit: bool
        exception_ids: Dict[int, int]

        def notice_failure(self, error: BaseException) -> None:
            """Write a notice about an error in the tracer."""


def failure_handler(session: Failures) -> Callable[[BaseException], None]:
    """Return a function that handles an error which a callback has caught.

    It re-raises an error that the program raised, and writes a notice about any other: an error of the tracer never
    reaches the program. It drops all errors once the interpreter is being finalized: modules may be cleared by then.
    """
    is_program_error = raised_by_program
    is_finalizing = sys.is_finalizing

    def handle_failure(error: BaseException) -> None:
        if is_finalizing():
            return
        if is_program_error(error):
            raise error
        try:
            session.notice_failure(error)
        except Exception as failure:  # the notice cannot be written either: drop it
            if is_program_error(failure):
                raise

    return handle_failure


def event_failure_handler(session: Failures) -> Callable[[BaseException], None]:
    """Return a function that handles an error which the callback of an event has caught, as ``guard`` does."""
    handle_failure = failure_handler(session)

    def handle(error: BaseException) -> None:
        if isinstance(error, RecursionError):  # too deep for another call, even for a notice
            session.near_recursion_limit = True
            session.exception_ids = {}  # may be stale: exceptions raised meanwhile go unseen
        else:
            handle_failure(error)

    return handle


def guard(callback: Callable[..., Any], session: Failures) -> Callable[..., Any]:
    """Wrap a callback so that its errors go to a ``failure_handler``.

    The wrapper is one frame more: the callback finds the program's frame at ``sys._getframe(2)``.
    """
    handle_failure = failure_handler(session)

    def guarded(*args: Any) -> Any:
        try:
            return callback(*args)
        except RecursionError:  # too deep for another call, even for a notice
            session.near_recursion_limit = True
            session.exception_ids = {}  # may be stale: exceptions raised meanwhile go unseen
            return None
        except BaseException as error:
            handle_failure(error)
            return None

    return guarded
