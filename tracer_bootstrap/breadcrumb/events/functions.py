"""Register the functions of included code when they start for the first time."""

from __future__ import annotations

import itertools
from types import CodeType, FrameType

from ..record_format import NOTICE_TOO_MANY_FUNCTIONS
from ..runtime.system import system
from ..session.functions import Function, is_annotations, kind_of, may_be_generated, module_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Optional, Sequence, Tuple, Union

    from ..session.processes import MultiprocessingChild
    from ..session.session import Session
    from .adaptive import AdaptiveCapture
    from .lines import LineLog
    from .recent_lines import RecentLines

# Functions that are traced: a program that compiles code in a loop would register ever more.
MAX_FUNCTIONS = 50_000


class FunctionLog:
    """Decide which code is traced, and write the record of each function.

    Args:
        session: Holds the functions and the include patterns.
        adaptive: Limits the calls that are recorded; None if all are.
        lines: The logs of lines, which know the functions whose lines they record.
        spawned: Set in a child of multiprocessing, which runs multiprocessing's code before the program's.
    """

    def __init__(
        self,
        session: Session,
        adaptive: Optional[AdaptiveCapture],
        lines: Sequence[Union[LineLog, RecentLines]],
        spawned: Optional[MultiprocessingChild],
    ) -> None:
        self._session = session
        self._adaptive = adaptive
        self._lines = lines
        self._spawned = spawned
        self._numbers = itertools.count(1)  # atomic: threads may add functions at the same time
        # By file, module, name and line: code that is compiled again is the same function.
        self._first_of: Dict[Tuple[str, str, str, int], Function] = {}
        self.when_added: List[Callable[[Function], None]] = []  # called before any call of the function can end

    def clear(self) -> None:
        """Forget all functions, in a forked child."""
        self._numbers = itertools.count(1)
        self._first_of.clear()

    def is_included(self, code: CodeType, frame: FrameType) -> bool:
        """Return whether calls of *code* are recorded; *frame* is one of them."""
        if self._spawned is not None and code.co_name == "<module>" and frame.f_back is None:
            return False  # multiprocessing's code, although its module is named __main__
        if is_annotations(code) or not self._session.include.is_included(module_of(frame), code.co_filename):
            return False
        return code.co_filename[:1] != "<" or not self._is_generated(code, frame)

    def _is_generated(self, code: CodeType, frame: FrameType) -> bool:
        """Return whether a library has generated the code, as dataclasses does, except for methods of classes.

        Such code runs in the namespace of the program's module, so that only its caller tells.
        """
        names = self._session.names
        if code.co_name == "<module>" and may_be_generated(code.co_filename):
            caller = frame.f_back
            if caller is None or self._session.include.is_included(module_of(caller), caller.f_code.co_filename):
                return False
            names.add_generated(code)
            return True
        return names.is_generated(code) and not names.owner_class(code, frame)

    def add(self, code: CodeType, frame: FrameType) -> Optional[Function]:
        """Register *code* as a traced function and return it; None if there are too many."""
        begun_ns = system.now_ns()
        session = self._session
        functions = session.functions
        if len(functions) >= MAX_FUNCTIONS:
            if len(functions) == MAX_FUNCTIONS:
                session.notice(
                    NOTICE_TOO_MANY_FUNCTIONS,
                    "the program made more than %d functions: later ones are not traced" % MAX_FUNCTIONS,
                )
                functions[0] = next(iter(functions.values()))  # one over the limit: no second notice
            return None
        module = module_of(frame)
        if self._spawned is not None:
            self._spawned.find_name()
        if code.co_name == "<module>":
            session.names.module_starts(code)
        name = session.names.qualified_name(code, frame)
        file = session.include.absolute(code.co_filename)
        if kind_of(code) == "module":
            name = session.include.cell(code.co_filename) or name  # the bodies of all cells are <module> in __main__
        # With the module, as all code that is generated has the same file.
        key = (file, module, name, code.co_firstlineno)
        first = self._first_of.get(key)
        function_id = first.function_id if first is not None else next(self._numbers)
        function = Function(code, function_id, name, module, file, session.encoder)
        function.is_own = session.include.is_own_code(file)
        for lines in self._lines:
            if function.lines is None and lines.wants(function):
                function.record_lines(lines)
        if self._adaptive is not None and not function.is_observed:  # each call of those is recorded
            self._adaptive.prepare(function, first)
        # Before it is registered: from then on another thread may call it, and the end of that call must be observed.
        for callback in self.when_added:
            callback(function)
        if first is None:
            session.write_function(function)  # first: a signal handler may raise here, and calls need their function
            self._first_of[key] = function
        functions[id(code)] = function
        if self._adaptive is not None:
            self._adaptive.spend(system.now_ns() - begun_ns)
        return function
