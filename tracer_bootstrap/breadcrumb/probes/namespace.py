"""Build the names that an expression sees in a frame, without changing the frame."""

from __future__ import annotations

from types import FrameType

from ..runtime.classes import derives
from ..runtime.features import HAS_FRAME_GET_VAR, LIVE_F_LOCALS
from ..runtime.live_locals import live_locals
from ..runtime.locals_dict import may_keep_locals, single_variables
from ..values.frame_locals import forget_locals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Tuple

_CO_OPTIMIZED = 0x1  # set for functions; the variables of a class or module body are a namespace


def names_of(frame: FrameType, clears_locals: bool) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """Return the globals that an expression gets, which contain the local variables too, and its local variables.

    Both are new dicts. A comprehension or lambda in an expression sees its globals only.

    Args:
        frame: The frame.
        clears_locals: Whether to empty the dict that reading f_locals fills and the frame keeps.
    """
    names: Dict[str, Any] = dict.copy(frame.f_globals)
    names.setdefault("__builtins__", frame.f_builtins)
    variables = _variables(frame, clears_locals)
    names.update(variables)
    return names, variables


def _variables(frame: FrameType, clears_locals: bool) -> Dict[str, Any]:
    code = frame.f_code
    if HAS_FRAME_GET_VAR and may_keep_locals(code):
        return dict(single_variables(frame))
    variables: Any = live_locals(frame)
    if code.co_flags & _CO_OPTIMIZED:
        copied = dict(variables)
        del variables
        if clears_locals:
            forget_locals(frame)
        return copied
    # A class body's namespace may be a mapping of the program.
    return dict(dict.items(variables)) if derives(type(variables), dict) else {}


def read_again(frame: FrameType) -> None:
    """Read the variables of a frame that the interpreter will write back when a trace function returns (gh-74929).

    What an expression, or another thread meanwhile, did to variables that closures share would be undone otherwise.
    """
    if not LIVE_F_LOCALS:
        frame.f_locals  # noqa: B018
