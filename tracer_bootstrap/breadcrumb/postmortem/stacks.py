"""Answer the signal by which the server asks for the stack of each thread and each waiting task.

The server asks before it ends a process: at a timeout, or when a user stops the run. What writes the stacks
(``stack_writer.py``) is imported then.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found, unused-ignore]

from .. import record_format
from ..platform_features import HAS_REALTIME_SIGNALS, STACKS_SIGNAL
from ..runtime.guard import failure_handler
from ..runtime.interruptions import raised_by_program
from ..runtime.late_modules import late_methods
from ..runtime.system import system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Callable, Optional

    from ..events.greenlets import GreenletChains
    from ..session.session import Session

# After the answer the main thread waits for the end of the process, so that a call that the signal has interrupted
# (pause, a sleep in C) does not return into the program. Two seconds at most: the server may have died.
_WAIT_STEPS = 400
_WAIT_STEP_SECONDS = 0.005


class StackReporter:
    """The handler of STACKS_SIGNAL: writes one EVENT_STACK for each thread and each waiting task or greenlet.

    Args:
        session: Writes the events.
        greenlets: Knows the waiting greenlets.
    """

    __getattr__ = late_methods("postmortem.stack_writer", "StackWriter")

    def __init__(self, session: Session, greenlets: GreenletChains) -> None:
        self._session = session
        self._greenlets = greenlets
        self._handle_failure = failure_handler(session)
        self._is_answering = False

    @property
    def _handler(self) -> Callable[[int, Optional[FrameType]], None]:
        return self._on_signal if HAS_REALTIME_SIGNALS else self._on_shared_signal

    def start(self) -> None:
        """Install the signal handler, unless the program has installed its own.

        Raises:
            ValueError: This is not the main thread.
        """
        if _signal.getsignal(STACKS_SIGNAL) is _signal.SIG_DFL:
            _signal.signal(STACKS_SIGNAL, self._handler)

    def _on_shared_signal(self, number: int, frame: Optional[FrameType]) -> None:
        """Do what is asked for by a signal that has several meanings: stacks, if the server has left word of that."""
        try:
            system.stat("%s/%s" % (self._session.folder, record_format.STACKS_WANTED_FILE))
        except OSError as error:
            if raised_by_program(error):
                raise
            for callback in self._session.when_look_asked:
                callback()
        else:
            self._on_signal(number, frame)

    def stop(self) -> None:
        """Remove the signal handler.

        Raises:
            ValueError: This is not the main thread.
        """
        if _signal.getsignal(STACKS_SIGNAL) == self._handler:
            _signal.signal(STACKS_SIGNAL, _signal.SIG_DFL)

    if TYPE_CHECKING:

        def write_stacks(self, interrupted: Optional[FrameType]) -> None:
            """Write them; in the late class."""

    def _on_signal(self, number: int, frame: Optional[FrameType]) -> None:
        """Write the stacks, then wait as long as the file ``stacks-wanted`` announces the end of the process.

        Runs in the main thread between any two of its instructions, even the tracer's.
        """
        session = self._session
        session.notice_fork()
        if self._is_answering or session.is_forking():  # while forking, the spool may be the other process's
            return
        self._is_answering = True
        try:
            for callback in session.when_stacks_are_wanted:
                callback()
            self.write_stacks(frame)
        except (RecursionError, MemoryError):  # no room to answer: the server then asks faulthandler
            pass
        except BaseException as error:
            self._handle_failure(error)
        finally:
            self._is_answering = False
        wanted = "%s/%s" % (session.folder, record_format.STACKS_WANTED_FILE)
        for _ in range(_WAIT_STEPS):
            try:
                system.stat(wanted)
            except OSError as error:
                if raised_by_program(error):
                    raise
                return
            system.sleep(_WAIT_STEP_SECONDS)  # what a signal handler of the program raises here reaches the program
