"""Find the frames of suspended asyncio tasks, which are on no thread's stack."""

from __future__ import annotations

import sys
from gc import get_referents, get_referrers
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType

from ..events.tasks import task_name
from ..runtime.classes import class_name, derives, namespace
from ..runtime.features import HAS_TASKS_IN_C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Tuple

# Frames that are read of one chain of awaits, so that an endless recursion costs bounded time.
_MAX_DEPTH = 1000

# Types between two frames of a chain without an attribute for what they await; the garbage collector knows it.
_C_AWAITABLES = ("async_generator_asend", "async_generator_athrow", "coroutine_wrapper", "anext_awaitable")


def suspended_tasks() -> Iterator[Tuple[str, List[FrameType]]]:
    """Yield (name, frames) of each task that waits, the innermost frame first; run no code of the program."""
    for task in _tasks():
        frames = _await_chain(_coroutine_of(task))
        if frames:
            yield task_name(task), frames[::-1]


def _tasks() -> List[Any]:
    """Return the tasks of all event loops. Not by asyncio.all_tasks(): it hashes them, and knows those of one loop."""
    module = sys.modules.get("asyncio.tasks")
    if module is None:
        return []
    if HAS_TASKS_IN_C:
        classes: Dict[int, Any] = {}  # by address: a metaclass may define __hash__
        for cls in (getattr(sys.modules.get("_asyncio"), "Task", None), getattr(module, "_PyTask", None)):
            _add_with_subclasses(cls, classes)
        # An instance refers to its class. Asking in C is five times as fast as going through all objects here.
        return [found for found in get_referrers(*classes.values()) if id(type(found)) in classes]
    # WeakSets, until 3.11 and from 3.12 on.
    sets = [getattr(getattr(module, name, None), "data", None) for name in ("_all_tasks", "_scheduled_tasks")]
    tasks = [reference() for references in sets if type(references) is set for reference in list(references)]
    return [task for task in tasks if task is not None]


def _add_with_subclasses(cls: Any, classes: Dict[int, Any]) -> None:
    if cls is not None and id(cls) not in classes:
        classes[id(cls)] = cls
        for subclass in type.__subclasses__(cls):
            _add_with_subclasses(subclass, classes)


def _coroutine_of(task: Any) -> Any:
    c_task = getattr(sys.modules.get("_asyncio"), "Task", None)
    if c_task is not None and derives(type(task), c_task):
        return c_task.get_coro(task)
    fields = namespace(object)["__getattribute__"](task, "__dict__")
    return fields.get("_coro") if type(fields) is dict else None


def _await_chain(awaited: Any) -> List[FrameType]:
    """Return the frames from a coroutine inwards to the point where it waits; none if it is running or has ended."""
    frames: List[FrameType] = []
    while awaited is not None and len(frames) < _MAX_DEPTH:
        frame: Optional[FrameType] = None
        kind = type(awaited)
        if kind is CoroutineType:
            running, frame, awaited = awaited.cr_running, awaited.cr_frame, awaited.cr_await
        elif kind is GeneratorType:
            running, frame, awaited = awaited.gi_running, awaited.gi_frame, awaited.gi_yieldfrom
        elif kind is AsyncGeneratorType:
            running, frame, awaited = False, awaited.ag_frame, awaited.ag_await
        elif class_name(kind) in _C_AWAITABLES:
            running, awaited = False, _next_awaited(awaited)
        else:
            break
        if running:
            return []
        if frame is not None:
            frames.append(frame)
    return frames


def _next_awaited(step: Any) -> Any:
    for candidate in get_referents(step):
        if type(candidate) in (CoroutineType, GeneratorType, AsyncGeneratorType):
            return candidate
    return None
