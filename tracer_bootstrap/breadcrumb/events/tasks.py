"""Number the asyncio tasks and greenlets of the process.

The running task is looked up at each start and resume of a coroutine.
"""

from __future__ import annotations

import sys
from _weakref import ref
from types import FunctionType, MethodType

from .. import record_format
from ..runtime.classes import attribute_of, class_name, derives, imported_class, namespace
from ..runtime.features import HAS_TASKS_IN_C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any, Dict, Tuple

    from ..session.session import Session

_bound_to = MethodType.__dict__["__self__"].__get__
_method_function = MethodType.__dict__["__func__"].__get__

# Tasks that are remembered, by address: that one has ended is only noticed when its address is used again.
_MAX_KNOWN = 10_000


class TaskLog:
    """The numbers of tasks and greenlets, with their names written at first sight."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: Dict[int, Tuple[Any, int]] = {}  # a weak reference and the number, by the task's address
        self._last_number = 0
        # By the task's address until it runs traced code: a weak reference, and the call and line that created it.
        self._creators: Dict[int, Tuple[Any, int, int]] = {}

    def clear(self) -> None:
        """Forget all tasks, in a forked child."""
        self._known.clear()
        self._creators.clear()
        self._last_number = 0

    def starts(self, code: CodeType, frame: FrameType) -> None:
        """Note nothing: the task does not exist yet."""

    def ends(self, code: CodeType, frame: FrameType, value: Any) -> None:
        """Note the innermost traced call as the creator of the task that asyncio's ``create_task`` returns."""
        top = self._session.thread().top
        if top[2] is frame:  # asyncio itself is traced
            top = top[1]
        if value is None or not top[0] or top[2] is None:
            return
        if len(self._creators) >= _MAX_KNOWN:
            self._creators.clear()
        self._creators[id(value)] = (ref(value), top[0], top[2].f_lineno or 0)
        known = self._known.get(id(value))
        if known is not None and known[0]() is value:  # an eager task has run already
            self._write_task(task_name(value), known[1], value)

    def current(self) -> int:
        """Return the number of the task that this thread's event loop is running; 0 if there is none."""
        asyncio_tasks = sys.modules.get("asyncio.tasks")
        events = sys.modules.get("asyncio.events")
        if asyncio_tasks is None or events is None:
            return 0
        task = _running_task(asyncio_tasks, events)
        return 0 if task is None else self._number(task)

    def _number(self, task: Any) -> int:
        known = self._known.get(id(task))
        if known is not None and known[0]() is task:
            return known[1]
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._last_number += 1
        number = self._write_task(task_name(task), self._last_number, task)
        self._known[id(task)] = (ref(task), number)
        return number

    def number_greenlet(self, greenlet: Any) -> int:
        """Return a new number for a greenlet that starts."""
        self._last_number += 1
        return self._write_task(greenlet_name(greenlet, self._last_number), self._last_number, greenlet)

    def _write_task(self, name: str, number: int, task: Any) -> int:
        creator = self._creators.pop(id(task), None)
        call, line = creator[1:] if creator is not None and creator[0]() is task else (0, 0)
        self._session.event(record_format.EVENT_TASK, task=number, name=name, creator=call or None, line=line or None)
        return number


def greenlet_name(greenlet: Any, number: int) -> str:
    """Return the name that a program gave a greenlet of gevent, or its class and number with the function it runs.

    A thread of a program that gevent has patched is a greenlet that runs a method of the thread, whose name it gets.
    """
    name = attribute_of(greenlet, "name")
    if type(name) is str:
        return name
    runs = attribute_of(greenlet, "_run")
    if type(runs) is MethodType:
        thread_class = imported_class("threading", "Thread")
        owner = _bound_to(runs)
        name = attribute_of(owner, "_name") if thread_class and derives(type(owner), thread_class) else None
        if type(name) is str:
            return name
        runs = _method_function(runs)
    function = " (%s)" % runs.__qualname__ if type(runs) is FunctionType else ""
    return "%s-%d%s" % (class_name(type(greenlet)), number, function)


def _running_task(asyncio_tasks: Any, events: Any) -> Any:
    """Return the task that this thread's event loop is running, or None; hash neither it nor the loop.

    Their classes may be the user's.
    """
    in_c = sys.modules.get("_asyncio") if HAS_TASKS_IN_C else None
    if in_c is not None:
        loop = in_c._get_running_loop()
        return None if loop is None else in_c.current_task(loop)  # compares the loop by identity
    running = getattr(asyncio_tasks, "_current_tasks", None)
    if type(running) is not dict or not running:
        return None
    loop = events._get_running_loop()
    if loop is None:
        return None
    for candidate, task in list(running.items()):
        if candidate is loop:
            return task
    return None


def task_name(task: Any) -> str:
    """Return the task's name, without running a method of a class of the program."""
    c_task = getattr(sys.modules.get("_asyncio"), "Task", None)
    if c_task is not None and derives(type(task), c_task):
        name = c_task.get_name(task)
    else:
        own = namespace(object).get("__getattribute__")(task, "__dict__")
        name = own.get("_name") if type(own) is dict else None
    return name if type(name) is str else "task"
