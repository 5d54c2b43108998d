"""Keeps the tracer's own failures out of the program."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from ..recorder import Recorder

_OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def failed(recorder: Recorder, error: BaseException) -> None:
    """A callback has failed with *error*. Raises it again if it belongs to the program.

    While a callback runs, a signal handler of the program's may run in it and raise: what it raises goes
    on into the program, as it would have without the tracer. What the tracer itself got wrong ends here, with a notice.
    """
    if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
        raise error
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is not None and not traceback.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
        if not isinstance(error, MemoryError):
            raise error
    try:
        recorder.lost(error)
    except Exception:  # nothing more can be said, and the program goes on
        pass


def guard(callback: Callable[..., Any], recorder: Recorder) -> Callable[..., Any]:
    """*callback*, with ``failed`` for what it raises. It finds the program's frame at ``sys._getframe(2)``."""

    def guarded(*args: Any) -> Any:
        try:
            return callback(*args)
        except RecursionError:  # there is no room for another call, not even one that says so
            recorder.near_recursion_limit = True
            return None
        except BaseException as error:
            failed(recorder, error)
            return None

    return guarded
