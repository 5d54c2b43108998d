"""The ways to learn that a call starts or ends, behind one base class; chosen once, when the tracer starts.

To add a backend, subclass ``Backend`` and name the class in ``choose`` and ``backend_class``.
"""

from __future__ import annotations

from ..runtime.features import monitoring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Optional, Tuple, Type

    from ..events.adaptive import AdaptiveCapture
    from ..events.calls import CallLog
    from ..events.exceptions import ExceptionLog
    from ..events.functions import FunctionLog
    from ..events.gaps import GapLog
    from ..events.greenlets import GreenletChains
    from ..events.lines import LineLog
    from ..events.test_runners import TestLog
    from ..session.functions import Function
    from ..session.session import Session


class Parts:
    """Hand a backend the parts of the recorder that it reports to.

    Args:
        session: The state that all parts share.
        function_log: Decides which code is traced.
        calls: Takes the begins and ends of calls.
        exceptions: Takes raises, handlers and what nobody handles.
        gaps: Counts calls of functions that are not traced.
        greenlets: Follows switches of greenlets, once greenlet has been imported.
        tests: Returns the log of test-runner events, which is made at its first use.
        adaptive: Decides which calls are only counted; None if all are recorded.
        lines: Set if the lines of some functions are recorded.
    """

    __slots__ = (
        "adaptive",
        "calls",
        "exceptions",
        "function_log",
        "gaps",
        "greenlets",
        "lines",
        "session",
        "tests",
    )  # fmt: skip

    def __init__(
        self,
        *,
        session: Session,
        function_log: FunctionLog,
        calls: CallLog,
        exceptions: ExceptionLog,
        gaps: GapLog,
        greenlets: GreenletChains,
        tests: Callable[[], TestLog],
        adaptive: Optional[AdaptiveCapture],
        lines: Optional[LineLog],
    ) -> None:
        self.session = session
        self.function_log = function_log
        self.calls = calls
        self.exceptions = exceptions
        self.gaps = gaps
        self.greenlets = greenlets
        self.tests = tests
        self.adaptive = adaptive
        self.lines = lines


class Backend:
    """Observe the code of this process, and report its events to the parts of the recorder.

    The recorder makes the one backend of the process, and registers its methods where they are needed. Each backend
    has a ``start`` and a ``stop``; the other methods do nothing here, and are for those that have a use for them.
    """

    # The name in the settings and in the process record.
    name = ""

    # Whether f_locals is to be cleared after it was read: before PEP 667 it keeps what it was filled with.
    clears_locals = False

    # Whether it has ``switch_off`` and ``switch_on``.
    can_switch_off = False

    def __init__(self, parts: Parts) -> None:
        self._session = parts.session
        self._functions = parts.session.functions
        self._function_log = parts.function_log
        self._calls = parts.calls
        self._exceptions = parts.exceptions
        self._gaps = parts.gaps
        self._greenlets = parts.greenlets
        self._tests = parts.tests
        self._adaptive = parts.adaptive
        self._lines = parts.lines

    def start(self) -> None:
        """Begin to observe all code of the process. Raises RuntimeError where that is impossible, saying why.

        Called once, after the hooks for forks and for the end of the process are set.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Observe nothing any more. Not called so far: a process is traced to its end."""
        raise NotImplementedError

    def observe(self, function: Function) -> None:
        """Observe what a function does besides starting. Called for each new traced function, during its first call."""

    def switch_off(self, function: Function, awaits_returns: bool) -> None:
        """Observe a function no more, or only its returns. Called by adaptive capture for one that is called too often.

        Not called unless ``can_switch_off``.
        """

    def switch_on(self, functions: List[Function]) -> None:
        """Observe functions again that were switched off. Called when their time is over, and in a forked child."""

    def forget_last(self) -> None:
        """Drop shortcuts to functions and counters. Called in a forked child, and when the counters have moved."""

    def secret_learned(self) -> None:
        """Take note that values encoded so far may hold a secret. Called whenever the redactor has learned one."""

    def before_end(self) -> None:
        """Write last notices. Called when the process goes through its normal exit, if ``start`` succeeded."""


def choose(wanted: str) -> Tuple[str, str]:
    """Return the name of the backend for a configured one, and why it is another than the wanted, if so.

    wanted: ``auto``, ``monitoring`` (or ``pep669``), ``settrace``.
    """
    if wanted == "settrace":
        return "settrace", ""
    if monitoring is not None:
        return "monitoring", ""
    if wanted == "auto":
        return "settrace", ""
    return "settrace", "this Python has no sys.monitoring (it came with 3.12): sys.settrace is used"


def backend_class(name: str) -> Type[Backend]:
    """Return the backend of that name (as ``choose`` gave it)."""
    if name == "monitoring":
        from .monitoring import MonitoringBackend

        return MonitoringBackend
    from .settrace import SettraceBackend

    return SettraceBackend
