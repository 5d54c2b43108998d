"""Find out what each line of a function can do to its variables: which it stores, and whether it may run other code.

Between two lines a variable has changed only if the first one stores it, or if it holds a container or an object, and the
line may have run code that changes what is in there. A line runs no other code if it only calculates with numbers and
texts. Its instructions tell with which variables it calculates, and the values whether these are numbers and texts.

For Python 3.12 and newer. An instruction that is not known counts as the worst: as one that runs code.
"""

from __future__ import annotations

from opcode import opmap

from .features import HAS_FRAME_GET_VAR
from .locals_dict import may_keep_locals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any, Dict, Iterable, Iterator, List, Optional, Set, Tuple

    # Whether it may run code whatever the variables hold, the variables that it stores, and those that it uses.
    Effect = Tuple[bool, int, int]

_CO_OPTIMIZED = 0x1
_CO_VARARGS, _CO_VARKEYWORDS = 0x4, 0x8


def _numbers(*names: str) -> Set[int]:
    return {opmap[name] for name in names if name in opmap}


_RESUME, _EXTENDED_ARG, _CACHE = [opmap.get(name, -1) for name in ("RESUME", "EXTENDED_ARG", "CACHE")]
_COPY, _SWAP = [opmap.get(name, -1) for name in ("COPY", "SWAP")]
_TELLS_LINE = bytes([opmap.get("INSTRUMENTED_LINE", 0)])
_BEGINS_COMPREHENSION = opmap.get("LOAD_FAST_AND_CLEAR", -1)

# Instructions that name variables, with the number of these. Those of two have 4 bits for each.
_OF_VARIABLES = {
    number: 2 if name.count("_FAST") > 1 else 1
    for name, number in opmap.items()
    if "_FAST" in name or name.endswith("_DEREF")
}
# Those of them that store nothing.
_LOADS = _numbers(
    "LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW", "LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW",
    "LOAD_DEREF", "LOAD_FROM_DICT_OR_DEREF",
)  # fmt: skip

# Instructions that run no code of the program if the values that they take are numbers and texts, with how many they
# take off the stack and how many of these, or of others, they leave there.
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
# Instructions that take any values off the stack, and run no code, as what a variable held before is looked at.
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
_LEAVES = _numbers("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "RETURN_CONST", "RETURN_VALUE")
_JUMPS = {number: "BACKWARD" in name for name, number in opmap.items() if "JUMP" in name or name in ("FOR_ITER", "SEND")}

# Instructions without a line that run no code: the compiler adds them where an exception leaves.
_QUIET_WITHOUT_LINE = _numbers("PUSH_EXC_INFO", "POP_EXCEPT", "RERAISE", "CALL_INTRINSIC_1")
# Those after which the next instruction does not follow.
_ENDS = _numbers("RETURN_CONST", "RETURN_VALUE", "RERAISE", "RAISE_VARARGS")
_ALWAYS_JUMPS = _LEAVES - _ENDS


class LineEffects:
    """What the lines of a function do to its variables. Sets of variables are the bits of a number.

    Attributes:
        names: The variables, in the order of ``f_locals``.
        shared: Those that other functions can change.
        around: Those of enclosing functions.
        begin_unbound: Those that are not bound when a call begins.
        entry_line: The line that each call executes first.
        lines: The effect of each line.
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
    instructions = list(_instructions(code))
    if any(opcode == _BEGINS_COMPREHENSION and effects.shared >> argument & 1 for _, opcode, argument, _ in instructions):
        return None  # the variable is no cell within the comprehension (gh-128396)
    steps = _steps(code, instructions)
    starts = _starts(code, steps)
    for at, step in steps.items():
        if at in starts and step.line is not None and step.line not in effects.lines:
            effects.lines[step.line] = _effect(step.line, starts, steps)
    begin = next((at for at, opcode, _, _ in instructions if opcode == _RESUME), 0)
    entries = [steps[at].line for at in starts if at > begin]
    effects.entry_line = (entries[0] or 0) if entries else 0
    return effects


class _Step:
    """An instruction: what it does, and those that may follow it."""

    __slots__ = ("line", "next", "runs_code", "stored", "used")

    def __init__(self, line: Optional[int], runs_code: bool, variables: Tuple[int, int]) -> None:
        self.line = line
        self.runs_code = runs_code
        self.stored, self.used = variables
        self.next: List[int] = []


def _steps(code: CodeType, instructions: List[Tuple[int, int, int, Optional[int]]]) -> Dict[int, _Step]:
    """Return the instructions by their places."""
    jumps = _jumps(instructions)
    stack = _Stack(set(jumps.values()))
    steps: Dict[int, _Step] = {}
    for at, opcode, argument, line in instructions:
        runs_code = stack.runs_code(at, opcode, argument, line)
        if line is None and opcode in _QUIET_WITHOUT_LINE:
            runs_code = False
        step = steps[at] = _Step(line, runs_code, _variables(opcode, argument))
        if opcode not in _ENDS and opcode not in _ALWAYS_JUMPS:
            step.next.append(at + 2)
        if at in jumps:
            step.next.append(jumps[at])
    for start, end, handler in _handlers(code.co_exceptiontable):  # type: ignore[attr-defined, unused-ignore]
        for at in range(start, end, 2):
            steps[at].next.append(handler)
    return steps


def _starts(code: CodeType, steps: Dict[int, _Step]) -> List[int]:
    """Return the places of a function whose lines are observed at which the interpreter tells of a line.

    Not each change of the line is told: 3.14 does not tell of the line after a loop if it is that of the loop's end.
    """
    observed: bytes = getattr(code, "_co_code_adaptive", b"")
    return [at for at in steps if observed[at : at + 1] == _TELLS_LINE]


def _effect(line: int, starts: List[int], steps: Dict[int, _Step]) -> Effect:
    """Return what may be done from the start of a line until the start of another one is told."""
    ends = {at for at in starts if steps[at].line != line}
    ahead = [at for at in starts if steps[at].line == line]
    seen = set(ahead)
    runs_code, stored, used = False, 0, 0
    while ahead:
        step = steps[ahead.pop()]
        runs_code = runs_code or step.runs_code
        stored |= step.stored
        used |= step.used
        for at in step.next:
            if at in steps and at not in seen and at not in ends:
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
        self._own: List[bool] = []  # of the topmost values, from the lowest; those below are of others

    def runs_code(self, at: int, opcode: int, argument: int, line: Optional[int]) -> bool:
        """Return whether an instruction may run code although the variables of its line hold numbers and texts."""
        own = self._own
        if line != self._line or at in self._targets:
            self._line = line
            own.clear()
        if opcode == _COPY:
            own.append(argument <= len(own) and own[-argument])
            return False
        if opcode == _SWAP:
            own.clear()
            return False
        if opcode in _LEAVES:
            own.clear()
            return False
        takes, leaves = _STORES.get(opcode) or _CALCULATES.get(opcode) or (0, 0)
        taken = own[len(own) - takes :] if takes <= len(own) else [False]
        del own[max(0, len(own) - takes) :]
        own.extend([True] * leaves)
        return opcode not in _STORES and (opcode not in _CALCULATES or not all(taken))


def _jumps(instructions: List[Tuple[int, int, int, Optional[int]]]) -> Dict[int, int]:
    """Return where instructions jump to; a jump counts from the instruction after its caches."""
    places = [at for at, opcode, _, _ in instructions if opcode != _CACHE]
    next_of = dict(zip(places, places[1:]))
    found: Dict[int, int] = {}
    for at, opcode, argument, _ in instructions:
        if opcode in _JUMPS and at in next_of:
            found[at] = next_of[at] + (-2 if _JUMPS[opcode] else 2) * argument
    return found


def _handlers(table: bytes) -> Iterator[Tuple[int, int, int]]:
    """Yield the parts of a function that have a handler of exceptions: start, end, and the place of the handler."""
    numbers: List[int] = []
    number = 0
    for byte in table:  # six bits each, the highest first; a bit tells whether the number goes on
        number = number << 6 | (byte & 63)
        if not byte & 64:
            numbers.append(number)
            number = 0
    for at in range(0, len(numbers) - 3, 4):  # the fourth is the depth of the stack
        start, length, handler = numbers[at : at + 3]
        yield 2 * start, 2 * (start + length), 2 * handler


def _bits(positions: Iterable[int]) -> int:
    return sum(1 << position for position in positions)


def _variables(opcode: int, argument: int) -> Tuple[int, int]:
    """Return the variables that an instruction stores (or deletes), and those that it uses."""
    count = _OF_VARIABLES.get(opcode, 0)
    if not count:
        return 0, 0
    used = 1 << argument if count == 1 else 1 << (argument >> 4) | 1 << (argument & 15)
    return 0 if opcode in _LOADS else used, used


def _instructions(code: CodeType) -> Iterator[Tuple[int, int, int, Optional[int]]]:
    """Yield the instructions of a function: place, number, argument and line of each."""
    instructions = code.co_code
    table: Any = code.co_lines()
    high = 0
    for start, end, line in table:
        for at in range(start, end, 2):
            argument = high | instructions[at + 1]
            high = argument << 8 if instructions[at] == _EXTENDED_ARG else 0
            yield at, instructions[at], argument, line
