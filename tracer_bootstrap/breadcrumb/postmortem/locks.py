"""Find the locked locks that the code of a frame can name, so that it can be told which thread waits for which.

A lock does not know who holds it (only an RLock does), and the interpreter does not tell what a thread waits for. But
each lock gets a number here, by which the frames that name the same one are found: one in the block of its ``with``,
another at the beginning of one.
"""

from __future__ import annotations

from _thread import RLock, allocate_lock
from opcode import opmap
from types import FrameType, FunctionType, ModuleType

from ..runtime.classes import attribute_of, derives, imported_class, is_heap_type, module_namespace, mro, namespace
from ..values.frame_locals import variables_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Tuple

_Lock = type(allocate_lock())
_is_locked = _Lock.locked
_describe_rlock = RLock.__repr__
_OWNER = " owner="

# Attributes of attributes that are followed: "self.pool.lock".
_MAX_DOTS = 2
# Variables of a frame, and locks found in it, that are looked at.
_MAX_VARIABLES = 200
_MAX_LOCKS = 20
# Attributes of one frame's objects that are looked up: each takes about two microseconds.
_MAX_LOOKUPS = 2_000

# What code has that takes locks: names of methods, and instructions that begin a ``with``.
_TAKES = frozenset(("acquire", "release", "__enter__", "__aenter__"))
_WITH = frozenset(
    opmap[name]
    for name in ("SETUP_WITH", "SETUP_ASYNC_WITH", "BEFORE_WITH", "BEFORE_ASYNC_WITH", "LOAD_SPECIAL")
    if name in opmap
)

_CO_OPTIMIZED = 0x1  # set for functions


class LockFinder:
    """The locks found in the frames of one answer, numbered.

    Args:
        clears_locals: See ``variables_of``.
    """

    def __init__(self, clears_locals: bool) -> None:
        self._clears_locals = clears_locals
        self._numbers: Dict[int, Tuple[int, Any]] = {}  # by address; with the lock, which keeps the address its own

    def locked_in(self, frame: FrameType) -> List[Tuple[str, int, int]]:
        """Return (expression, number, owner) of each lock that a frame's code can name and that is locked.

        The expression is spelled as in the source: ``lock``, ``self._lock``. The owner is the identifier of the thread
        that holds an RLock, and 0 for any other lock.
        """
        code = frame.f_code
        found: Dict[str, Tuple[str, int, int]] = {}
        if _TAKES.isdisjoint(code.co_names) and _WITH.isdisjoint(code.co_code[::2]):
            return []
        looked_up = 0
        level: List[Tuple[str, Any]] = list(self._roots(frame))
        for _ in range(_MAX_DOTS + 1):
            below: List[Tuple[str, Any]] = []
            for name, value in level:
                lock = _lock_of(value)
                if lock is not None:
                    owner = self._owner_of(lock)
                    if owner is not None and len(found) < _MAX_LOCKS:
                        found.setdefault(name, (name, self._number(lock), owner))  # a local name hides a global one
                elif _has_attributes(value) and looked_up < _MAX_LOOKUPS:
                    looked_up += len(code.co_names)
                    for attribute in code.co_names:
                        item = _attribute(value, attribute)
                        if item is not None:
                            below.append(("%s.%s" % (name, attribute), item))
            level = below
        return list(found.values())

    def _roots(self, frame: FrameType) -> Iterator[Tuple[str, Any]]:
        """Yield the variables of a function, and the global names that the code uses."""
        code = frame.f_code
        if code.co_flags & _CO_OPTIMIZED:
            yield from variables_of(frame, _MAX_VARIABLES, self._clears_locals)
        if type(frame.f_globals) is dict:
            for name in code.co_names:
                if name in frame.f_globals:
                    yield name, frame.f_globals[name]

    def _number(self, lock: Any) -> int:
        known = self._numbers.get(id(lock))
        if known is None:
            known = self._numbers[id(lock)] = (len(self._numbers) + 1, lock)
        return known[0]

    def _owner_of(self, lock: Any) -> Optional[int]:
        """Return the thread that holds a lock, 0 if that is not known, None if the lock is free."""
        kind = type(lock)
        if kind is _Lock:
            return 0 if _is_locked(lock) else None
        if kind is RLock:
            _, _, owner = _describe_rlock(lock).partition(_OWNER)
            return int(owner.partition(" ")[0]) or None
        if _is_a(kind, "threading", "_RLock"):
            owner = attribute_of(lock, "_owner")
            return owner if type(owner) is int else None
        return 0 if attribute_of(lock, "_locked") is True else None


def _has_attributes(value: Any) -> bool:
    kind = type(value)
    return kind is ModuleType or (is_heap_type(kind) and kind is not FunctionType) or derives(kind, type)


def _attribute(value: Any, name: str) -> Any:
    """Return an attribute of an object, a class or a module, without running code of the program."""
    kind = type(value)
    if kind is ModuleType:
        return module_namespace(value).get(name)
    if derives(kind, type):
        classes = mro(value)
    else:
        item = attribute_of(value, name)
        if item is not None:
            return item
        classes = mro(kind)
    for cls in classes:
        item = namespace(cls).get(name)
        if item is not None:
            return None if type(item) is FunctionType else item
    return None


def _lock_of(value: Any) -> Any:
    """Return the lock that a value is, or that a condition has; None if it is neither."""
    kind = type(value)
    for module in ("threading", "asyncio.locks"):
        if _is_a(kind, module, "Condition"):
            value = attribute_of(value, "_lock")
            kind = type(value)
    if kind is _Lock or kind is RLock or _is_a(kind, "asyncio.locks", "Lock"):
        return value
    return value if _is_a(kind, "threading", "_RLock") else None  # written in Python: gevent needs it


def _is_a(kind: type, module: str, name: str) -> bool:
    cls = imported_class(module, name)
    return cls is not None and derives(kind, cls)
