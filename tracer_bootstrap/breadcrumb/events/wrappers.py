"""Find the functions that a wrapper may wrap, as a decorator's result wraps the decorated function.

A call of a decorated function shows only the wrapper, which often belongs to the decorators of a library. The wrapped
function is in the wrapper's closure, or where ``functools.wraps`` left it: in ``__wrapped__``. The wrapper's
``__module__`` and ``__qualname__`` are copies of its own. (PEP 362 follows ``__wrapped__`` to find a signature.)

A function in a closure need not be called, so that these are candidates: ``GapLog`` names those that ran.
"""

from __future__ import annotations

from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, FunctionType, GeneratorType

from ..runtime.classes import module_file
from ..session.functions import function_module, module_of
from ..values.frame_locals import variables_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Set

    from ..values.encoder import Encoder

# Wrappers of wrappers that are followed.
_MAX_LAYERS = 10
# Variables of a wrapper that are searched.
_MAX_VARIABLES = 40

_function_code = FunctionType.__dict__["__code__"].__get__
_function_dict = FunctionType.__dict__["__dict__"].__get__
_function_closure = FunctionType.__dict__["__closure__"].__get__


class Candidate:
    """A function of another module that a wrapper may wrap."""

    __slots__ = ("code", "file", "is_itself", "layers", "module", "name")

    def __init__(self, function: FunctionType, module: str, name: str, layers: Set[int], is_itself: bool) -> None:
        self.code = function.__code__
        self.module = module
        self.name = name
        self.file = self.code.co_filename if function_module(function) == module else module_file(module)
        self.layers = layers  # ids of the code of the wrappers around it
        self.is_itself = is_itself  # the running wrapper, which says that it has the name of what it wraps


def candidates_in(frame: FrameType, encoder: Encoder, clears_locals: bool) -> Iterator[Candidate]:
    """Yield the functions that the function running in *frame* may wrap. No code of the program is run."""
    code, module = frame.f_code, module_of(frame)
    for name, value in variables_of(frame, _MAX_VARIABLES, clears_locals):
        function: Any = None
        if type(value) is FunctionType:
            # Some decorators hand a wrapper its state by making it the default of one of its own keywords.
            if name in code.co_freevars or (value.__code__ is code and "__wrapped__" in value.__dict__):
                function = value
        elif code.co_name == "__call__" and name == code.co_varnames[0]:
            fields: Dict[Any, Any] = encoder.plan(type(value)).own_fields(value)
            function = fields.get("__wrapped__")
        candidate = _candidate(function, module, code)
        if candidate is not None:
            yield candidate


def candidates_of(wrapper: FunctionType) -> Iterator[Candidate]:
    """Yield the functions that a function may wrap, before it is called. No code of the program is run."""
    code, module = _function_code(wrapper), function_module(wrapper)
    functions: List[Any] = [_function_dict(wrapper).get("__wrapped__")]
    for cell in _function_closure(wrapper) or ():
        try:
            functions.append(cell.cell_contents)
        except ValueError:  # not assigned yet
            pass
    for function in functions:
        candidate = _candidate(function, module, code)
        if candidate is not None:
            yield candidate


def returns_call_of(code: CodeType, value: Any, encoder: Encoder) -> bool:
    """Return whether *value* is a generator or coroutine of *code*, or has one in a field, as a context manager has."""
    if _suspended_code(value) is code:
        return True
    fields = encoder.plan(type(value)).own_fields(value)
    return any(_suspended_code(field) is code for field in list(fields.values())[:_MAX_VARIABLES])


def _suspended_code(value: Any) -> Any:
    kind = type(value)
    if kind is GeneratorType:
        return value.gi_code
    if kind is CoroutineType:
        return value.cr_code
    return value.ag_code if kind is AsyncGeneratorType else None


def _candidate(function: Any, module: str, wrapper: CodeType) -> Optional[Candidate]:
    if type(function) is not FunctionType:
        return None
    layers: Set[int] = set()
    innermost = _innermost(function, layers)
    found, name = innermost.__module__, innermost.__qualname__
    if type(found) is not str or type(name) is not str or not found or found == module:
        return None
    return Candidate(innermost, found, name, layers, innermost.__code__ is wrapper)


def _innermost(function: FunctionType, layers: Set[int]) -> FunctionType:
    for _ in range(_MAX_LAYERS):
        wrapped = function.__dict__.get("__wrapped__")
        if type(wrapped) is not FunctionType:
            break
        layers.add(id(function.__code__))
        function = wrapped
    return function
