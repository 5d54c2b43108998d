"""Keep the tracer's own failures out of the program."""

from __future__ import annotations

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


def handle_failure(session: Failures, error: BaseException) -> None:
    """Re-raise an error that a callback has caught if the program raised it; otherwise write a notice.

    An error of the tracer never reaches the program.
    """
    if raised_by_program(error):
        raise error
    try:
        session.notice_failure(error)
    except Exception as failure:  # the notice cannot be written either: drop it
        if raised_by_program(failure):
            raise


def guard(callback: Callable[..., Any], session: Failures) -> Callable[..., Any]:
    """Wrap a callback so that its errors go to ``handle_failure``.

    The wrapper is one frame more: the callback finds the program's frame at ``sys._getframe(2)``.
    """

    def guarded(*args: Any) -> Any:
        try:
            return callback(*args)
        except RecursionError:  # too deep for another call, even for a notice
            session.near_recursion_limit = True
            session.exception_ids = {}  # may be stale: exceptions raised meanwhile go unseen
            return None
        except BaseException as error:
            handle_failure(session, error)
            return None

    return guarded
