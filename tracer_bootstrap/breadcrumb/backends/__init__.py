"""Define the base class of backends, and choose the one of this process when the tracer starts.

A backend learns from the interpreter that calls start and end. To add one, subclass ``Backend`` and name the class in
``choose`` and ``backend_class``.
"""

from __future__ import annotations

from ..runtime.features import monitoring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Callable, Iterable, List, Optional, Protocol, Tuple, Type

    from ..events.adaptive import AdaptiveCapture
    from ..events.budget import Budget
    from ..events.calls import CallLog
    from ..events.exceptions import ExceptionLog
    from ..events.executed_lines import ExecutedLines
    from ..events.functions import FunctionLog
    from ..events.gaps import GapLog
    from ..events.greenlets import GreenletChains
    from ..probes.log import ProbeLog
    from ..session.functions import Function, Observer
    from ..session.session import Session

    class ExitCode(Protocol):
        """What an exception makes of the exit code, if it leaves the program's outermost frame."""

        def arrives(self, exception: BaseException) -> None:
            """Note an exception that has reached the frame."""

        def leaves(self) -> None:
            """Note that the last exception which has arrived leaves the frame."""


class Parts:
    """The parts of the recorder that a backend reports to.

    Args:
        session: The state that all parts share.
        function_log: Decides which code is traced.
        calls: Records the starts and ends of calls.
        exceptions: Records raised, handled and uncaught exceptions.
        gaps: Counts calls of functions that are not traced.
        greenlets: Follows greenlets once their module is imported.
        observer: Returns the log that reads a function which is observed whether it is traced or not.
        adaptive: Decides which calls are only counted; None if all are recorded.
        budget: What the tracer may cost; None if that is not limited.
        probes: Evaluates the user's expressions; None if there are none.
    """

    __slots__ = (
        "adaptive",
        "budget",
        "calls",
        "exceptions",
        "function_log",
        "gaps",
        "greenlets",
        "observer",
        "probes",
        "session",
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
        observer: Callable[[CodeType], Observer],
        adaptive: Optional[AdaptiveCapture],
        budget: Optional[Budget],
        probes: Optional[ProbeLog],
    ) -> None:
        self.session = session
        self.function_log = function_log
        self.calls = calls
        self.exceptions = exceptions
        self.gaps = gaps
        self.greenlets = greenlets
        self.observer = observer
        self.adaptive = adaptive
        self.budget = budget
        self.probes = probes


class Backend:
    """The observer of a process's code, which reports its events to the parts of the recorder.

    The recorder makes one; a forked child goes on with it. A subclass writes ``start`` and ``stop``. The other methods
    do nothing here; a subclass overrides those that it has work for.
    """

    # The name in the settings and in the process record.
    name = ""

    # Whether f_locals must be cleared after it was read: before PEP 667 it keeps the values alive.
    clears_locals = False

    # Whether the variables of a frame that were read are written back into it, with those that closures share.
    writes_locals_back = False

    # Whether ``switch_off`` and ``switch_on`` do anything: adaptive capture calls them only then.
    can_switch_off = False

    # Whether a line that was told once is not told again before ``observe_lines``: then lines cost next to nothing.
    tells_lines_once = False

    # Whether exceptions are reported in code that is not traced, too: where they are raised and who handles them.
    sees_all_code = False

    def __init__(self, parts: Parts) -> None:
        self._session = parts.session
        self._functions = parts.session.functions
        self._function_log = parts.function_log
        self._calls = parts.calls
        self._exceptions = parts.exceptions
        self._gaps = parts.gaps
        self._greenlets = parts.greenlets
        self._observer = parts.observer
        self._adaptive = parts.adaptive
        self._budget = parts.budget
        self._executed: Optional[ExecutedLines] = None

    def note_lines(self, executed: ExecutedLines) -> None:
        """Tell *executed* of the lines of functions with ``notes_lines``; before the start or a test."""
        self._executed = executed

    def observe_lines(self, functions: Iterable[Function]) -> None:
        """Tell each line of such functions again at its next execution."""

    def start(self) -> None:
        """Begin to observe all code of the process.

        Called once, after the hooks for forks and for the end of the process are set.

        Raises:
            RuntimeError: The process cannot be observed; the message says why, for a notice.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Stop observing, in all threads, and give back what ``start`` took. Called at most once."""
        raise NotImplementedError

    def can_observe_running(self, code: CodeType, frame: FrameType) -> bool:
        """Return whether the rest of a call that runs already in this thread can be observed."""
        return True

    def observe_running(self, frame: FrameType) -> None:
        """Observe the rest of such a call, of a function that is observed; called after ``start``."""

    def watch_exit(self, frame: FrameType, exit_code: ExitCode) -> None:
        """Tell *exit_code* of the exceptions that reach *frame*, and of the one that leaves it.

        Args:
            frame: The outermost frame of the main thread, which runs already. It need not be traced.
            exit_code: Is told.
        """
        raise NotImplementedError

    def observe(self, function: Function) -> None:
        """Observe a function's events besides its start. Called during the first call of each traced function."""

    def switch_off(self, function: Function, awaits_returns: bool) -> None:
        """Stop observing a function. Called by adaptive capture, during a call, if it is called too often.

        Args:
            function: The function; ``is_off`` is set.
            awaits_returns: Whether to go on observing its returns, because counted calls of it are still open.
        """

    def switch_on(self, functions: List[Function]) -> None:
        """Observe functions again that were switched off.

        Called by adaptive capture after a while, before a call of one is recorded late, and in a forked child.
        """

    def forget_last(self) -> None:
        """Drop cached functions and counters. Called in a forked child, and when ``spool.counters`` is replaced."""

    def patterns_added(self) -> None:
        """Match code again that was not included, as far as nothing is known of it but that."""

    def secret_learned(self) -> None:
        """Note that values encoded just now may hold a secret. Called each time the redactor learns one."""

    def before_end(self) -> None:
        """Write last notices. Called at the normal exit of the process, if ``start`` succeeded."""


def choose(wanted: str) -> Tuple[str, str]:
    """Choose the backend for this Python.

    Args:
        wanted: ``auto``, ``monitoring`` (or ``pep669``) or ``settrace``, as configured.

    Returns:
        The name of the backend, and the reason why it is not the wanted one (an empty text if it is).
    """
    if wanted == "settrace":
        return "settrace", ""
    if monitoring is not None:
        return "monitoring", ""
    if wanted == "auto":
        return "settrace", ""
    return "settrace", "this Python has no sys.monitoring (it came with 3.12): sys.settrace is used"


def backend_class(name: str, *, with_probes: bool = False, only_lines: bool = False) -> Type[Backend]:
    """Return the class of the backend that ``choose`` has named.

    Args:
        name: Its name.
        with_probes: Whether it evaluates probes too.
        only_lines: Whether nothing but the executed lines of tests is to be observed.
    """
    if only_lines:
        from .only_lines import OnlyLinesMonitoring, OnlyLinesSettrace

        return OnlyLinesMonitoring if name == "monitoring" else OnlyLinesSettrace
    if name == "monitoring":
        if with_probes:
            from .probing_monitoring import ProbingMonitoringBackend

            return ProbingMonitoringBackend
        from .monitoring import MonitoringBackend

        return MonitoringBackend
    if with_probes:
        from .probing_settrace import ProbingSettraceBackend

        return ProbingSettraceBackend
    from .settrace import SettraceBackend

    return SettraceBackend
