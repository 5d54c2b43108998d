"""Compile the expressions of a probe, and count what it does in this process."""

from __future__ import annotations

import itertools
from opcode import opmap
from types import CodeType

from ..runtime.code_lines import lines_of_table
from ..runtime.features import HAS_CO_LINES, HAS_RESUME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

# The file name of expressions in tracebacks.
_FILE = "<probe>"


class Expression:
    """An expression or a condition.

    Args:
        text: Its source.
        is_condition: Whether its truth alone is wanted.
    """

    __slots__ = ("code", "error", "is_stopped", "names", "text")

    def __init__(self, text: str, is_condition: bool = False) -> None:
        self.text = text
        self.is_stopped = False  # it took too long
        self.error = ""  # why it cannot be compiled: the grammar of the traced Python may be older than the server's
        self.code: Optional[CodeType] = None
        self.names: List[str] = []  # all that it names: one of them may be secret
        try:
            self.code = compile(text, _FILE, "eval", 0, True)
            if is_condition:  # so that the truth of an object is found within the evaluation
                self.code = compile("True if (%s\n) else False" % text, _FILE, "eval", 0, True)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
            self.error = "%s: %s" % (type(error).__name__, getattr(error, "msg", None) or error)
        else:
            self.names = sorted(_names_in(self.code))


class Probe:
    """A place with a condition and expressions, and what was found and counted there.

    Args:
        number: Its position among the probes of the run.
        settings: ``place``, ``kind``, ``module`` or ``file`` with ``line``, or ``function``; ``condition`` and
            ``expressions``.
    """

    __slots__ = (
        "bytes_written",
        "codes",
        "condition",
        "count_at",
        "expressions",
        "file",
        "function",
        "hits",
        "kind",
        "last",
        "line",
        "met",
        "module",
        "nearest",
        "next_hit",
        "next_met",
        "notes",
        "number",
        "place",
        "rows_written",
        "started",
    )

    def __init__(self, number: int, settings: Dict[str, Any]) -> None:
        self.number = number
        self.place: str = settings["place"]
        self.kind: str = settings["kind"]
        self.module: str = settings.get("module", "")
        self.file: str = settings.get("file", "")
        self.line: int = settings.get("line", 0)
        self.function: str = settings.get("function", "")
        condition: str = settings.get("condition", "")
        self.condition = Expression(condition, is_condition=True) if condition else None
        self.expressions = [Expression(text) for text in settings["expressions"]]
        self.codes: List[Dict[str, Any]] = []  # the code that it is in
        self.nearest: List[Dict[str, Any]] = []  # the code around its line, if that line has none
        self.started = False  # whether a call of that code has
        self.clear()

    def clear(self) -> None:
        """Forget what was counted, in a forked child."""
        self.notes: List[str] = []
        self.hits = self.met = 0
        self.next_hit = itertools.count(1).__next__  # atomic: several threads may reach the place
        self.next_met = itertools.count(1).__next__
        self.count_at = 1
        self.rows_written = self.bytes_written = 0
        self.last: List[Dict[str, Any]] = []  # rows that are written at the end of the process


class CodeProbes:
    """The probes in one code object."""

    __slots__ = ("code", "entry", "first_lines", "lines", "returns")

    def __init__(self, code: CodeType) -> None:
        self.code = code  # kept alive: code is found by its id()
        self.lines: Dict[int, List[Probe]] = {}
        self.entry: List[Probe] = []
        self.returns: List[Probe] = []
        self.first_lines: Set[int] = set()

    def all(self) -> List[Probe]:
        """Return every probe in this code."""
        return [*(probe for probes in self.lines.values() for probe in probes), *self.entry, *self.returns]


def lines_of(code: CodeType) -> Set[int]:
    """Return the lines at which code can stop; the line of ``def`` belongs to the code around it."""
    if not HAS_CO_LINES:
        return lines_of_table(code)
    begins = 0
    if HAS_RESUME and code.co_name != "<module>":
        instructions = code.co_code
        while begins < len(instructions) and instructions[begins] != opmap["RESUME"]:
            begins += 2
        begins += 2
        while begins < len(instructions) and instructions[begins] == opmap.get("CACHE", -1):  # of RESUME, from 3.15 on
            begins += 2
    entries: Any = code.co_lines()
    return {line for _, end, line in entries if line and end > begins}


def nested_code(code: CodeType) -> Sequence[CodeType]:
    """Return the code of the functions and classes that code defines."""
    return [constant for constant in code.co_consts if type(constant) is CodeType]


def _names_in(code: Optional[CodeType]) -> Set[str]:
    if code is None:
        return set()
    found: Set[str] = {*code.co_names, *code.co_varnames, *code.co_freevars}
    pending: List[Any] = list(code.co_consts)
    while pending:
        constant = pending.pop()
        if type(constant) is str:
            found.add(constant)
        elif type(constant) is CodeType:
            found |= _names_in(constant)
        elif type(constant) is tuple:
            pending.extend(constant)
    return found


def is_anonymous(code: CodeType) -> bool:
    """Return whether code is a comprehension, a generator expression or a lambda: a part of a line of other code."""
    return code.co_name.startswith("<") and code.co_name != "<module>"


def range_of(code: CodeType) -> Tuple[int, int]:
    """Return the first and last line of code, without what it nests."""
    lines = lines_of(code)
    return code.co_firstlineno, max(lines, default=code.co_firstlineno)
