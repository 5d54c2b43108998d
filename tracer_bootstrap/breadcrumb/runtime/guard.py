"""Keeps the tracer's own failures out of the program."""

from __future__ import annotations

from .interruptions import is_of_the_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from ..recorder import Recorder


def failed(recorder: Recorder, error: BaseException) -> None:
    """A callback has failed with *error*. Raises it again if it is the program's, as it would have been raised there.

    What the tracer itself got wrong ends here, with a notice.
    """
    if is_of_the_program(error):
        raise error
    try:
        recorder.lost(error)
    except Exception as failure:  # nothing more can be said, and the program goes on
        if is_of_the_program(failure):
            raise


def guard(callback: Callable[..., Any], recorder: Recorder) -> Callable[..., Any]:
    """*callback*, with ``failed`` for what it raises. It finds the program's frame at ``sys._getframe(2)``."""

    def guarded(*args: Any) -> Any:
        try:
            return callback(*args)
        except RecursionError:  # there is no room for another call, not even one that says so
            recorder.near_recursion_limit = True
            recorder.exceptions.known = {}  # of those that are raised meanwhile nothing is heard
            return None
        except BaseException as error:
            failed(recorder, error)
            return None

    return guarded
