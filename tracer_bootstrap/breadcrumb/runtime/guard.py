"""Keeps the tracer's own failures out of the program."""

from __future__ import annotations

from .interruptions import raised_by_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Protocol

    class Failures(Protocol):
        """Keeps what callbacks have missed: the session."""

        near_recursion_limit: bool
        exception_ids: Dict[int, int]

        def notice_failure(self, error: BaseException) -> None:
            """Write a notice about an error of the tracer's."""


def handle_failure(session: Failures, error: BaseException) -> None:
    """A callback has failed with *error*. Raises it again if it is the program's, as it would have been raised there.

    What the tracer itself got wrong ends here, with a notice.
    """
    if raised_by_program(error):
        raise error
    try:
        session.notice_failure(error)
    except Exception as failure:  # nothing more can be said, and the program goes on
        if raised_by_program(failure):
            raise


def guard(callback: Callable[..., Any], session: Failures) -> Callable[..., Any]:
    """*callback*, with ``handle_failure`` for what it raises. It finds the program's frame at ``sys._getframe(2)``."""

    def guarded(*args: Any) -> Any:
        try:
            return callback(*args)
        except RecursionError:  # there is no room for another call, not even one that says so
            session.near_recursion_limit = True
            session.exception_ids = {}  # of those that are raised meanwhile nothing is heard
            return None
        except BaseException as error:
            handle_failure(session, error)
            return None

    return guarded
