"""Find out in time with which exit code the program will end: Python tells no hook of an ``exit(3)``."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

_FAILED = 1
_INTERRUPTED = 130  # what a shell shows: after an uncaught KeyboardInterrupt Python ends itself by SIGINT


class ExitCode:
    """The exit code of this process, as far as it follows from the exception that left its outermost frame."""

    def __init__(self) -> None:
        self._arrived: Optional[int] = None
        self._left: Optional[int] = None

    def arrives(self, exception: BaseException) -> None:
        """Note an exception that has reached the outermost frame. It is not kept."""
        self._arrived = _code_of(exception) if isinstance(exception, SystemExit) else None

    def leaves(self) -> None:
        """Note that the last exception which has arrived leaves the frame."""
        self._left = self._arrived

    def at_exit(self) -> int:
        """Return the code, at the normal exit of the process."""
        if self._left is not None:
            return self._left
        last = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        traceback = getattr(last, "__traceback__", None)
        # Test runners set sys.last_value too, to exceptions that they caught: their tracebacks begin further in.
        is_uncaught = traceback is not None and traceback.tb_frame.f_back is None
        if not is_uncaught or isinstance(last, SystemExit):
            return 0
        return _INTERRUPTED if isinstance(last, KeyboardInterrupt) else _FAILED


def _code_of(exit_request: SystemExit) -> int:
    """Return what ``sys.exit(x)`` makes of x: a text is printed, and the code is 1."""
    code = exit_request.code
    if code is None:
        return 0
    return code & 0xFF if isinstance(code, int) else _FAILED
