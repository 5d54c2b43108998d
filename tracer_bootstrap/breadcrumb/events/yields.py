"""What a generator yields: its first values are recorded as they come, and at its end how many there were."""

from __future__ import annotations

from gc import get_referents

from ..record_format import KIND_YIELD
from ..runtime.classes import class_name, is_heap_type
from ..session.threads import ThreadState, write_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

# Values of one call that are recorded.
MAX_YIELDS = 20

_YIELD = KIND_YIELD.encode()

# In this an async generator hands out a value, so that it is told from what the tasks that it awaits hand out.
_WRAPPED = "async_generator_wrapped_value"


class Yields:
    """Counts the values that one call of a generator has yielded."""

    __slots__ = ("_count", "_encode")

    def __init__(self, encode: Callable[[Any], bytes]) -> None:
        self._encode = encode
        self._count = 0

    def add(self, thread: ThreadState, call: int, at_ns: int, value: Any) -> None:
        """*call* yields one more."""
        position = self._count
        self._count += 1
        if position < MAX_YIELDS:
            write_record(thread, _YIELD + b"\t%d\t%d\t%b\t\t%d\n" % (call, at_ns, self._encode(value), position))

    def end(self, thread: ThreadState, call: int, at_ns: int) -> None:
        """*call* yields no more: say how many there were, if not all are recorded."""
        if self._count > MAX_YIELDS:
            write_record(thread, _YIELD + b"\t%d\t%d\t\t\t%d\n" % (call, at_ns, self._count - 1))


class AsyncYields(Yields):
    """The same of an async generator, which is also suspended where it waits for something."""

    __slots__ = ()

    def add(self, thread: ThreadState, call: int, at_ns: int, value: Any) -> None:
        cls = type(value)
        if class_name(cls) == _WRAPPED and not is_heap_type(cls):
            super().add(thread, call, at_ns, get_referents(value)[0])
