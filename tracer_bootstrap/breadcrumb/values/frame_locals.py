"""Read the local variables of a frame without running code of the program or changing the frame."""

from __future__ import annotations

import types
from sys import getrefcount
from types import CodeType, FrameType, FunctionType, ModuleType

from ..runtime.classes import derives
from ..runtime.features import HAS_LAZY_IMPORTS
from ..runtime.live_locals import live_locals
from ..runtime.locals_dict import may_keep_locals, single_variables
from .encoder import Encoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

_MAX_LOCALS = 40

# What ``lazy import`` binds until the first use.
_LAZY_IMPORT = types.LazyImportType if HAS_LAZY_IMPORTS else ModuleType  # type: ignore[attr-defined, unused-ignore]

_CO_OPTIMIZED = 0x1  # set for functions; the variables of a class or module body are a namespace

# References from the frame, a variable here, and the argument of getrefcount. More: the program has called locals().
_OWN_REFERENCES = 3


def encoded_locals(frame: FrameType, encoder: Encoder, clears_locals: bool) -> bytes:
    """Encode the first variables of a frame as a JSON object.

    Args:
        frame: The frame.
        encoder: Encodes the values.
        clears_locals: See ``variables_of``.
    """
    return encoder.encode_fields(variables_of(frame, _MAX_LOCALS, clears_locals))


def variables_of(frame: FrameType, limit: int, clears_locals: bool) -> List[Tuple[str, Any]]:
    """Return the names and values of a frame's first variables, without definitions in a module or class body.

    Args:
        frame: The frame.
        limit: Maximum number of variables.
        clears_locals: Whether to empty the dict that reading f_locals fills and the frame keeps.
    """
    code = frame.f_code
    is_function = code.co_flags & _CO_OPTIMIZED
    if may_keep_locals(code):
        return [(name, value) for name, value in single_variables(frame) if not is_synthetic(name)][:limit]
    frame_locals: Any = live_locals(frame)
    found: List[Tuple[str, Any]] = []
    for name, value in _items(frame_locals, is_function):
        if type(name) is not str or is_synthetic(name) or not (is_function or _is_variable(value)):
            continue
        if len(found) == limit:
            break
        found.append((name, value))
    if is_function and clears_locals and getrefcount(frame_locals) <= _OWN_REFERENCES:
        _remove_variables(code, frame_locals)
    return found


def names_to_forget(code: CodeType) -> Tuple[str, ...]:
    """Return the variables that ``forget_locals`` removes for a frame of this code: all of a function, or none."""
    if may_keep_locals(code) or not code.co_flags & _CO_OPTIMIZED:
        return ()
    return (*code.co_varnames, *code.co_cellvars, *code.co_freevars)


def forget_locals(frame: FrameType) -> None:
    """Empty the dict that reading f_locals has filled, which ``frame.clear`` would not do.

    Args:
        frame: A frame that may live on in a traceback.
    """
    code = frame.f_code
    if may_keep_locals(code):
        return
    frame_locals: Any = frame.f_locals
    if code.co_flags & _CO_OPTIMIZED and getrefcount(frame_locals) <= _OWN_REFERENCES:
        _remove_variables(code, frame_locals)


def _remove_variables(code: CodeType, frame_locals: Dict[str, Any]) -> None:
    """Remove the function's own variables: what ``exec`` has added must stay for ``locals()``."""
    for names in (code.co_varnames, code.co_cellvars, code.co_freevars):
        for name in names:
            frame_locals.pop(name, None)


def _items(frame_locals: Any, is_function: int) -> List[Tuple[Any, Any]]:
    if is_function:
        return list(frame_locals.items())
    # A class body's namespace comes from its metaclass, perhaps a mapping of the program.
    return list(dict.items(frame_locals)) if derives(type(frame_locals), dict) else []


def is_synthetic(name: str) -> bool:
    """Return whether a variable was made by the interpreter or by pytest, in a rewritten assertion."""
    return name.startswith((".", "@py_")) or (name.startswith("__") and name.endswith("__"))


def _is_variable(value: Any) -> bool:
    # Not `in`: a metaclass may define __eq__.
    kind = type(value)
    return kind is not ModuleType and kind is not FunctionType and kind is not type and kind is not _LAZY_IMPORT
