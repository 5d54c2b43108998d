"""The local variables of a frame, read without running code of the user's or leaving a trace of it in the frame."""

from __future__ import annotations

from sys import getrefcount
from types import CodeType, FrameType, FunctionType, ModuleType

from ..runtime.classes import derives
from .encoder import Encoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

_MAX_LOCALS = 40

_CO_OPTIMIZED = 0x1  # set for functions; the variables of a class or module body are a namespace

# The frame, a variable here, the argument of getrefcount: more means that the program has called locals().
_REFERENCES_OF_OURS = 3


def encoded_locals(frame: FrameType, encoder: Encoder, clears_locals: bool) -> bytes:
    """The frame's variables as a JSON object (the first of them, if there are many)."""
    return encoder.encode_fields(variables_of(frame, _MAX_LOCALS, clears_locals))


def variables_of(frame: FrameType, limit: int, clears_locals: bool) -> List[Tuple[str, Any]]:
    """Up to *limit* names and values, without what a module or a class body defines.

    clears_locals: reading f_locals has filled a dict that the frame keeps, and that is to be emptied again.
    """
    code = frame.f_code
    is_function = code.co_flags & _CO_OPTIMIZED
    frame_locals: Any = frame.f_locals
    found: List[Tuple[str, Any]] = []
    for name, value in _items(frame_locals, is_function):
        if type(name) is not str or _is_of_the_interpreter(name) or not (is_function or _is_variable(value)):
            continue
        if len(found) == limit:
            break
        found.append((name, value))
    if is_function and clears_locals and getrefcount(frame_locals) <= _REFERENCES_OF_OURS:
        _take_out(code, frame_locals)
    return found


def forget_locals(frame: FrameType) -> None:
    """Empty what reading f_locals has filled, in a frame that its traceback may keep (``frame.clear`` would not)."""
    code = frame.f_code
    frame_locals: Any = frame.f_locals
    if code.co_flags & _CO_OPTIMIZED and getrefcount(frame_locals) <= _REFERENCES_OF_OURS:
        _take_out(code, frame_locals)


def _take_out(code: CodeType, frame_locals: Dict[str, Any]) -> None:
    """Only the function's own variables: what ``exec`` has put there, ``locals()`` must find again."""
    for names in (code.co_varnames, code.co_cellvars, code.co_freevars):
        for name in names:
            frame_locals.pop(name, None)


def _items(frame_locals: Any, is_function: int) -> List[Tuple[Any, Any]]:
    if is_function:
        return list(frame_locals.items())
    # A class body's namespace is what its metaclass prepared: perhaps a mapping of the user's.
    return list(dict.items(frame_locals)) if derives(type(frame_locals), dict) else []


def _is_of_the_interpreter(name: str) -> bool:
    """Also what pytest puts into its rewritten assertions."""
    return name.startswith((".", "@py_")) or (name.startswith("__") and name.endswith("__"))


def _is_variable(value: Any) -> bool:
    # Not `in`: a metaclass may have an __eq__ of its own.
    kind = type(value)
    return kind is not ModuleType and kind is not FunctionType and kind is not type
