"""Find which thread or task waits for which lock, and which one holds it.

The tracer numbers the locks that the code of each frame names; the source says which of them a line takes and which are
held while it runs. An RLock knows its owner itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_server.answers.report.lock_statements import LockStatements
from breadcrumb_storage.queries.stacks import Stack, StackFrame

# The parts of the standard library that take locks for their callers, and their functions that do so.
_LOCK_FILES = ("/threading.py", "/asyncio/locks.py")
_ACQUIRING = frozenset({"acquire", "__enter__", "__aenter__"})
# Frames from the innermost outwards in which a lock may be taken: a task is three calls deep in asyncio then.
_MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Lock:
    """A locked lock that a frame names."""

    number: int  # of the lock within its process
    owner: int  # identifier of the thread that holds it; 0: not known


@dataclass(frozen=True, slots=True)
class Hold:
    """A frame that holds a lock."""

    stack: Stack
    frame: StackFrame | None  # None: only the thread is known
    line: int | None  # that took it
    name: str  # of the lock in this frame


@dataclass(frozen=True, slots=True)
class Wait:
    """A lock that a thread or task waits for, with the frames that may hold it."""

    name: str
    holds: Sequence[Hold]


class LockWaits:
    """Who waits for whom among the stacks of a trace.

    Args:
        stacks: The stacks.
        source: Returns the lines of a file; none if they cannot be read or were changed.
    """

    def __init__(self, stacks: Sequence[Stack], source: Callable[[str], Sequence[str]]) -> None:
        self._all = stacks
        self._source = source
        self._files: dict[str, LockStatements] = {}
        self._locks = {id(frame): _read(frame.locks) for stack in stacks for frame in stack.frames if frame.locks}
        self._stacks = [stack for stack in stacks if any(id(frame) in self._locks for frame in stack.frames)]
        self.waits: dict[tuple[int, int], Wait] = {}
        for stack in self._stacks:
            if (wait := self._wait_of(stack)) is not None:
                self.waits[_key(stack)] = wait

    def of(self, stack: Stack) -> Wait | None:
        """Return what a thread or task waits for; None if that is no lock, or is not known."""
        return self.waits.get(_key(stack))

    def deadlocks(self) -> list[list[Stack]]:
        """Return the circles of stacks of which each waits for a lock that the next one holds."""
        following = {key: _key(wait.holds[0].stack) for key, wait in self.waits.items() if len(wait.holds) == 1}
        by_key = {_key(stack): stack for stack in self._all}
        found: list[list[Stack]] = []
        seen: set[tuple[int, int]] = set()
        for start in following:
            path: list[tuple[int, int]] = []
            current = start
            while current in following and current not in seen:
                seen.add(current)
                path.append(current)
                current = following[current]
            if current in path:
                found.append([by_key[key] for key in path[path.index(current) :]])
        return found

    def _wait_of(self, stack: Stack) -> Wait | None:
        for depth, frame in enumerate(stack.frames[:_MAX_DEPTH]):
            if frame.depth != depth:
                return None
            wanted = self._wanted(frame, stack.thread_ident)
            if wanted:
                others = {number: self._holds(stack, lock) for number, (_, lock) in wanted.items()}
                # In "with a, b" it may stand at the second one, and hold the first itself.
                held = [number for number, holds in others.items() if holds]
                if len(wanted) > 1 and len(held) != 1:
                    return None
                number = held[0] if held else next(iter(wanted))
                return Wait(self._name_of(number, wanted[number][0], stack.frames[depth:]), others[number])
            if not _takes_locks(frame):
                return None
        return None

    def _name_of(self, number: int, name: str, frames: Sequence[StackFrame]) -> str:
        """Return the name of a lock in the frame that takes it by way of the standard library, or else *name*."""
        caller = next((frame for frame in frames if not _is_lock_code(frame)), None)
        locks = self._locks.get(id(caller), {})
        return next((each for each, lock in locks.items() if lock.number == number), name)

    def _wanted(self, frame: StackFrame, thread: int | None) -> dict[int, tuple[str, Lock]]:
        """Return the locks that a frame takes on its line, by number, with the expression that names each."""
        locks = self._locks.get(id(frame), {})
        if not locks or frame.line is None or (_is_lock_code(frame) and not _takes_locks(frame)):
            return {}
        taken = self._statements(frame.file).taken_at(frame.line)
        known = {locks[name].number: (name, locks[name]) for name in taken if name in locks}
        return {number: pair for number, pair in known.items() if pair[1].owner == 0 or pair[1].owner != thread}

    def _holds(self, waiting: Stack, lock: Lock) -> list[Hold]:
        """Return the holders of a lock, each stack once."""
        found: dict[tuple[int, int], Hold] = {}
        for stack in self._stacks:
            if stack.process_id == waiting.process_id:
                for hold in self._holds_in(stack, lock.number):
                    found.setdefault(_key(stack), hold)
        if not lock.owner:
            return list(found.values())
        owners = [hold for hold in found.values() if hold.stack.thread_ident == lock.owner]
        if not owners:
            of_process = (each for each in self._all if each.process_id == waiting.process_id)
            owners = [Hold(each, None, None, "") for each in of_process if each.thread_ident == lock.owner]
        return owners

    def _holds_in(self, stack: Stack, number: int) -> Iterator[Hold]:
        for index, frame in enumerate(stack.frames):
            locks = self._locks.get(id(frame), {})
            names = [name for name, lock in locks.items() if lock.number == number]
            if not names or frame.line is None or _is_lock_code(frame):
                continue
            if self._is_given_up(stack.frames[:index], number):
                continue
            for name, line in self._statements(frame.file).held_at(frame.line):
                if name in names:
                    yield Hold(stack, frame, line, name)

    def _is_given_up(self, inner: Sequence[StackFrame], number: int) -> bool:
        """Return whether a condition that a frame waits for has released the lock meanwhile."""
        for frame in reversed(inner):
            if not _is_lock_code(frame):
                return False
            own = self._locks.get(id(frame), {}).get("self")
            if frame.function.endswith("Condition.wait") and own is not None and own.number == number:
                return True
        return False

    def _statements(self, file: str) -> LockStatements:
        if file not in self._files:
            self._files[file] = LockStatements(self._source(file))
        return self._files[file]


def _key(stack: Stack) -> tuple[int, int]:
    return stack.process_id, stack.stack_id


def _is_lock_code(frame: StackFrame) -> bool:
    return frame.file.endswith(_LOCK_FILES)


def _takes_locks(frame: StackFrame) -> bool:
    return _is_lock_code(frame) and frame.function.rpartition(".")[2] in _ACQUIRING


def _read(stored: str | None) -> Mapping[str, Lock]:
    """Parse the locks of a frame; what the tracer did not write is left out."""
    try:
        parsed: object = json.loads(stored or "{}")
    except ValueError:
        return {}
    if not is_object(parsed):
        return {}
    return {
        name: Lock(*pair)
        for name, pair in parsed.items()
        if is_array(pair) and len(pair) == 2 and all(isinstance(number, int) for number in pair)
    }
