"""Say what each instruction can do to variables: from that, the core in C finds what each line of a function can do.

Between two lines a variable has changed only if the first one stores it, or if it holds a container or an object, and
the line may have run code that changes what is in there. A line runs no other code if it only calculates with numbers
and texts. Its instructions tell with which variables it calculates, and their values whether that is the case.

For Python 3.12 and newer. An instruction that is not known counts as the worst: as one that runs code.
"""

from __future__ import annotations

from opcode import opmap

from .features import HAS_FRAME_GET_VAR
from .locals_dict import may_keep_locals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Dict, Iterable, Optional, Tuple

_CO_OPTIMIZED = 0x1
_CO_VARARGS, _CO_VARKEYWORDS = 0x4, 0x8

# What is said of an instruction, as in csrc/effects.c. The lowest bits are numbers from 0 to 2.
_VARIABLES, _TAKES, _LEAVES = 1, 1 << 2, 1 << 4  # variables that it names, values that it takes, and puts on the stack
_STORES = 1 << 6  # the variables that it names
_CALCULATES = 1 << 7  # it runs no code if the values that it takes are numbers and texts
_NEVER_RUNS_CODE = 1 << 8  # whatever they are
_QUIET_WITHOUT_LINE = 1 << 9  # the same, but only where it has no line: where an exception leaves
_COPIES, _MIXES = 1 << 10, 1 << 11  # what is on the stack
_ENDS = 1 << 12  # the next instruction does not follow it
_JUMPS, _GOES_BACK = 1 << 13, 1 << 14
_EXTENDS, _IS_CACHE, _BEGINS = 1 << 15, 1 << 16, 1 << 17
_BEGINS_COMPREHENSION, _TELLS_LINE = 1 << 18, 1 << 19

_FACTS = (
    (_CALCULATES | 2 * _TAKES | _LEAVES, ("BINARY_OP", "COMPARE_OP", "CONTAINS_OP", "IS_OP")),
    (_CALCULATES | _TAKES | _LEAVES, ("UNARY_NEGATIVE", "UNARY_NOT", "UNARY_INVERT", "TO_BOOL")),
    (_CALCULATES | _TAKES, ("POP_TOP", "POP_JUMP_IF_FALSE", "POP_JUMP_IF_TRUE", "POP_JUMP_IF_NONE")),
    (_CALCULATES | _TAKES, ("POP_JUMP_IF_NOT_NONE",)),
    (_CALCULATES | _LEAVES, ("LOAD_CONST", "LOAD_SMALL_INT", "LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW")),
    (_CALCULATES | _LEAVES, ("LOAD_DEREF",)),
    (_CALCULATES | 2 * _LEAVES, ("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW")),
    (_CALCULATES, ("NOP", "CACHE", "EXTENDED_ARG", "RESUME", "NOT_TAKEN", "DELETE_FAST")),
    # What the variables held before is looked at: it may be released.
    (_NEVER_RUNS_CODE | _TAKES, ("STORE_FAST", "STORE_DEREF")),
    (_NEVER_RUNS_CODE | 2 * _TAKES, ("STORE_FAST_STORE_FAST",)),
    (_NEVER_RUNS_CODE | _TAKES | _LEAVES, ("STORE_FAST_LOAD_FAST",)),
    (_NEVER_RUNS_CODE | _MIXES, ("SWAP", "JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT")),
    (_NEVER_RUNS_CODE | _MIXES, ("RETURN_CONST", "RETURN_VALUE")),
    (_NEVER_RUNS_CODE | _COPIES, ("COPY",)),
    (_QUIET_WITHOUT_LINE, ("PUSH_EXC_INFO", "POP_EXCEPT", "RERAISE", "CALL_INTRINSIC_1")),
    (_ENDS, ("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "RETURN_CONST", "RETURN_VALUE")),
    (_ENDS, ("RERAISE", "RAISE_VARARGS")),
    (_JUMPS, ("FOR_ITER", "SEND")),
    (_EXTENDS, ("EXTENDED_ARG",)),
    (_IS_CACHE, ("CACHE",)),
    (_BEGINS, ("RESUME",)),
    (_BEGINS_COMPREHENSION, ("LOAD_FAST_AND_CLEAR",)),
    (_TELLS_LINE, ("INSTRUMENTED_LINE",)),
)
# Instructions of variables that store none.
_LOADS = {
    "LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW", "LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW",
    "LOAD_DEREF", "LOAD_FROM_DICT_OR_DEREF",
}  # fmt: skip


def _said_of(name: str) -> int:
    """Return what is said of an instruction."""
    said = 0
    for facts, names in _FACTS:
        if name in names:
            said |= facts
    if "JUMP" in name and not name.startswith("INSTRUMENTED"):
        said |= _JUMPS | (_GOES_BACK if "BACKWARD" in name else 0)
    if "_FAST" in name or name.endswith("_DEREF"):
        said |= (2 if name.count("_FAST") > 1 else 1) * _VARIABLES
        said |= 0 if name in _LOADS else _STORES
    return said


def _instructions() -> Tuple[int, ...]:
    said: Dict[int, int] = {number: _said_of(name) for name, number in opmap.items() if number < 256}
    return tuple([said.get(number, 0) for number in range(256)])


INSTRUCTIONS = _instructions()


class Variables:
    """The variables of a function. Sets of them are the bits of a number.

    Args:
        code: The code of the function.
        names: All of them, in the order of ``f_locals``.

    Attributes:
        names: These.
        shared: Those that other functions can change.
        around: Those of enclosing functions.
        begin_unbound: Those that are not bound when a call begins.
    """

    def __init__(self, code: CodeType, names: Tuple[str, ...]) -> None:
        arguments = code.co_argcount + code.co_kwonlyargcount
        arguments += bool(code.co_flags & _CO_VARARGS) + bool(code.co_flags & _CO_VARKEYWORDS)
        self.names = names
        self.around = _bits(names.index(name) for name in code.co_freevars)
        self.shared = self.around | _bits(names.index(name) for name in code.co_cellvars)
        self.begin_unbound = _bits(range(arguments, len(names))) & ~self.shared


def single_variables_of(code: CodeType, limit: int) -> Optional[Variables]:
    """Return the variables of a function; None if they cannot be read one by one.

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
    return Variables(code, names)


def _bits(positions: Iterable[int]) -> int:
    return sum([1 << position for position in positions])
