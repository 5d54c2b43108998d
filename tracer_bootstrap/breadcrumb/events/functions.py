"""Functions: made known when their code starts for the first time, if it is included."""

from __future__ import annotations

import itertools
from types import CodeType, FrameType

from ..session.functions import Function, module_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Optional, Tuple

    from ..session.processes import MultiprocessingChild
    from ..session.session import Session
    from .adaptive import AdaptiveCapture
    from .lines import LineLog

# Programs that make code without end (eval loops) would make functions without end.
MAX_FUNCTIONS = 50_000


class FunctionLog:
    """Decide which code is traced, and write the record of each function.

    Args:
        session: Holds the functions and the include patterns.
        adaptive: Limits the calls that are recorded; None if all are.
        lines: Knows the functions whose lines are recorded; None if there are none.
        spawned: Set if the command line is code of multiprocessing, which goes on to run the program.
    """

    def __init__(
        self,
        session: Session,
        adaptive: Optional[AdaptiveCapture],
        lines: Optional[LineLog],
        spawned: Optional[MultiprocessingChild],
    ) -> None:
        self._session = session
        self._adaptive = adaptive
        self._lines = lines
        self._spawned = spawned
        self._numbers = itertools.count(1)  # threads may add functions at the same moment
        self._first_of: Dict[Tuple[str, str, int], Function] = {}  # the same source may be compiled again
        self.when_added: List[Callable[[Function], None]] = []  # before any call of the function can end

    def clear(self) -> None:
        """Forget all functions: a forked child begins with none."""
        self._numbers = itertools.count(1)
        self._first_of.clear()

    def is_included(self, code: CodeType, frame: FrameType) -> bool:
        """Whether calls of *code* are to be recorded; *frame* is one of them."""
        if self._spawned is not None and code.co_name == "<module>" and frame.f_back is None:
            return False  # it is named __main__, but is not the program's
        return self._session.include.is_included(module_of(frame), code.co_filename)

    def add(self, code: CodeType, frame: FrameType) -> Optional[Function]:
        """Make *code* known as a traced function; None if there are too many."""
        session = self._session
        functions = session.functions
        if len(functions) >= MAX_FUNCTIONS:
            if len(functions) == MAX_FUNCTIONS:
                session.notice(
                    "too_many_functions",
                    "the program made more than %d functions: later ones are not traced" % MAX_FUNCTIONS,
                )
                functions[0] = next(iter(functions.values()))  # said once
            return None
        module = module_of(frame)
        if self._spawned is not None:
            self._spawned.find_name()
        if code.co_name == "<module>":
            session.names.module_starts(code)
        name = session.names.qualified_name(code, frame)
        file = session.include.absolute(code.co_filename)
        key = (file, name, code.co_firstlineno)
        first = self._first_of.get(key)
        function_id = first.function_id if first is not None else next(self._numbers)
        function = Function(code, function_id, name, module, file, session.encoder)
        if self._lines is not None and self._lines.wants(module, name):
            function.record_lines()
        if self._adaptive is not None and not function.runs_tests:  # of these each call is recorded
            self._adaptive.prepare(function, first)
        for callback in self.when_added:  # another thread may call it once it is known, and its end is to be seen
            callback(function)
        functions[id(code)] = function
        if first is None:
            self._first_of[key] = function
            session.write_function(function)
        return function
