"""Tells what the program raises in the midst of the tracer's work from what the tracer gets wrong.

While the tracer is at work, a signal handler of the program's may run and raise, or another thread may raise something
in this one (``PyThreadState_SetAsyncExc``). That belongs to the program, and whoever handles errors here lets it pass.
"""

from __future__ import annotations

from opcode import opmap
from os.path import abspath, dirname, sep

from .classes import is_heap_type
from .features import STARTS_WITH_SIGNAL_HANDLERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

OWN_FOLDER = dirname(dirname(abspath(__file__))) + sep  # the tracer's

# Packages written in Python and called by the tracer: what fails there is the tracer's.
_LIBRARY = ("fractions", "ipaddress", "pathlib", "uuid", "zoneinfo", "re", "numpy", "pandas", "importlib")


def raised_by_program(error: Optional[BaseException]) -> bool:
    """Whether *error*, which the tracer has caught, was raised by the program."""
    if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)) or is_heap_type(type(error)):
        return True
    if isinstance(error, TimeoutError) and error.errno is None:  # of another thread: the system's have a number
        return True
    traceback: Any = getattr(error, "__traceback__", None)
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if error is None or traceback is None or isinstance(error, MemoryError):
        return False
    frame = traceback.tb_frame
    module = frame.f_globals.get("__name__")
    is_library = type(module) is str and module.partition(".")[0] in _LIBRARY
    return not is_library and not frame.f_code.co_filename.startswith(OWN_FOLDER)


def starts_guarded(callback: Any) -> Any:
    """*callback*, a function that begins with ``try``, such that what a signal handler raises is met there.

    It may be raised before the ``try``, when RESUME looks for pending signals. That goes for the start of a function
    only: its argument is changed to say that the function goes on after an ``await``.
    """
    if STARTS_WITH_SIGNAL_HANDLERS:
        instructions = bytearray(callback.__code__.co_code)
        at = 0
        while instructions[at] != opmap["RESUME"]:
            at += 2
        instructions[at + 1] = 3
        callback.__code__ = callback.__code__.replace(co_code=bytes(instructions))
    return callback
