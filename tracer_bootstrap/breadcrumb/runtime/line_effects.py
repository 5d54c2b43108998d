"""Find out what each line of a function can do to its variables: which it stores, and whether it may run other code.

Between two lines a variable has changed only if the first one stores it, or if it holds a container or an object, and
the line may have run code that changes what is in there. A line runs no other code if it only calculates with numbers
and texts. Its instructions tell with which variables it calculates, and their values whether that is the case.

For Python 3.12 and newer. An instruction that is not known counts as the worst: as one that runs code.
"""

from __future__ import annotations

from opcode import opmap

from .features import HAS_FRAME_GET_VAR
from .instructions import handlers_of, instructions_of, jumps_of, numbers, told_places
from .locals_dict import may_keep_locals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Dict, Iterable, List, Optional, Set, Tuple

    from .instructions import Instruction

    # Whether it may run code whatever the variables hold, the variables that it stores, and those that it uses.
    Effect = Tuple[bool, int, int]

_CO_OPTIMIZED = 0x1
_CO_VARARGS, _CO_VARKEYWORDS = 0x4, 0x8

_RESUME, _COPY, _SWAP = opmap["RESUME"], opmap["COPY"], opmap["SWAP"]
_BEGINS_COMPREHENSION = opmap["LOAD_FAST_AND_CLEAR"]

# Instructions that name variables, with the number of these. Those of two have 4 bits for each.
_OF_VARIABLES = {
    number: 2 if name.count("_FAST") > 1 else 1
    for name, number in opmap.items()
    if "_FAST" in name or name.endswith("_DEREF")
}
# Those of them that store nothing.
_LOADS = numbers(
    "LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW", "LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW",
    "LOAD_DEREF", "LOAD_FROM_DICT_OR_DEREF",
)  # fmt: skip

# Instructions that run no code of the program if the values that they take are numbers and texts: how many they take
# off the stack, and how many such values they leave there.
_CALCULATES = {
    opmap[name]: (takes, leaves)
    for names, takes, leaves in (
        (("BINARY_OP", "COMPARE_OP", "CONTAINS_OP", "IS_OP"), 2, 1),
        (("UNARY_NEGATIVE", "UNARY_NOT", "UNARY_INVERT", "TO_BOOL"), 1, 1),
        (("POP_TOP", "POP_JUMP_IF_FALSE", "POP_JUMP_IF_TRUE", "POP_JUMP_IF_NONE", "POP_JUMP_IF_NOT_NONE"), 1, 0),
        (("LOAD_CONST", "LOAD_SMALL_INT", "LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW", "LOAD_DEREF"), 0, 1),
        (("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"), 0, 2),
        (("NOP", "CACHE", "EXTENDED_ARG", "RESUME", "NOT_TAKEN", "DELETE_FAST"), 0, 0),
    )
    for name in names
    if name in opmap
}
# Instructions that take any values off the stack, and run no code: what their variables held before is looked at.
_STORES = {
    opmap[name]: (takes, leaves)
    for name, takes, leaves in (
        ("STORE_FAST", 1, 0),
        ("STORE_DEREF", 1, 0),
        ("STORE_FAST_STORE_FAST", 2, 0),
        ("STORE_FAST_LOAD_FAST", 1, 1),
    )
    if name in opmap
}
_RETURNS = numbers("RETURN_CONST", "RETURN_VALUE")
_ALWAYS_JUMPS = numbers("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT")
_RAISES = numbers("RERAISE", "RAISE_VARARGS")
# Instructions that run no code where they have no line: the compiler adds them where an exception leaves.
_QUIET_WITHOUT_LINE = numbers("PUSH_EXC_INFO", "POP_EXCEPT", "RERAISE", "CALL_INTRINSIC_1")


class LineEffects:
    """What the lines of a function do to its variables. Sets of variables are the bits of a number.

    Attributes:
        names: The variables, in the order of ``f_locals``.
        shared: Those that other functions can change.
        around: Those of enclosing functions.
        begin_unbound: Those that are not bound when a call begins.
        entry_line: The line that each call executes first.
        lines: The effect of each line of which the interpreter tells, until it tells of another one.
    """

    def __init__(self, code: CodeType, names: Tuple[str, ...]) -> None:
        arguments = code.co_argcount + code.co_kwonlyargcount
        arguments += bool(code.co_flags & _CO_VARARGS) + bool(code.co_flags & _CO_VARKEYWORDS)
        self.names = names
        self.around = _bits(names.index(name) for name in code.co_freevars)
        self.shared = self.around | _bits(names.index(name) for name in code.co_cellvars)
        self.begin_unbound = _bits(range(arguments, len(names))) & ~self.shared
        self.entry_line = 0
        self.lines: Dict[int, Effect] = {}


def line_effects(code: CodeType, limit: int) -> Optional[LineEffects]:
    """Return what the lines of a function do; None if its variables cannot be read one by one.

    Args:
        code: The code of the function, whose lines are observed.
        limit: Number of variables from which on a function has too many.
    """
    cells = [name for name in code.co_cellvars if name not in code.co_varnames]
    names = (*code.co_varnames, *cells, *code.co_freevars)
    if not code.co_flags & _CO_OPTIMIZED or len(names) >= limit or len(set(names)) < len(names):
        return None
    if HAS_FRAME_GET_VAR and not {"exec", "eval"}.isdisjoint(code.co_names) and not may_keep_locals(code):
        return None  # the dict that they are given may hold what is no variable of the function
    effects = LineEffects(code, names)
    instructions = list(instructions_of(code))
    if any(op == _BEGINS_COMPREHENSION and effects.shared >> argument & 1 for _, op, argument, _ in instructions):
        return None  # the variable is no cell within the comprehension (gh-128396)
    steps = _steps(code, instructions)
    starts = {at: line for at, line in _lines_at(steps, told_places(code)) if line}
    for line in dict.fromkeys(starts.values()):
        effects.lines[line] = _effect(line, starts, steps)
    begins = min([at for at, opcode, _, _ in instructions if opcode == _RESUME], default=0)
    entry = min([at for at in starts if at > begins], default=0)
    effects.entry_line = starts.get(entry, 0)
    return effects


class _Step:
    """An instruction: what it does, and the places of those that may follow it."""

    __slots__ = ("line", "next", "runs_code", "stored", "used")

    def __init__(self, line: Optional[int], runs_code: bool, variables: Tuple[int, int]) -> None:
        self.line = line
        self.runs_code = runs_code
        self.stored, self.used = variables
        self.next: List[int] = []


def _steps(code: CodeType, instructions: List[Instruction]) -> Dict[int, _Step]:
    """Return the instructions by their places."""
    jumps = jumps_of(instructions)
    stack = _Stack(set(jumps.values()))
    steps: Dict[int, _Step] = {}
    for at, opcode, argument, line in instructions:
        runs_code = stack.runs_code(at, opcode, argument, line)
        is_quiet = line is None and opcode in _QUIET_WITHOUT_LINE
        step = steps[at] = _Step(line, runs_code and not is_quiet, _variables(opcode, argument))
        if opcode not in _RETURNS and opcode not in _RAISES and opcode not in _ALWAYS_JUMPS:
            step.next.append(at + 2)
        if at in jumps:
            step.next.append(jumps[at])
    for start, end, handler in handlers_of(code):
        for at in range(start, end, 2):
            steps[at].next.append(handler)
    return steps


def _lines_at(steps: Dict[int, _Step], places: Set[int]) -> List[Tuple[int, Optional[int]]]:
    return [(at, step.line) for at, step in steps.items() if at in places]


def _effect(line: int, starts: Dict[int, int], steps: Dict[int, _Step]) -> Effect:
    """Return what may be done from the start of a line until the start of another one is told.

    Args:
        line: The line.
        starts: The places where the start of a line is told, with the line.
        steps: The instructions of the function.
    """
    ahead = [at for at, started in starts.items() if started == line]
    seen = set(ahead)
    runs_code, stored, used = False, 0, 0
    while ahead:
        step = steps[ahead.pop()]
        runs_code = runs_code or step.runs_code
        stored |= step.stored
        used |= step.used
        for at in step.next:
            if at in steps and at not in seen and starts.get(at, line) == line:
                seen.add(at)
                ahead.append(at)
    return runs_code, stored, used


class _Stack:
    """Follow which values on the stack a line has put there itself, from variables and constants.

    Args:
        targets: The places that instructions jump to.
    """

    def __init__(self, targets: Set[int]) -> None:
        self._targets = targets
        self._line: Optional[int] = None
        self._own: List[bool] = []  # of the topmost values, from the lowest on; those below are not its own

    def runs_code(self, at: int, opcode: int, argument: int, line: Optional[int]) -> bool:
        """Return whether an instruction may run code although the variables of its line hold numbers and texts."""
        own = self._own
        if line != self._line or at in self._targets:
            self._line = line
            own.clear()
        if opcode == _COPY:
            own.append(argument <= len(own) and own[-argument])
            return False
        if opcode == _SWAP or opcode in _ALWAYS_JUMPS or opcode in _RETURNS:
            own.clear()
            return False
        takes, leaves = _STORES.get(opcode) or _CALCULATES.get(opcode) or (0, 0)
        taken = own[len(own) - takes :] if takes <= len(own) else [False]
        del own[max(0, len(own) - takes) :]
        own.extend([True] * leaves)
        return opcode not in _STORES and (opcode not in _CALCULATES or not all(taken))


def _bits(positions: Iterable[int]) -> int:
    return sum([1 << position for position in positions])


def _variables(opcode: int, argument: int) -> Tuple[int, int]:
    """Return the variables that an instruction stores (or deletes), and those that it uses."""
    count = _OF_VARIABLES.get(opcode, 0)
    if not count:
        return 0, 0
    used = 1 << argument if count == 1 else 1 << (argument >> 4) | 1 << (argument & 15)
    return 0 if opcode in _LOADS else used, used
