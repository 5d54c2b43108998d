"""Name the abilities of the running Python as flags: no other module of the tracer checks a version."""

from __future__ import annotations

import sys

_VERSION = sys.version_info[:2]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IS_CPYTHON = sys.implementation.name == "cpython"

# False in a free-threaded build, unless PYTHON_GIL=1 is set: nothing here is safe without the GIL (spool.py says why it
# has no locks).
HAS_GIL: bool = getattr(sys, "_is_gil_enabled", lambda: True)()

# PEP 669; None before 3.12, where the tracer uses sys.settrace.
monitoring: Any = getattr(sys, "monitoring", None)

# PEP 667: frame.f_locals is a live view. Before, reading it fills a dict that keeps every local object alive until
# the frame dies: it has to be cleared after reading.
LIVE_F_LOCALS = _VERSION >= (3, 13)

# gh-128396, since 3.13.0: reading f_locals while a comprehension binds a variable that functions share.
CRASHES_ON_COMPREHENSION_VARIABLES = (3, 13) <= sys.version_info[:3] < (3, 13, 3)

# PyFrame_GetVar reads a variable without that dict. From 3.13 on it is not needed.
HAS_FRAME_GET_VAR = _VERSION == (3, 12)

# An instance keeps its fields without a dict until its __dict__ is read. From 3.13 on, reading it changes nothing.
DICT_ENDS_INLINE_FIELDS = (3, 11) <= _VERSION <= (3, 12)

# mmap need not keep a duplicate of the file's descriptor.
HAS_MMAP_TRACKFD = _VERSION >= (3, 13)

# From 3.14 on, asyncio keeps its tasks in C, in linked lists, and the running one with the thread; asyncio.tasks has
# sets of tasks of other classes only.
HAS_TASKS_IN_C = _VERSION >= (3, 14)

# PEP 649: annotations are evaluated by a function of their own, which the compiler makes, when something asks for them.
HAS_ANNOTATION_FUNCTIONS = _VERSION >= (3, 14)

# Before 3.11 code objects have no co_qualname: the session derives qualified names itself.
HAS_CO_QUALNAME = _VERSION >= (3, 11)

# Before 3.10 code objects have a table of line numbers and no co_lines; before 3.11 no RESUME with the line of ``def``.
HAS_CO_LINES = _VERSION >= (3, 10)
HAS_RESUME = _VERSION >= (3, 11)

# Up to 3.10, f_lasti is -1 in a frame that has not started, and `yield from` and `await` suspend at YIELD_FROM. From
# 3.11 on, f_lasti is at RESUME, and they suspend at YIELD_VALUE.
HAS_YIELD_FROM_OPCODE = _VERSION < (3, 11)

# Before 3.10, catching a RecursionError near the limit leaves the thread marked as overflowed: going fifty calls deeper
# without unwinding aborts the process (Py_FatalError in _Py_CheckRecursiveCall).
RECURSION_ERROR_MUST_PROPAGATE = _VERSION < (3, 10)

# From 3.11 on, a function runs pending signal handlers before its first line; earlier Pythons do not if that line is a
# ``try``.
STARTS_WITH_SIGNAL_HANDLERS = _VERSION >= (3, 11)

# From 3.15 on, the message of subprocess.CalledProcessError has the repr of the command, and no quotes of its own.
FAILED_COMMAND_IS_REPR = _VERSION >= (3, 15)

# Before 3.11, the interpreter writes the variables of a class body back after each trace function, and an empty
# ``__class__`` cell (of a method that calls super()) overwrites a variable of that name.
CLASS_CELL_HIDES_VARIABLE = _VERSION < (3, 11)

# From 3.15 on (PEP 810), ``lazy import`` binds an object that stands for the module until its first use.
HAS_LAZY_IMPORTS = _VERSION >= (3, 15)

# The compiled core uses the stable ABI of 3.12 and is tested with these versions. Free-threaded builds have another
# ABI, also with their GIL on.
_OLDEST_WITH_CORE, _NEWEST_WITH_CORE = (3, 12), (3, 15)


def _why_no_core_in_c() -> str:
    if not IS_CPYTHON:
        return "the compiled core is for CPython"
    if not _OLDEST_WITH_CORE <= _VERSION <= _NEWEST_WITH_CORE:
        return "the compiled core is for Python %d.%d to %d.%d" % (*_OLDEST_WITH_CORE, *_NEWEST_WITH_CORE)
    if "t" in getattr(sys, "abiflags", "") or not HAS_GIL:
        return "the compiled core is not for free-threaded builds"
    return ""


# Why the compiled core must not be loaded into this interpreter; empty if it may.
WHY_NO_CORE_IN_C: str = _why_no_core_in_c()
