"""Hold what is known of exceptions. The methods that record them are imported at the first exception in traced code."""

from __future__ import annotations

import builtins
from _weakref import ref

from ..runtime.classes import class_name, derives
from ..runtime.late_modules import late_methods

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

    from ..session.session import Session
    from .adaptive import AdaptiveCapture
    from .calls import CallLog
    from .exception_text import StackText
    from .exceptions import ExceptionLog, RaisesAtPlace

    # Code, instruction and type.
    Place = Tuple[int, int, int]

BASE_GROUP: Any = vars(builtins).get("BaseExceptionGroup")  # since 3.11

# Bypasses the exception's class, which may define a property of the same name.
traceback_of: Any = BaseException.__dict__["__traceback__"].__get__


def is_control_flow(exception: BaseException) -> bool:
    """Return whether the exception only ends an iteration or a generator (an instance of a subclass does not)."""
    cls = type(exception)
    return cls is StopIteration or cls is StopAsyncIteration or cls is GeneratorExit


def is_group(exception: BaseException) -> bool:
    """Return whether the exception is a group, of which ``except*`` may let a part go on: a new object."""
    return BASE_GROUP is not None and derives(type(exception), BASE_GROUP)


class ExceptionState:
    """What an ``ExceptionLog`` knows.

    Args:
        session: Writes the events and holds the ids.
        calls: Knows the calls that an exception has ended.
        adaptive: Records counted calls late; None if every call is recorded.
        sees_all_code: Whether raises and handlers in code that is not traced are reported too.
    """

    __getattr__ = late_methods("events.exceptions", "ExceptionLog")

    def __init__(
        self, session: Session, calls: CallLog, adaptive: Optional[AdaptiveCapture], sees_all_code: bool
    ) -> None:
        self._session = session
        self._calls = calls
        self._adaptive = adaptive
        self._sees_all_code = sees_all_code
        self._places: Dict[Place, RaisesAtPlace] = {}
        self._stacks: Optional[StackText] = None
        self._last_id = 0
        self._is_repeated = False  # whether the exception that is being written is one of many alike
        self._last_uncaught = 0
        # The last groups, by their address: weak references, None to a class without them, and the leaves.
        self._groups: Dict[int, Tuple[Optional[ref[BaseException]], List[int]]] = {}
        # The address and the leaves of a group, by the id of the frame that caught it.
        self._groups_handled: Dict[int, Tuple[int, List[int]]] = {}
        self._last_probe = 0  # the exception that a built-in function such as hasattr may have swallowed
        # The classes of the last exceptions by id, which a program may want to be collected.
        self._classes: Dict[int, ref[type]] = {}
        # Where those were raised that were first seen when they were thrown into a generator, by their address.
        self._thrown: Dict[int, Place] = {}
        self._server_errors: Dict[int, None] = {}  # ids of those that carry the status of a failed server
        self.when_raised: List[Callable[[int], None]] = []  # called with the address, once for each raise

    def parts_in_c(self) -> Dict[str, Any]:
        """Return what the core in C needs of this log; the tables stay the same ones."""
        return {
            "thrown": self._thrown,
            "groups_handled": self._groups_handled,
            "places": self._places,
            "when_raised": self.when_raised,
        }

    def clear(self) -> None:
        """Forget all exceptions, in a forked child."""
        self._places.clear()
        self._groups_handled.clear()
        self._groups.clear()
        self._last_id = 0
        self._last_uncaught = 0
        self._last_probe = 0
        self._classes.clear()
        self._thrown.clear()
        self._server_errors.clear()

    def forget_dead(self, exception: BaseException) -> None:
        """Forget the id at the address of an exception that is not written: it was a dead one's."""
        if self._session.exception_ids:
            self._session.exception_ids.pop(id(exception), None)
            self._thrown.pop(id(exception), None)

    def is_cancellation(self, exception: BaseException) -> bool:
        """Return whether the exception ends a call that nobody needs any more: a cancelled task, a closed generator."""
        cls = type(exception)
        return class_name(cls) in ("CancelledError", "GeneratorExit", "Cancelled", "GreenletExit")


def exception_log(
    session: Session, calls: CallLog, adaptive: Optional[AdaptiveCapture], sees_all_code: bool
) -> ExceptionLog:
    """Return a log of exceptions, which is imported when it is needed."""
    log: Any = ExceptionState(session, calls, adaptive, sees_all_code)
    return log  # type: ignore[no-any-return]
