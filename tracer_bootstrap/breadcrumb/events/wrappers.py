"""Find the function that a wrapper wraps, as a decorator's result wraps the decorated function.

A call of a decorated function shows only the wrapper, which often belongs to the decorators of a library. The wrapped
function is in the wrapper's closure, or where ``functools.wraps`` left it: in ``__wrapped__``. The wrapper's
``__module__`` and ``__qualname__`` are copies of its own. (PEP 362 follows ``__wrapped__`` to find a signature.)
"""

from __future__ import annotations

from types import FrameType, FunctionType

from ..runtime.classes import module_file
from ..session.functions import function_module, module_of
from ..values.frame_locals import variables_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, Optional, Tuple

    from ..values.encoder import Encoder

# Wrappers of wrappers that are followed.
_MAX_LAYERS = 10
# Variables of a wrapper that are searched.
_MAX_VARIABLES = 40


def wrapped_function(frame: FrameType, encoder: Encoder, clears_locals: bool) -> Optional[Tuple[str, str, str]]:
    """Return module, qualified name and file of the function that the function running in *frame* wraps.

    None if it wraps nothing, or a function of its own module. No code of the program is run.
    """
    for function in _candidates(frame, encoder, clears_locals):
        innermost = _innermost(function)
        module, name = innermost.__module__, innermost.__qualname__
        if type(module) is not str or type(name) is not str or not module or module == module_of(frame):
            continue
        file = innermost.__code__.co_filename if function_module(innermost) == module else module_file(module)
        return module, name, file
    return None


def _candidates(frame: FrameType, encoder: Encoder, clears_locals: bool) -> Iterator[FunctionType]:
    code = frame.f_code
    for name, value in variables_of(frame, _MAX_VARIABLES, clears_locals):
        if type(value) is FunctionType:
            # Some decorators hand a wrapper its state by making it the default of one of its own keywords.
            if name in code.co_freevars or (value.__code__ is code and "__wrapped__" in value.__dict__):
                yield value
        elif code.co_name == "__call__" and name == code.co_varnames[0]:
            fields: Dict[Any, Any] = encoder.plan(type(value)).own_fields(value)
            wrapped = fields.get("__wrapped__")
            if type(wrapped) is FunctionType:
                yield wrapped


def _innermost(function: FunctionType) -> FunctionType:
    for _ in range(_MAX_LAYERS):
        wrapped = function.__dict__.get("__wrapped__")
        if type(wrapped) is not FunctionType:
            break
        function = wrapped
    return function
