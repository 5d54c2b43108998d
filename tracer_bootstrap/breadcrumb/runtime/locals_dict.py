"""Leave the dict alone that a function of the program has got from ``locals()``.

Before PEP 667 (3.13) a frame has one such dict. Reading ``f_locals`` writes the present values of the variables into
it, and so does the interpreter whenever it calls a trace function for the frame. The program would see that.
"""

from __future__ import annotations

from opcode import opmap

from . import mapped_files
from .features import HAS_FRAME_GET_VAR, LIVE_F_LOCALS
from .interruptions import raised_by_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any, Callable, List, Optional, Tuple

_NAMES = {"locals", "vars"}

_CO_OPTIMIZED = 0x1  # set for functions; the variables of a class or module body are its namespace

_LOAD_GLOBAL = opmap["LOAD_GLOBAL"]
# From 3.11 on the lowest bit of its argument has another meaning.
_GLOBAL_SHIFT = 1 if "RESUME" in opmap else 0
_MAX_NAMES = 255  # an argument of more than a byte is not read

_LOADS = {opmap[name] for name in ("LOAD_GLOBAL", "LOAD_NAME") if name in opmap}
_CALLS = {opmap[name] for name in ("CALL", "CALL_FUNCTION") if name in opmap}
# Instructions that use the dict up at once: ``f(**locals())``, ``{**locals()}``, ``text % locals()``, ``in locals()``.
_USES = {
    opmap[name]
    for name in (
        "DICT_MERGE", "DICT_UPDATE", "CALL_FUNCTION_EX", "BUILD_MAP_UNPACK", "BUILD_MAP_UNPACK_WITH_CALL",
        "BINARY_MODULO", "BINARY_OP", "CONTAINS_OP", "COMPARE_OP", "POP_TOP",
    )
    if name in opmap
}  # fmt: skip
_INDEXES = {opmap[name] for name in ("LOAD_CONST", "LOAD_FAST")}
_SUBSCRIPT = opmap.get("BINARY_SUBSCR", -1)
_SKIPPED = {opmap[name] for name in ("EXTENDED_ARG", "CACHE", "PRECALL") if name in opmap}


def may_keep_locals(code: CodeType) -> bool:
    """Return whether a function names ``locals`` or ``vars``: it may hold the dict, which must not be written to.

    An attribute of that name does not count. Each assertion that pytest has rewritten has one.
    """
    if LIVE_F_LOCALS or not code.co_flags & _CO_OPTIMIZED or _NAMES.isdisjoint(code.co_names):
        return False
    if len(code.co_names) > _MAX_NAMES:
        return True
    instructions = code.co_code
    opcodes, arguments = instructions[::2], instructions[1::2]
    for load in _LOADS:  # found by bytes.find, as every function with an assertion is looked at
        at = opcodes.find(load)
        while at >= 0:
            index = arguments[at] >> (_GLOBAL_SHIFT if load == _LOAD_GLOBAL else 0)
            if index < len(code.co_names) and code.co_names[index] in _NAMES:
                return True
            at = opcodes.find(load, at + 1)
    return False


def keeps_locals(code: CodeType) -> bool:
    """Return whether a function may hold the dict after the expression that called ``locals()``.

    Takes apart the instructions of Pythons before 3.12, where each event of a trace function writes into the dict.
    """
    if not may_keep_locals(code):
        return False
    if len(code.co_names) > _MAX_NAMES:
        return True
    found = _instructions(code)
    return any([name in _NAMES and not _is_used_at_once(name, found, at) for at, name in _loads(found, code)])


def _instructions(code: CodeType) -> List[Tuple[int, int]]:
    """Return the instructions of a function with their arguments."""
    raw = code.co_code
    return [(raw[at], raw[at + 1]) for at in range(0, len(raw), 2) if raw[at] not in _SKIPPED]


def _loads(instructions: List[Tuple[int, int]], code: CodeType) -> List[Tuple[int, str]]:
    """Return the positions of the instructions that load a name, each with the name."""
    found = []
    for at, (opcode, argument) in enumerate(instructions):
        if opcode in _LOADS:
            index = argument >> (_GLOBAL_SHIFT if opcode == _LOAD_GLOBAL else 0)
            if index < len(code.co_names):
                found.append((at, code.co_names[index]))
    return found


def _is_used_at_once(name: str, found: List[Tuple[int, int]], at: int) -> bool:
    """Return whether the instruction at position *at*, which loads *name*, leads to no dict, or to one for a moment."""
    after = [*found[at + 1 : at + 4], (-1, 0), (-1, 0), (-1, 0)]
    if after[0][0] not in _CALLS or after[0][1]:
        return name == "vars"  # with an argument, it is another object's dict
    return after[1][0] in _USES or (after[1][0] in _INDEXES and after[2][0] == _SUBSCRIPT)


def _find_get_var() -> Optional[Callable[[FrameType, str], Any]]:
    """Return ``PyFrame_GetVar`` of the C API, which reads a variable without the dict; None if it cannot be called."""
    try:
        c = mapped_files.ctypes_in_c
        value: Any = type("py_object", (c._SimpleCData,), {"_type_": "O"})
        prototype: Any = type(
            "get_var",
            (c.CFuncPtr,),
            {"_flags_": c.FUNCFLAG_CDECL | c.FUNCFLAG_PYTHONAPI, "_restype_": value, "_argtypes_": (value, value)},
        )
        found: Callable[[FrameType, str], Any] = prototype(c.dlsym(c.dlopen(None, 0), "PyFrame_GetVar"))
    except Exception:  # a Python without libffi, or linked statically
        return None
    return found


# The result of ``_find_get_var``, once it was needed.
_get_var: List[Optional[Callable[[FrameType, str], Any]]] = [] if HAS_FRAME_GET_VAR else [None]


def single_variables(frame: FrameType) -> List[Tuple[str, Any]]:
    """Return the variables of a function that may hold the dict, read one by one; none where that is impossible."""
    code = frame.f_code
    variables: List[Tuple[str, Any]] = []
    if not _get_var:
        _get_var.append(_find_get_var())
    get_var = _get_var[0]
    if get_var is not None:
        for name in dict.fromkeys((*code.co_varnames, *code.co_cellvars, *code.co_freevars)):
            try:
                variables.append((name, get_var(frame, name)))
            except NameError as error:  # not bound
                if raised_by_program(error):
                    raise
    return variables
