"""Keep the executed lines of the last calls of own functions while a test runs, and write them if it fails.

The call that explains a failure is seldom the first one of its function. So the lines of the last calls are kept in
memory, those of one call for each path (the set of lines that it executed), and those of the last calls with a line
that no passing test of the file executes, as far as a first pass has told.

The work is limited by what is encoded, and not by the time that it takes: two equal runs keep the same calls.
"""

from __future__ import annotations

from _collections import deque  # type: ignore[import-not-found, unused-ignore]
from types import FrameType

from ..runtime.code_lines import all_lines
from ..session.threads import write_record
from ..test_files import is_test_file
from .lines import CallLines, LineLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Deque, Dict, FrozenSet, Iterator, List, Set

    from ..session.functions import Function
    from ..session.session import Session
    from ..session.threads import ThreadState

# Units of work for all tests of a process together, and for one function in one test. A line is a unit, and so are each
# _BYTES_PER_UNIT of its encoded variables. Functions that passing tests executed in part have an allowance of their own
# after that: what is wrong is more likely in them, and others must not leave nothing for them. Nor for the tests
# themselves, whose lines say where they failed.
ALLOWANCE = 30_000
ALLOWANCE_OF_SUSPECTS = 30_000
ALLOWANCE_OF_FUNCTION = 1_500
ALLOWANCE_OF_SUSPECT_FUNCTION = 6_000
_BYTES_PER_UNIT = 100

# Calls of a function that are kept: the last ones, the last ones with a rare line, and one of each of the first paths.
LAST_CALLS = 8
LAST_RARE_CALLS = 4
MAX_PATHS = 8


class RecentLines(LineLog):
    """The lines of the last calls of each own function, in the test that runs.

    Args:
        session: Holds the functions.
        observe: Observes a function again, after its lines are wanted or not wanted any more.
        writes_locals_back: Whether reading the variables of a frame can undo what another thread did to those that it
            shares with other functions (gh-74929): the lines of such functions are not recorded.
        passed_lines: By file, the lines that passing tests executed in a first pass.
    """

    def __init__(
        self,
        session: Session,
        observe: Callable[[Function], None],
        writes_locals_back: bool,
        passed_lines: Dict[str, List[int]],
    ) -> None:
        super().__init__(session, ())
        self._compiled = None if self.encoder.native is None else _compiled_class(self.encoder.native)
        self._passed = {file: frozenset(lines) for file, lines in passed_lines.items()}
        self._observe = observe
        self._writes_locals_back = writes_locals_back
        self._left = ALLOWANCE
        self._left_for_suspects = ALLOWANCE_OF_SUSPECTS
        self._executable: Dict[Function, FrozenSet[int]] = {}
        self._test_files: Dict[str, bool] = {}  # whether a file holds tests
        self._runs = False  # whether a test has begun and lines are recorded
        self._spent: Dict[Function, int] = {}  # units of each function, in this test
        self._kept: Dict[Function, _KeptCalls] = {}
        self._open: Dict[int, RecentCall] = {}  # calls that have not ended, by id()
        # Functions whose lines may be kept in a later test: all but those for which nothing can be left any more.
        self._candidates = [each for each in list(session.functions.values()) if self._may_record(each)]

    def clear(self) -> None:
        """Forget what was kept, in a forked child, which runs no test of its own."""
        super().clear()
        self._forget()
        self._open.clear()
        self._candidates.clear()
        self._runs = False

    def _forget(self) -> None:
        self._spent.clear()
        self._kept.clear()

    def wants(self, function: Function) -> bool:
        """Return whether the lines of a new function are kept now."""
        if not self._may_record(function):
            return False
        self._candidates.append(function)
        return self._runs

    def _may_record(self, function: Function) -> bool:
        if not self._has_allowance(function):
            return False
        if function.kind in ("module", "class") or not function.is_own:
            return False
        code = function.code
        return not (self._writes_locals_back and (code.co_cellvars or code.co_freevars))

    def _has_allowance(self, function: Function) -> bool:
        if self._left > 0 or self._is_of_tests(function):
            return True
        return self._left_for_suspects > 0 and self._may_be_suspect(function)

    def new_call(self, function: Function) -> RecentCall:
        """Return the lines of a call that begins."""
        call: RecentCall = self._new_lines(function, RecentCall, self._compiled)
        self._open[id(call)] = call
        return call

    def test_begins(self) -> None:
        """Forget what belongs to the test before, and observe the lines of all functions."""
        self._forget()
        self._open.clear()  # what is left of it are generators, of which some never end
        self._runs = True
        for function in list(self._candidates):
            if function.lines is None and not function.is_off:
                function.record_lines(self)
                self._observe(function)

    def test_ends(self, failed: bool) -> None:
        """Write what was kept if the test failed."""
        if failed:
            self._write()
            self._write_open()
        self._forget()

    def write_now(self) -> None:
        """Write what was kept, calls that have not ended included: the process will be ended within a test."""
        self._write()
        self._write_open()
        self._forget()
        self._open.clear()

    def _write(self) -> None:
        thread = self.session.thread()
        for kept in list(self._kept.values()):
            for call in kept.calls():
                call.write(thread)

    def _write_open(self) -> None:
        """Write the calls that have not ended, such as generators that nobody reads to their end."""
        thread = self.session.thread()
        for call in list(self._open.values()):
            call.write(thread)
            call.is_whole = False  # what it does from now on belongs to no test

    def spend(self, function: Function, encoded_bytes: int) -> bool:
        """Take the work of one line from the allowance; return False if none is left for this function."""
        units = 1 + encoded_bytes // _BYTES_PER_UNIT
        spent = self._spent[function] = self._spent.get(function, 0) + units
        if self._is_of_tests(function):
            pass
        elif self._left > 0:
            self._left -= units
            if self._left <= 0:
                self._stop_others()
        else:
            self._left_for_suspects -= units
            if self._left_for_suspects <= 0:
                self._stop_others()
        if spent > ALLOWANCE_OF_FUNCTION and (
            spent > ALLOWANCE_OF_SUSPECT_FUNCTION or not self._may_be_suspect(function)
        ):
            self._stop(function)
        return function.lines is self

    def _is_of_tests(self, function: Function) -> bool:
        known = self._test_files.get(function.file)
        if known is None:
            known = self._test_files[function.file] = is_test_file(function.file)
        return known

    def _may_be_suspect(self, function: Function) -> bool:
        """Return whether passing tests executed a part of a function, and not all of it."""
        passed = self._passed.get(function.file)
        if passed is None:
            return False
        lines = self._executable.get(function)
        if lines is None:
            # The line of its definition is no part of what a call executes.
            lines = self._executable[function] = frozenset(all_lines(function.code)) - {function.code.co_firstlineno}
        return not lines <= passed and not lines.isdisjoint(passed)

    def _stop_others(self) -> None:
        """Stop recording the lines of functions for which nothing is left."""
        self._candidates = [each for each in self._candidates if self._has_allowance(each)]
        for each in list(self.session.functions.values()):
            if not self._has_allowance(each):
                self._stop(each)

    def _stop(self, function: Function) -> None:
        if function.lines is self:
            function.record_lines(None)
            self._observe(function)
            for call in self._open.values():  # a part of their lines would be taken for all that ran
                call.stop(function)

    def call_ended(self, call: RecentCall, function: Function) -> None:
        """Keep a call in place of an earlier one."""
        self._open.pop(id(call), None)
        if call.is_whole:
            kept = self._kept.get(function)
            if kept is None:
                kept = self._kept[function] = _KeptCalls()
            kept.add(call)
            passed = self._passed.get(function.file)
            # Of a function that no passing test executed, every line is rare, which says nothing.
            if passed is not None and not call.path <= passed and not call.path.isdisjoint(passed):
                kept.add_rare(call)


class _RecentCall:
    """The lines of one call, in memory: what RecentCall adds to the class of either core."""

    if TYPE_CHECKING:
        _function: Function
        _lines: Set[int]
        _recent: RecentLines
        _records: List[bytes]
        is_whole: bool
    else:
        __slots__ = ()

    @property
    def path(self) -> FrozenSet[int]:
        """Return the lines that were executed."""
        return frozenset(self._lines)

    def stop(self, function: Function) -> None:
        """Drop what was recorded if this is a call of the function."""
        if function is self._function:
            self.is_whole = False
            self._records.clear()

    def starts(self, thread: ThreadState, frame: FrameType, line: int) -> None:
        """Record that a line starts, as long as there is an allowance."""
        if not self.is_whole:
            return
        self._lines.add(line)
        super().starts(thread, frame, line)  # type: ignore[misc]
        if not self._recent.spend(self._function, self.encoded_bytes()):  # type: ignore[attr-defined]
            self.stop(self._function)

    def ends(self, thread: ThreadState, call: int, frame: FrameType, at_ns: int) -> None:
        """Record the end of the call, and hand it over."""
        if self.is_whole and self._records:
            super().ends(thread, call, frame, at_ns)  # type: ignore[misc]
        self._recent.call_ended(self, self._function)  # type: ignore[arg-type]

    def write(self, thread: ThreadState) -> None:
        """Write the records of the call, once."""
        records, self._records = self._records, []
        for record in records:
            write_record(thread, record)


class RecentCall(_RecentCall, CallLines):
    """The lines of one call, in memory."""

    __slots__ = ("_lines", "_recent", "_records", "is_whole")

    def __init__(self, log: RecentLines, function: Function) -> None:
        super().__init__(log, function)
        self._recent = log
        self._lines: Set[int] = set()
        self._records: List[bytes] = []
        self.is_whole = True

    def _put(self, thread: ThreadState, record: bytes) -> None:
        self._records.append(record)


def _compiled_class(native: Any) -> Any:
    """Return the class of such calls whose lines the core in C records."""
    base: Any = native.CallLines

    class CompiledRecentCall(_RecentCall, base):  # type: ignore[misc]
        if not TYPE_CHECKING:  # which does not know that the base has the records
            __slots__ = ("_function", "_lines", "_recent", "is_whole")

        def __init__(self, log: RecentLines, function: Function, *_: object) -> None:
            self._function = function
            self._recent = log
            self._lines = set()
            self._records = []
            self.is_whole = True

    return CompiledRecentCall


class _KeptCalls:
    """The calls of one function that are kept."""

    def __init__(self) -> None:
        self._last: Deque[RecentCall] = deque(maxlen=LAST_CALLS)
        self._rare: Deque[RecentCall] = deque(maxlen=LAST_RARE_CALLS)
        self._of_path: Dict[FrozenSet[int], RecentCall] = {}

    def add(self, call: RecentCall) -> None:
        self._last.append(call)
        path = call.path
        if path in self._of_path or len(self._of_path) < MAX_PATHS:
            self._of_path[path] = call

    def add_rare(self, call: RecentCall) -> None:
        self._rare.append(call)

    def calls(self) -> Iterator[RecentCall]:
        """Iterate over the calls, each at least once: from the second time on it has nothing to write."""
        yield from self._of_path.values()
        yield from self._rare
        yield from self._last
