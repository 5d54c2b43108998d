"""Read the variables of a frame, also where Python 3.13.0 to 3.13.2 would crash.

There ``f_locals`` takes the variable of an inlined comprehension (PEP 709) for a cell if another function shares a
variable of the same name (https://github.com/python/cpython/issues/128396). Such a variable is left out.
"""

from __future__ import annotations

from opcode import opmap

from .features import CRASHES_ON_COMPREHENSION_VARIABLES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any, Dict, FrozenSet, List, Tuple

# Saves what a variable was before a comprehension, and makes it unbound.
_BEGINS_COMPREHENSION = opmap.get("LOAD_FAST_AND_CLEAR", -1)
_EXTENDED_ARG = opmap["EXTENDED_ARG"]
_MAX_KNOWN = 10_000

# The unsafe variables of code objects, by id(); the object is kept, so that no other gets its id.
_known: Dict[int, Tuple[CodeType, FrozenSet[str]]] = {}


def live_locals(frame: FrameType) -> Any:
    """Return ``f_locals`` of a frame, or a dict of what can be read of it."""
    code = frame.f_code
    if not CRASHES_ON_COMPREHENSION_VARIABLES or not (code.co_cellvars or code.co_freevars):
        return frame.f_locals
    unsafe = _unsafe_variables(code)
    if not unsafe:
        return frame.f_locals
    variables: Any = frame.f_locals
    found: Dict[str, Any] = {}
    for name in dict.fromkeys((*code.co_varnames, *code.co_cellvars, *code.co_freevars)):
        if name not in unsafe:
            try:
                found[name] = variables[name]  # looks at no other variable, which iterating would do
            except KeyError:  # not bound
                continue
    return found


def _unsafe_variables(code: CodeType) -> FrozenSet[str]:
    known = _known.get(id(code))
    if known is None:
        if len(_known) >= _MAX_KNOWN:
            _known.clear()
        shared = (*code.co_cellvars, *code.co_freevars)
        known = _known[id(code)] = (code, frozenset(_comprehension_variables(code)).intersection(shared))
    return known[1]


def _comprehension_variables(code: CodeType) -> List[str]:
    """Return the variables that comprehensions within a function bind in its frame."""
    names = (*code.co_varnames, *(name for name in code.co_cellvars if name not in code.co_varnames), *code.co_freevars)
    found: List[str] = []
    instructions = code.co_code
    high = 0
    for at in range(0, len(instructions), 2):
        index = high | instructions[at + 1]
        high = index << 8 if instructions[at] == _EXTENDED_ARG else 0
        if instructions[at] == _BEGINS_COMPREHENSION:
            found.append(names[index])
    return found
