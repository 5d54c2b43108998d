"""What a wrapper was called for: the function that a decorator has put it around.

Of a call to a decorated function only the wrapper shows, which often belongs to the decorators of some library. What it
wraps is in its closure, or where ``functools.wraps`` has left it: in ``__wrapped__``, and in the ``__module__`` and
``__qualname__`` that the wrapper took over (PEP 362 looks for a signature on the same way).
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

# Decorators upon decorators that are followed.
_MAX_LAYERS = 10
_MAX_VARIABLES = 40


def wrapped_function(frame: FrameType, encoder: Encoder, clears_locals: bool) -> Optional[Tuple[str, str, str]]:
    """Module, qualified name and file of what the function that runs in *frame* wraps.

    None where it wraps nothing, or something of its own module. Runs none of the program's code.
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
            # The function itself as the default of one of its keywords is how some decorators come by their state.
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
