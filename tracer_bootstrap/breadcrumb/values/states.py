"""Write futures, tasks, locks, queues, threads and generators by their state, without calling code of the program.

Their fields are those of the library, and say little. The state is in words: ``pending``, ``locked``, ``suspended at
line 12``. It is read by the descriptors of the classes written in C, or from the ``__dict__`` of the others. Of the
result of a future only the type or the object is told: under the name of the future, the value may be a secret.
"""

from __future__ import annotations

from _thread import RLock, allocate_lock
from types import AsyncGeneratorType, CoroutineType, GeneratorType

from ..json_text import quote
from ..runtime.classes import class_name, derives, imported_class, mro, namespace, package_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

    from .type_plan import TypePlan
    from .walk import Walk

    Writer = Callable[[Walk, Any, TypePlan], str]
    # The state in words, and further facts as JSON by name.
    State = Tuple[str, List[Tuple[str, str]]]
    Reader = Callable[[Walk, Any, TypePlan], State]

Lock = type(allocate_lock())
_is_locked = Lock.locked
_describe_rlock = RLock.__repr__

# The prefix of the attributes of each kind of generator.
_GENERATORS: Tuple[Tuple[type, str], ...] = (
    (GeneratorType, "gi"), (CoroutineType, "cr"), (AsyncGeneratorType, "ag"),
)  # fmt: skip


def state_writer(read: Reader, opaque_packages: Any) -> Writer:
    """Return a writer for a class of a library, and for its subclasses, which have fields of their own.

    Args:
        read: Reads the state.
        opaque_packages: Packages of classes whose fields say nothing.
    """

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        state, facts = read(walk, value, plan)
        entries = ""
        if plan.module.partition(".")[0] not in opaque_packages and walk.can_enter():
            fields, size = plan.fields(value, walk.max_items)
            entries = walk.entries(fields, value, size) if fields else ""
        return _stated(walk, value, plan, state, facts, entries)

    return write


def write_generator(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write a generator, a coroutine or an async generator by its name and by where it stands."""
    return _stated(walk, value, plan, _generator_state(value), [("name", walk.leaf(value.__qualname__))])


def _stated(walk: Walk, value: Any, plan: TypePlan, state: str, facts: List[Tuple[str, str]], entries: str = "") -> str:
    told = "".join([", %s: %s" % (quote(name), text) for name, text in facts])
    walk.room -= len(plan.name) + len(state) + len('{"$type": "", "$state": ""}') + 4 * len(facts)
    more = ", " + entries if entries else ""
    return '{"$type": %s%s, "$state": "%s"%s%s}' % (quote(plan.name), walk.number_key(value, plan), state, told, more)


def _generator_state(value: Any) -> str:
    kind = type(value)
    prefix = next(prefix for cls, prefix in _GENERATORS if cls is kind)
    members = namespace(kind)
    if members[prefix + "_running"].__get__(value):
        return "running"
    frame = members[prefix + "_frame"].__get__(value)
    if frame is None:
        return "exhausted" if prefix != "cr" else "finished"
    suspended = members.get(prefix + "_suspended")  # since 3.11; of async generators since 3.12
    if suspended is not None:
        has_begun = suspended.__get__(value)
    elif "gi_suspended" in namespace(GeneratorType):
        has_begun = frame.f_lineno != frame.f_code.co_firstlineno
    else:
        has_begun = frame.f_lasti != -1
    return "suspended at line %d" % (frame.f_lineno or 0) if has_begun else "not started"


def read_native_future(base: Any) -> Reader:
    """Return a reader for futures or tasks written in C.

    Args:
        base: ``_asyncio.Future`` or ``_asyncio.Task``.
    """
    members: Dict[str, Any] = {}
    for cls in reversed(mro(base)):
        members.update(namespace(cls))
    state, exception, result = (members[name].__get__ for name in ("_state", "_exception", "_result"))
    coroutine = members["_coro"].__get__ if "_coro" in members else None

    def read(walk: Walk, value: Any, plan: TypePlan) -> State:
        facts = _outcome(walk, state(value), exception(value), result(value))
        running = coroutine(value) if coroutine is not None else None
        if type(running) is CoroutineType or type(running) is GeneratorType:
            facts.append(("coro", walk.leaf(running.__qualname__)))
        return _future_state(state(value)), facts

    return read


def read_future(walk: Walk, value: Any, plan: TypePlan) -> State:
    """Read a future written in Python, as those of ``concurrent.futures`` are."""
    own = plan.own_fields(value)
    facts = _outcome(walk, own.get("_state"), own.get("_exception"), own.get("_result"))
    return _future_state(own.get("_state")), facts


def _future_state(state: Any) -> str:
    """Return the state in words; a cancelled future whose waiters know it is just cancelled."""
    return state.partition("_")[0].lower() if type(state) is str and state.isupper() else "unknown"


def _outcome(walk: Walk, state: Any, exception: Any, result: Any) -> List[Tuple[str, str]]:
    if state != "FINISHED":
        return []
    if exception is not None:
        return [("exception", walk.leaf("<%s>" % class_name(type(exception))))]
    return [("result", _brief(walk, result))]


def _brief(walk: Walk, value: Any) -> str:
    """Return None and booleans as they are, an object by its name, and any other value by its type."""
    if value is None or type(value) is bool:
        return walk.render(value)
    plan = walk.encoder.plan(type(value))
    if derives(type(value), BaseException) or not plan.has_fields():
        return walk.leaf("<%s>" % plan.name)
    return walk.named(plan.name, value, plan)


def read_lock(walk: Walk, value: Any, plan: TypePlan) -> State:
    """Read a lock, of ``threading`` or of ``asyncio``, or a condition by its lock."""
    return ("locked" if _holds(value, plan) else "unlocked"), []


def _holds(value: Any, plan: TypePlan) -> Optional[bool]:
    kind = type(value)
    if kind is Lock:
        return _is_locked(value)
    if derives(kind, RLock):
        return _describe_rlock(value).startswith("<locked")
    own = plan.own_fields(value)
    if "_block" in own and type(own["_block"]) is Lock:  # an RLock written in Python
        return _is_locked(own["_block"])
    return own.get("_locked") is True


def read_condition(walk: Walk, value: Any, plan: TypePlan) -> State:
    """Read a condition: the state of its lock, and how many wait."""
    own = plan.own_fields(value)
    lock = own.get("_lock")
    state = "locked" if lock is not None and _holds(lock, walk.encoder.plan(type(lock))) else "unlocked"
    waiting = _size(own.get("_waiters"))
    return state, [("waiting", "%d" % waiting)] if waiting else []


def read_event(walk: Walk, value: Any, plan: TypePlan) -> State:
    """Read an event of ``threading`` or of ``asyncio``."""
    own = plan.own_fields(value)
    return ("set" if own.get("_flag", own.get("_value")) is True else "not set"), []


def read_semaphore(walk: Walk, value: Any, plan: TypePlan) -> State:
    """Read a semaphore: locked if nobody can take it, and how many can."""
    left = plan.own_fields(value).get("_value")
    return ("locked" if left == 0 else "unlocked"), [("value", "%d" % left)] if type(left) is int else []


def read_queue(walk: Walk, value: Any, plan: TypePlan) -> State:
    """Read a queue: how many items are in it, and may be."""
    own = plan.own_fields(value)
    size = _size(own.get("queue", own.get("_queue")))
    most = own.get("maxsize", own.get("_maxsize"))
    return _items(size), [("maxsize", "%d" % most)] if type(most) is int and most > 0 else []


def read_simple_queue(base: Any) -> Reader:
    """Return a reader for ``_queue.SimpleQueue``."""
    count = namespace(base)["qsize"]

    def read(walk: Walk, value: Any, plan: TypePlan) -> State:
        return _items(count(value)), []

    return read


def _items(size: int) -> str:
    return "empty" if size == 0 else "1 item" if size == 1 else "%d items" % size


def _size(value: Any) -> int:
    """Return the length of a list or a deque."""
    for cls in (list, imported_class("_collections", "deque")):
        if cls is not None and derives(type(value), cls):
            return int(cls.__len__(value))
    return 0


def read_thread(walk: Walk, value: Any, plan: TypePlan) -> State:
    """Read a thread: whether it runs, and its name."""
    own = plan.own_fields(value)
    name = own.get("_name")
    facts = [("name", walk.leaf(name))] if type(name) is str else []
    started = own.get("_started")
    if started is None or walk.encoder.plan(type(started)).own_fields(started).get("_flag") is not True:
        return "not started", facts
    ended = own.get("_is_stopped")  # until 3.12
    handle = own.get("_os_thread_handle", own.get("_handle"))
    if (
        type(ended) is not bool
        and package_of(type(handle)) == "_thread"
        and class_name(type(handle)) == "_ThreadHandle"
    ):
        ended = namespace(type(handle))["is_done"](handle)
    return ("finished" if ended is True else "running"), facts
