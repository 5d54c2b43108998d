"""The local variables of a frame, as JSON."""

from __future__ import annotations

from sys import getrefcount
from types import FrameType, FunctionType, ModuleType

from ..classes import derives
from .values import Encoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Tuple

_MAX_LOCALS = 40

_CO_OPTIMIZED = 0x1

# The frame, a variable here, the argument of getrefcount: more means that the program has called locals().
_REFERENCES_OF_OURS = 3


def encoded_locals(frame: FrameType, encoder: Encoder, clears_locals: bool) -> bytes:
    """The frame's variables as a JSON object, without what a module or a class body defines.

    clears_locals: reading f_locals has filled a dict that the frame keeps, and that is to be emptied again.
    """
    is_function = frame.f_code.co_flags & _CO_OPTIMIZED
    frame_locals: Any = frame.f_locals
    fields: List[Tuple[str, Any]] = []
    for name, value in _items(frame_locals, is_function):
        if type(name) is not str or (name.startswith("__") and name.endswith("__")):
            continue
        if not is_function and type(value) in (ModuleType, FunctionType, type):
            continue
        fields.append((name, value))
        if len(fields) >= _MAX_LOCALS:
            break
    encoded = encoder.encode_fields(fields)
    if is_function and clears_locals and getrefcount(frame_locals) <= _REFERENCES_OF_OURS:
        frame_locals.clear()
    return encoded


def forget_locals(frame: FrameType) -> None:
    """Empty what reading f_locals has filled, in a frame that its traceback may keep (``frame.clear`` would not)."""
    frame_locals = frame.f_locals
    if frame.f_code.co_flags & _CO_OPTIMIZED and getrefcount(frame_locals) <= _REFERENCES_OF_OURS:
        frame_locals.clear()


def _items(frame_locals: Any, is_function: int) -> List[Tuple[Any, Any]]:
    if is_function:
        return list(frame_locals.items())
    # A class body's namespace is what its metaclass prepared: perhaps a mapping of the user's.
    return list(dict.items(frame_locals)) if derives(type(frame_locals), dict) else []
