"""Record the first values that a generator yields, and at its end how many there were."""

from __future__ import annotations

from gc import get_referents

from ..record_format import KIND_YIELD
from ..runtime.classes import class_name, is_heap_type
from ..session.threads import ThreadState, write_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

# Values recorded of one call.
MAX_YIELDS = 20

_YIELD = KIND_YIELD.encode()

# The type that an async generator wraps a yielded value in, unlike what it hands on from the tasks it awaits.
_WRAPPED = "async_generator_wrapped_value"


class Yields:
    """The number of values that one call of a generator has yielded; the first ones are written."""

    __slots__ = ("_count", "_encode")
    counts_all = True  # whether each value is one that the program yields: the core in C then does what ``add`` does

    def __init__(self, encode: Callable[[Any], bytes]) -> None:
        self._encode = encode
        self._count = 0

    def add(self, thread: ThreadState, call: int, at_ns: int, value: Any) -> None:
        """Count a value that *call* yields, and write it if it is among the first."""
        position = self._count
        self._count += 1
        if position < MAX_YIELDS:
            write_record(thread, _YIELD + b"\t%d\t%d\t%b\t\t%d\n" % (call, at_ns, self._encode(value), position))

    def end(self, thread: ThreadState, call: int, at_ns: int) -> None:
        """Write how many values *call* has yielded, if not all are recorded."""
        if self._count > MAX_YIELDS:
            write_record(thread, _YIELD + b"\t%d\t%d\t\t\t%d\n" % (call, at_ns, self._count - 1))


class AsyncYields(Yields):
    """The same for an async generator, which is also suspended while it waits."""

    __slots__ = ()
    counts_all = False

    def add(self, thread: ThreadState, call: int, at_ns: int, value: Any) -> None:
        """Count *value* as the base class does, if it is yielded and not handed on from a task."""
        cls = type(value)
        if class_name(cls) == _WRAPPED and not is_heap_type(cls):
            super().add(thread, call, at_ns, get_referents(value)[0])
