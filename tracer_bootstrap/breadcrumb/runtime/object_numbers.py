"""Number the objects of a process, so that a reader can tell which of two equal-looking ones it is.

``Cart#1`` is the same object wherever it is recorded. Numbers count from 1 for each name of a class, without the names
of modules and of what the class is defined in: two classes ``Cart`` share a count, so ``Cart#1`` is one object of the
process. A forked child goes on with the numbers of the objects that it inherits, and counts on for itself.

An address alone identifies nothing, as it is used again when an object has died. So a weak reference stands beside each
number: it keeps no object alive, runs no code of the program, and tells that the object is still the same. Objects that
take no weak reference (with ``__slots__``, or built in) get no number.
"""

from __future__ import annotations

import gc
from _weakref import ref
from itertools import count

from .interruptions import raised_by_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, Optional, Tuple

# Objects that are known at once: some 250 bytes each. If more are alive, further ones get no number.
MAX_OBJECTS = 20_000
# Dead ones are looked for whenever there are twice as many as were alive the last time, but not below this number.
_MIN_OBJECTS = 2_000
# Names of classes that are counted. A program may make any number of classes.
_MAX_NAMES = 5_000

_weak_offset: Callable[[type], int] = type.__dict__["__weakrefoffset__"].__get__
_is_finalized: Optional[Callable[[Any], bool]] = getattr(gc, "is_finalized", None)  # since 3.9


def takes_weak_references(cls: type) -> bool:
    """Return whether instances of a class take weak references, without asking the class."""
    return _weak_offset(cls) != 0


class ObjectNumbers:
    """The numbers of the objects that were recorded.

    All operations on the tables are atomic: other threads and signal handlers number objects at the same time.

    Attributes:
        known: By address: weak reference, name, number, and what the JSON of the object has for it.
        counts: The numbers that come next, by name.
        limit: Number of known objects from which on dead ones are looked for. The core in C numbers objects below it.
    """

    def __init__(self) -> None:
        self.known: Dict[int, Tuple[Any, str, int, str]] = {}
        self.counts: Dict[str, Iterator[int]] = {}
        self.limit = _MIN_OBJECTS
        self._refusals = 0  # objects that get no number before dead ones are looked for again

    def of(self, value: Any, name: str) -> int:
        """Return the number of an object; 0 if it has none.

        Args:
            value: An instance of a class that takes weak references.
            name: The last part of the class's name.
        """
        known = self.known.get(id(value))
        if known is not None and known[0]() is value and known[1] == name:
            return known[2]
        return self._new(value, name, known)

    def _new(self, value: Any, name: str, before: Optional[Tuple[Any, str, int, str]]) -> int:
        if before is not None:
            # The collector drops weak references before it runs the finalizers of a cycle: which object is it?
            if before[0]() is None and _is_finalized is not None and _is_finalized(value):
                return 0
            if self.known.get(id(value)) is before:
                self.known.pop(id(value), None)
        elif len(self.known) >= self.limit and not self._make_room():
            return 0
        counted = self.counts.get(name)
        if counted is None:
            if len(self.counts) >= _MAX_NAMES:
                return 0
            counted = self.counts.setdefault(name, count(1))
        try:
            weak = ref(value)
        except TypeError as error:
            if raised_by_program(error):
                raise
            return 0
        number = next(counted)
        return self.known.setdefault(id(value), (weak, name, number, ', "$object": %d' % number))[2]

    def _make_room(self) -> bool:
        """Forget the dead, and return whether there is room for a new object."""
        if self._refusals:
            self._refusals -= 1
            return False
        for address, known in list(self.known.items()):
            if known[0]() is None and self.known.get(address) is known:
                self.known.pop(address, None)
        alive = len(self.known)
        self.limit = min(max(2 * alive, _MIN_OBJECTS), MAX_OBJECTS)
        if alive < self.limit:
            return True
        self._refusals = MAX_OBJECTS
        return False
