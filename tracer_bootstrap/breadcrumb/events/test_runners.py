"""Record tests and their outcomes, from the functions of pytest and unittest that know them.

These functions are observed whether they are traced or not. This module is imported when the first of them starts. Only
fields of the runners' objects are read; no code of the runners or the program is run.

The begin and the end of a test each take a call id. Call ids count up over all threads of a process, so the ids in
between belong to calls that ran during the test.
"""

from __future__ import annotations

from _thread import get_ident
from types import CodeType, FrameType

from .. import record_format
from ..runtime.classes import attribute_of, class_module, class_name, derives
from ..runtime.system import system
from ..values.frame_locals import forget_locals
from .exception_text import message_of, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

    from ..session.session import Session
    from .exceptions import ExceptionLog
    from .executed_lines import ExecutedLines


_cause_of: Any = BaseException.__dict__["__cause__"].__get__


class OpenTest:
    """A test that is running: its number, the runner's object for it, and the frame that runs it."""

    __slots__ = ("failed", "failed_at", "frame_id", "number", "passed", "subject_id")

    def __init__(self, number: int, subject: Any, frame: FrameType) -> None:
        self.number = number
        self.subject_id = id(subject)
        self.frame_id = id(frame)
        self.failed = self.passed = False
        self.failed_at: Optional[int] = None  # the number of lines executed before the failure


class TestLog:
    """The log of the tests of this process: their begins, reports and ends.

    Args:
        session: Writes the events.
        exceptions: Gives the ids of exceptions that failed a test.
    """

    def __init__(self, session: Session, exceptions: ExceptionLog) -> None:
        self._session = session
        self._exceptions = exceptions
        self._open: Dict[int, OpenTest] = {}  # by thread; only the outermost, as a test may run tests
        self._last_number = 0
        self.executed: Optional[ExecutedLines] = None
        self.when_test_begins: List[Callable[[], None]] = []
        self.when_test_ends: List[Callable[[bool], None]] = []  # called with whether it failed
        self._collecting: Dict[int, Tuple[int, int]] = {}  # by thread: at_ns and a call id of the start
        self._at_start: Dict[str, Callable[[FrameType], None]] = {
            "runtestprotocol": self._pytest_begins,
            "pytest_runtest_makereport": self._pytest_reports,
            "pytest_make_collect_report": self._pytest_collects,
            "run": self._unittest_begins,
            "addSuccess": lambda frame: self._unittest_reports(frame, "passed"),
            "addFailure": lambda frame: self._unittest_reports(frame, "failed"),
            "addError": lambda frame: self._unittest_reports(frame, "error"),
            "addSubTest": self._unittest_reports,
            "addSkip": lambda frame: self._unittest_reports(frame, "skipped"),
            "addExpectedFailure": lambda frame: self._unittest_reports(frame, "xfailed"),
            "addUnexpectedSuccess": lambda frame: self._unittest_reports(frame, "xpassed"),
        }

    def clear(self) -> None:
        """Forget all tests, in a forked child."""
        self._open.clear()
        self._collecting.clear()
        self._last_number = 0

    def starts(self, code: CodeType, frame: FrameType) -> None:
        """Note the start of a runner's function (see ``is_observed``)."""
        note = self._at_start.get(code.co_name)
        if note is not None:
            note(frame)

    def ends(self, code: CodeType, frame: FrameType, value: Any) -> None:
        """Note the end of a runner's function.

        Args:
            code: The function's code.
            frame: The frame of the call.
            value: The return value; None if an exception left the function.
        """
        if code.co_name == "call_and_report":
            self._pytest_phase_ends(frame, value)
        elif code.co_name == "pytest_make_collect_report":
            self._pytest_collected(frame, value)
        test = self._open.get(get_ident())
        if test is not None and test.frame_id == id(frame):
            del self._open[get_ident()]
            self._end(test)

    def _begin(
        self, name: str, suite: str, subject: Any, frame: FrameType, since: Optional[Tuple[int, int]] = None
    ) -> OpenTest:
        """Write that a test of a file or module begins: at *since* (at_ns, a call id), or now."""
        session = self._session
        at_ns, first_call = since or (system.now_ns(), session.next_call_id())
        self._last_number += 1
        session.event(
            record_format.EVENT_TEST,
            id=self._last_number,
            name=name,
            at_ns=at_ns,
            thread=session.thread().number,
            first_call=first_call,
        )
        for callback in self.when_test_begins:
            callback()
        if self.executed is not None:
            self.executed.test_begins(self._last_number, suite)
        return OpenTest(self._last_number, subject, frame)

    def _end(self, test: OpenTest) -> None:
        session = self._session
        if self.executed is not None:
            outcome = "failed" if test.failed else "passed" if test.passed else ""
            self.executed.test_ends(outcome, test.failed_at)
        for callback in self.when_test_ends:
            callback(test.failed)
        session.event(
            record_format.EVENT_TEST_END, id=test.number, at_ns=system.now_ns(), last_call=session.next_call_id()
        )

    def _report(self, test: OpenTest, phase: Optional[str], outcome: str, exception: Any, message: Any = None) -> None:
        """Write the report of a test's phase. *message* is used if no *exception* ended the phase."""
        session = self._session
        if outcome in ("failed", "error"):
            if not test.failed and self.executed is not None:
                test.failed_at = self.executed.lines_before(exception)
            test.failed = True
        elif outcome == "passed":
            test.passed = True
        exception_id = 0
        exception_type = None
        if isinstance(exception, BaseException):
            if outcome in ("failed", "error"):
                exception_id = self._exceptions.caught_by_runner(exception, session.thread())
            exception_type = type_name(type(exception))
            message = message_of(exception, session.encoder)
        session.event(
            record_format.EVENT_TEST_REPORT,
            id=test.number,
            at_ns=system.now_ns(),
            phase=phase,
            outcome=outcome,
            exception=exception_id,
            type=exception_type,
            message=session.encoder.encode(message) if type(message) is str else None,
        )

    def _pytest_begins(self, frame: FrameType) -> None:
        if get_ident() not in self._open:
            item = self._variable(frame, "item")
            name = _node_id(item)
            if name:
                self._open[get_ident()] = self._begin(name, _path_of(name), item, frame)

    def _pytest_phase_ends(self, frame: FrameType, report: Any) -> None:
        test = self._open_test_of(self._variable(frame, "item"))
        outcome, phase = attribute_of(report, "outcome"), attribute_of(report, "when")
        if test is None or type(outcome) is not str or type(phase) is not str:
            return
        if attribute_of(report, "wasxfail") is not None:
            outcome = {"passed": "xpassed", "skipped": "xfailed"}.get(outcome, outcome)
        if outcome == "failed" and phase != "call":
            outcome = "error"
        if outcome != "passed" or phase == "call":
            exception = _caught(self._variable(frame, "call"))
            self._report(test, phase, outcome, exception, attribute_of(report, "longrepr"))

    def _pytest_reports(self, frame: FrameType) -> None:
        """Report a subtest that failed; ``_pytest_phase_ends`` reports whole phases."""
        back = frame.f_back
        while back is not None and "pluggy" in back.f_code.co_filename:
            back = back.f_back
        if back is None or back.f_code.co_name == "call_and_report":
            return
        test = self._open_test_of(self._variable(frame, "item"))
        exception = _caught(self._variable(frame, "call"))
        if test is not None and exception is not None and not _is_skip(type(exception)):
            self._report(test, "call", "failed", exception)

    def _pytest_collects(self, frame: FrameType) -> None:
        """Note the start of a collection, which imports a module or searches a class or folder for tests."""
        self._collecting[get_ident()] = system.now_ns(), self._session.next_call_id()

    def _pytest_collected(self, frame: FrameType, report: Any) -> None:
        """Write a failed collection as a test with an error, in place of the tests that were not found."""
        since = self._collecting.pop(get_ident(), None)
        if since is None or get_ident() in self._open or attribute_of(report, "outcome") != "failed":
            return
        collector = self._variable(frame, "collector")
        name = _node_id(collector)
        exception = _caught(attribute_of(report, "call"))
        if not name or exception is None:
            return
        if class_name(type(exception)).endswith("CollectError"):  # pytest's, raised from the error of the import
            cause = _cause_of(exception)
            exception = exception if cause is None else cause
        test = self._begin(name, _path_of(name), collector, frame, since)
        self._report(test, "collect", "error", exception)
        self._end(test)

    def _unittest_begins(self, frame: FrameType) -> None:
        if get_ident() not in self._open:  # pytest may run the test case, under its own name
            case = self._variable(frame, "self")
            method = attribute_of(case, "_testMethodName")
            if type(method) is str:
                cls = type(case)
                name = "%s.%s.%s" % (class_module(cls), class_name(cls), method)
                self._open[get_ident()] = self._begin(name, class_module(cls), case, frame)

    def _unittest_reports(self, frame: FrameType, outcome: str = "") -> None:
        case = self._variable(frame, "test")
        caught = self._variable(frame, "err")
        exception = caught[1] if type(caught) is tuple and len(caught) == 3 else None
        if not outcome:  # a subtest
            if exception is None:
                return
            outcome = "failed" if derives(type(exception), AssertionError) else "error"
        test = self._open_test_of(case)
        if test is not None:
            self._report(test, "call", outcome, exception, self._variable(frame, "reason"))
        elif get_ident() not in self._open:  # the setup of a class or module
            name = attribute_of(case, "description")
            if type(name) is str:
                test = self._begin(name, name, case, frame)
                self._report(test, "setup", outcome, exception, self._variable(frame, "reason"))
                self._end(test)

    def _open_test_of(self, subject: Any) -> Optional[OpenTest]:
        test = self._open.get(get_ident())
        return test if test is not None and test.subject_id == id(subject) else None

    def _variable(self, frame: FrameType, name: str) -> Any:
        """Return the value of a variable of the frame; None if there is no such variable."""
        value = frame.f_locals.get(name)
        if self._session.clears_locals:
            forget_locals(frame)
        return value


def _node_id(item: Any) -> str:
    """Return the node id of a pytest item or collector, or an empty text.

    From pytest 9.2 on it is stored in parts, and put together only on demand.
    """
    parts = attribute_of(item, "_id")
    for known in (attribute_of(item, "_nodeid"), attribute_of(parts, "_str_cache")):
        if type(known) is str:
            return known
    path, names, params = (attribute_of(parts, part) for part in ("path", "names", "params"))
    if type(path) is not str or type(names) is not tuple or not all(type(name) is str for name in names):
        return ""
    return "::".join((path, *names)) + ("[%s]" % params if type(params) is str else "")


def _path_of(node_id: str) -> str:
    return node_id.partition("::")[0]


def _caught(call: Any) -> Any:
    """Return the exception of a ``CallInfo`` of pytest, or None."""
    found = attribute_of(attribute_of(call, "excinfo"), "_excinfo")
    return found[1] if type(found) is tuple and len(found) == 3 else None


def _is_skip(cls: type) -> bool:
    return class_name(cls) in ("Skipped", "SkipTest")
