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

# Instructions without a line that run no code: the compiler adds them where a call begins and where an exception leaves.
_QUIET_WITHOUT_LINE = _numbers(
    "MAKE_CELL", "COPY_FREE_VARS", "RETURN_GENERATOR", "PUSH_EXC_INFO", "POP_EXCEPT", "RERAISE", "CALL_INTRINSIC_1",
    "POP_TOP", "COPY", "SWAP", "LOAD_CONST", "STORE_FAST", "DELETE_FAST", "CACHE", "EXTENDED_ARG", "RESUME", "NOP",
)  # fmt: skip


class LineEffects:
    """What the lines of a function do to its variables. Sets of variables are the bits of a number.

    Attributes:
        names: The variables, in the order of ``f_locals``.
        shared: Those that other functions can change.
        around: Those of enclosing functions.
        begin_unbound: Those that are not bound when a call begins.
        entry_line: The line that each call executes first.
        lines: The effect of each line.
        released: Those that instructions without a line release: any line may end with them, where an exception leaves.
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
        self.released = 0


def line_effects(code: CodeType, limit: int) -> Optional[LineEffects]:
    """Return what the lines of a function do; None if its variables cannot be read one by one.

    Args:
        code: The code of the function.
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
    lines = effects.lines
    runs_anywhere = has_begun = False
    stack = _Stack(instructions)
    for at, opcode, argument, line in instructions:
        stored, used = _variables(opcode, argument)
        runs_code = stack.runs_code(at, opcode, argument, line)
        if line is None:
            runs_anywhere = runs_anywhere or opcode not in _QUIET_WITHOUT_LINE
            effects.released |= stored
            continue
        if has_begun and not effects.entry_line:
            effects.entry_line = line
        has_begun = has_begun or opcode == _RESUME
        known = lines.get(line, (runs_anywhere, 0, 0))
        lines[line] = (known[0] or runs_code, known[1] | stored, known[2] | used)
    if runs_anywhere:
        for line, (_, stored, used) in lines.items():
            lines[line] = (True, stored, used)
    return effects


class _Stack:
    """Follow which values on the stack a line has put there itself, from variables and constants.

    Args:
        instructions: Those of a function.
    """

    def __init__(self, instructions: List[Tuple[int, int, int, Optional[int]]]) -> None:
        self._targets = _jump_targets(instructions)
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


def _jump_targets(instructions: List[Tuple[int, int, int, Optional[int]]]) -> Set[int]:
    """Return the places that instructions jump to; a jump counts from the instruction after its caches."""
    targets = set()
    after = [at for at, opcode, _, _ in instructions if opcode != _CACHE]
    next_of = dict(zip(after, after[1:]))
    for at, opcode, argument, _ in instructions:
        if opcode in _JUMPS and at in next_of:
            targets.add(next_of[at] + (-2 if _JUMPS[opcode] else 2) * argument)
    return targets


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
