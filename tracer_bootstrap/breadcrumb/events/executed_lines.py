"""Note which lines of own code each test executes, in the order of their first execution; without tests, the program.

A line that a failed test executed and few of the passing tests of its file did is suspect (a line spectrum). What ran
after the exception that failed the test is not: each raise notes how many lines there were. A program that runs no
tests is compared with its earlier runs in the same way.

A line is noted once in a test, so that the lines are cheap where the backend can leave out those that are noted.
"""

from __future__ import annotations

from ..record_format import EVENT_TEST_LINES, WHOLE_PROGRAM
from ..session.functions import may_be_generated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

    from ..session.functions import Function
    from ..session.session import Session

# ENDED is the outcome of a program without an uncaught exception. Its exit code, which is not known here, may differ.
PASSED, FAILED, UNFINISHED, ENDED = "passed", "failed", "unfinished", "ended"

# Events of lines that are looked at in a process where each execution of a line is one: about a quarter of a second,
# and for a program without tests a fortieth.
MOST_EVENTS = 400_000
MOST_EVENTS_OF_PROGRAM = 40_000

# Raises of one test that are remembered: the one that fails it is seldom far from its end.
_MAX_RAISES = 500


class ExecutedLines:
    """The lines that the test which runs, or else the program, has executed so far.

    Args:
        session: Holds the functions, and writes the events.
        observe: Observes functions again, so that each of their lines is told at its next execution.
        is_limited: Whether each execution of a line is an event: after some number of them nothing more is noted.
        writes_locals_back: Whether each event of a frame can undo what another thread did to variables that it shares
            with other functions (gh-74929): the lines of such functions are not noted.
    """

    def __init__(
        self,
        session: Session,
        observe: Callable[[Iterable[Function]], None],
        is_limited: bool,
        writes_locals_back: bool,
    ) -> None:
        self._session = session
        self._observe = observe
        self._is_limited = is_limited
        self._events_left: Optional[int] = MOST_EVENTS if is_limited else None
        self._writes_locals_back = writes_locals_back
        self._knows_earlier = False  # whether the functions that started before the first test are looked at
        self._test: Optional[int] = None  # the number of the test that runs, None between tests
        self._suite = ""
        self._raises: Dict[int, int] = {}  # by the address of an exception: the number of lines before its raise
        self.ran: Dict[Tuple[Function, int], int] = {}

    def clear(self) -> None:
        """Stop for good, in a forked child: what it does is a part of a test only."""
        self._test = None
        self.ran.clear()
        self._raises.clear()
        self._events_left = 0

    def wants(self, function: Function) -> bool:
        """Return whether the lines of a function are noted: those of own functions, and of no generated code."""
        if self._events_left is not None and self._events_left <= 0:
            return False
        file = function.file
        if function.kind == "class" or may_be_generated(file) or "__create_fn__" in function.name:
            return False
        if function.kind == "module" and self._test != WHOLE_PROGRAM:  # of tests, whichever comes first executes it
            return False
        code = function.code
        if self._writes_locals_back and (code.co_cellvars or code.co_freevars):
            return False
        return self._session.include.is_own_code(file)

    def function_added(self, function: Function) -> None:
        """Decide whether the lines of a new function are noted, before it is observed."""
        function.notes_lines = self.wants(function)

    def line_starts(self, function: Function, line: int) -> None:
        """Note that a line starts."""
        self.ran.setdefault((function, line), len(self.ran))
        if self._events_left is not None:
            self._events_left -= 1
            if self._events_left <= 0:
                self._stop()

    def has_all_of(self, function: Function) -> bool:
        """Return whether each line of a function that has run before is noted: nothing is missed without its events."""
        code = function.code
        lines = {line for _, _, line in code.co_lines() if line is not None and line != code.co_firstlineno}
        return all((function, line) in self.ran for line in lines)

    def _stop(self) -> None:
        """Note nothing more, and forget the test that runs: its lines would not be all."""
        self._test = None
        for function in list(self._session.functions.values()):
            function.notes_lines = False

    def program_begins(self) -> None:
        """Note the lines of the program from now on, until a test begins; called before any of its code runs."""
        self._test, self._suite = WHOLE_PROGRAM, ""
        if self._is_limited:
            self._events_left = MOST_EVENTS_OF_PROGRAM

    def program_ends(self, exception: Optional[BaseException]) -> None:
        """Write the lines of the program, if it has run no tests.

        Args:
            exception: The uncaught exception that ends it.
        """
        if self._test == WHOLE_PROGRAM:
            failed_at = None if exception is None else self.lines_before(exception)
            self.test_ends(ENDED if exception is None else FAILED, failed_at)

    def test_begins(self, number: int, suite: str) -> None:
        """Forget the lines of the test before.

        Args:
            number: The number of the test.
            suite: What it is compared with: the tests of its file or module.
        """
        again = {function for function, _ in list(self.ran)}
        if not self._knows_earlier:  # the functions of later tests come by ``function_added``
            self._knows_earlier = True
            if self._test == WHOLE_PROGRAM:
                self._test = None
                self._events_left = MOST_EVENTS if self._is_limited else None
            for function in list(self._session.functions.values()):
                function.notes_lines = self.wants(function)
                if function.notes_lines:
                    again.add(function)
        self.ran.clear()
        self._raises.clear()
        if self._events_left is None or self._events_left > 0:
            self._test, self._suite = number, suite
            self._observe(again)

    def raised(self, address: int) -> None:
        """Note that an exception is raised, or reaches traced code first, at this moment."""
        if self._test is not None:
            if len(self._raises) >= _MAX_RAISES:
                self._raises.pop(next(iter(self._raises)))
            self._raises.pop(address, None)
            self._raises[address] = len(self.ran)

    def lines_before(self, exception: Any) -> Optional[int]:
        """Return how many lines had been executed when an exception was raised; None if that is not known."""
        return self._raises.get(id(exception))

    def test_ends(self, outcome: str, failed_at: Optional[int] = None) -> None:
        """Write the lines of the test, if it passed or failed.

        Args:
            outcome: One of the constants of this module, or something else.
            failed_at: The number of lines before the exception that failed it.
        """
        if self._test is not None and outcome in (PASSED, FAILED, UNFINISHED, ENDED):
            self._session.event(
                EVENT_TEST_LINES,
                id=self._test,
                suite=self._suite,
                outcome=outcome,
                failed_at=b"null" if failed_at is None else b"%d" % failed_at,
                executed=_encoded(list(self.ran)),
            )
        self._test = None

    def write_now(self) -> None:
        """Write the lines of the test that runs, or of the program: the process will be ended within it."""
        self.test_ends(UNFINISHED)


def _encoded(lines: List[Tuple[Function, int]]) -> bytes:
    """Return lines as a list of numbers: the lines of a function follow its id, which is negative."""
    numbers: List[int] = []
    last: Optional[Function] = None
    for function, line in lines:
        if function is not last:
            numbers.append(-function.function_id)
            last = function
        numbers.append(line)
    return b"[%b]" % b",".join([b"%d" % number for number in numbers])
