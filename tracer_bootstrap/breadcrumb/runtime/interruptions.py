"""Distinguish exceptions that the program raises inside the tracer from the tracer's own errors.

While the tracer runs, a signal handler of the program may raise, or another thread may raise an exception in this one
(``PyThreadState_SetAsyncExc``). Such exceptions belong to the program: every ``except`` in the tracer re-raises them.
"""

from __future__ import annotations

from opcode import opmap
from os import sep

from .classes import is_heap_type
from .features import STARTS_WITH_SIGNAL_HANDLERS
from .system import system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

OWN_FOLDER = system.package_folder + sep  # of the tracer's package

# Packages with Python code that the tracer calls: an error raised there is the tracer's, if no other code has a part in
# it. The last ones are the frozen parts of importlib, which load the tracer's late modules.
_LIBRARY = (
    "fractions", "ipaddress", "pathlib", "uuid", "zoneinfo", "re", "numpy", "pandas", "importlib", "zipimport",
    "_frozen_importlib", "_frozen_importlib_external",
)  # fmt: skip


def raised_by_program(error: Optional[BaseException]) -> bool:
    """Return whether the program raised *error*, which the tracer has caught."""
    if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)) or is_heap_type(type(error)):
        return True
    if isinstance(error, TimeoutError) and error.errno is None:  # raised by code: the system's have an errno
        return True
    if error is None or isinstance(error, MemoryError):
        return False
    traceback: Any = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        module = frame.f_globals.get("__name__")
        is_library = type(module) is str and module.partition(".")[0] in _LIBRARY
        if not is_library and not frame.f_code.co_filename.startswith(OWN_FOLDER):
            return True
        traceback = traceback.tb_next
    return False


def starts_guarded(callback: Any) -> Any:
    """Patch a function that begins with ``try`` so that its ``try`` also catches what a pending signal handler raises.

    RESUME runs pending handlers before the ``try``, but only at the start of a function. The patch sets the argument of
    RESUME to 3, "resumed after ``await``", where it does not look for signals. Returns the same function.
    """
    if STARTS_WITH_SIGNAL_HANDLERS:
        instructions = bytearray(callback.__code__.co_code)
        at = 0
        while instructions[at] != opmap["RESUME"]:
            at += 2
        instructions[at + 1] = 3
        callback.__code__ = callback.__code__.replace(co_code=bytes(instructions))
    return callback
