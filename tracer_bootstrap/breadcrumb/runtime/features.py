"""What this Python can do, as named flags. No other module of the tracer looks at a version."""

from __future__ import annotations

import sys

_VERSION = sys.version_info[:2]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# PEP 669; None before 3.12, where the tracer uses sys.settrace.
monitoring: Any = getattr(sys, "monitoring", None)

# PEP 667: frame.f_locals is a live view. Before, reading it fills a dict that the frame keeps, and with it
# every object that was bound to a local name, until the frame dies: it has to be cleared after reading.
LIVE_F_LOCALS = _VERSION >= (3, 13)

# mmap can do without a descriptor of its own for the file.
HAS_MMAP_TRACKFD = _VERSION >= (3, 13)

# co_qualname came in 3.11; before, a qualified name has to be found out.
HAS_CO_QUALNAME = _VERSION >= (3, 11)

# In 3.8 to 3.10 f_lasti and co_code count a frame that has not run an instruction as -1 in both,
# and `yield from` and `await` suspend at YIELD_FROM; from 3.11 on at YIELD_VALUE.
HAS_YIELD_FROM_OPCODE = _VERSION < (3, 11)

# A RecursionError that is caught near the limit leaves the thread marked as overflowed: going fifty calls deeper
# then, without having unwound, aborts the process (Py_FatalError in _Py_CheckRecursiveCall).
RECURSION_ERROR_MUST_PROPAGATE = _VERSION < (3, 10)

# From 3.11 on a function runs the handlers of pending signals before its first line; before, not if that is a ``try``.
STARTS_WITH_SIGNAL_HANDLERS = _VERSION >= (3, 11)

# Before 3.11 a trace function's return writes the variables of a class body back, and an empty cell over a variable of
# its name: ``__class__``, where a method says super().
CLASS_CELL_HIDES_VARIABLE = _VERSION < (3, 11)
