"""Choose the writer of a class, by identity and without calling into the class."""

from __future__ import annotations

import types
from _thread import RLock
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    MappingProxyType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
)

from ..runtime.classes import (
    ARRAY_PACKAGES,
    class_module,
    class_name,
    derives,
    imported_class,
    is_enum,
    is_heap_type,
    namespace,
    package_of,
)
from ..value_format import FROZENSET_KEY, SET_KEY
from . import descriptions, library_objects, objects, states
from .arrays import array_writer
from .containers import items_writer, mapping_writer, set_writer, view_writer, write_proxy, write_tuple
from .dataframes import pandas_writer
from .objects import described, in_notation, members_writer, typed
from .polars_frames import polars_writer
from .typing_text import typing_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Tuple

    from .type_plan import TypePlan
    from .walk import Walk

    Writer = Callable[[Walk, Any, TypePlan], str]

    # Writers for instances of the class itself and of its subclasses; None: go on with the next base.
    Pair = Tuple[Optional[Writer], Optional[Writer]]

# list[int] came with 3.9, int | str with 3.10.
_TYPING = tuple(id(getattr(types, name)) for name in ("GenericAlias", "UnionType") if hasattr(types, name))

# Packages of classes whose fields say nothing about the program: files, locks, sockets, event loops.
OPAQUE_PACKAGES = {
    "_io", "io", "_thread", "threading", "_socket", "socket", "_ssl", "ssl", "_queue", "queue", "_asyncio", "asyncio",
    "concurrent", "multiprocessing", "selectors", "select", "contextvars", "weakref", "_weakref", "_weakrefset",
}  # fmt: skip

# Packages of classes whose fields are the library's internals (a session has an engine, a pool, a dialect). Subclasses
# in the program are written by their fields.
_INTERNAL_PACKAGES = {"sqlalchemy"}

# Subclasses of these in ARRAY_PACKAGES are errors, rows or results, and no arrays; the others are dates.
_NOT_ARRAYS = (BaseException, tuple, list, dict)
_DATES = ("Timestamp", "Timedelta")


def _same(writer: Writer) -> Pair:
    return writer, writer


def _wrapper(base: Any) -> Pair:
    function = namespace(base)["__func__"]
    return _same(described(lambda value: descriptions.describe_wrapper(class_name(base), function.__get__(value))))


_BUILT_IN: Dict[int, Pair] = {
    id(cls): pair
    for cls, pair in [
        (str, (None, objects.write_str)),
        (int, (None, objects.write_int)),
        (float, (None, objects.write_float)),
        (complex, _same(typed(complex.__repr__))),
        (bytes, _same(objects.bytes_writer(bytes))),
        (bytearray, _same(objects.bytes_writer(bytearray))),
        (memoryview, (objects.write_memoryview, None)),
        (list, (None, items_writer(list))),
        (tuple, (None, write_tuple)),
        (dict, (None, mapping_writer(dict))),
        (set, (set_writer(set, '{"%s": [' % SET_KEY), set_writer(set, ""))),
        (frozenset, (set_writer(frozenset, '{"%s": [' % FROZENSET_KEY), set_writer(frozenset, ""))),
        (type({}.keys()), _same(view_writer(type({}.keys())))),
        (type({}.values()), _same(view_writer(type({}.values())))),
        (type({}.items()), _same(view_writer(type({}.items())))),
        (MappingProxyType, _same(write_proxy)),
        (range, _same(in_notation(descriptions.describe_range))),
        (slice, _same(members_writer(slice, ("start", "stop", "step")))),
        (BaseException, _same(objects.write_exception)),
        (FunctionType, _same(described(descriptions.describe_function))),
        (MethodType, _same(described(descriptions.describe_method))),
        (BuiltinFunctionType, _same(described(descriptions.describe_built_in))),
        (MethodDescriptorType, _same(described(descriptions.describe_descriptor))),
        (classmethod, _wrapper(classmethod)),
        (staticmethod, _wrapper(staticmethod)),
        (ModuleType, _same(described(descriptions.describe_module))),
        (GeneratorType, _same(states.write_generator)),
        (CoroutineType, _same(states.write_generator)),
        (AsyncGeneratorType, _same(states.write_generator)),
        (states.Lock, _same(states.state_writer(states.read_lock, OPAQUE_PACKAGES))),
        (RLock, _same(states.state_writer(states.read_lock, OPAQUE_PACKAGES))),
    ]
}


def _text(base: Any) -> Pair:
    return typed(lambda value: str.__str__(base.__str__(value))), None


def _text_of_all(base: Any) -> Pair:
    """Return writers for a class whose ``__str__`` is written in C and calls nothing of a subclass."""
    return _same(typed(lambda value: str.__str__(base.__str__(value))))


def _date(base: Any) -> Pair:
    return _same(typed(namespace(base)["isoformat"]))


def _date_time(base: Any) -> Pair:
    def describe(value: Any) -> str:
        return descriptions.describe_date_time(value, base)

    return _same(typed(describe))


def _items(base: Any) -> Pair:
    return _same(items_writer(base))


def _ordered(base: Any) -> Pair:
    return _same(mapping_writer(base))


def _partial(base: Any) -> Pair:
    return _same(members_writer(base, ("func", "args", "keywords")))


def _cached_function(base: Any) -> Pair:
    return _same(objects.write_cached_function)


def _pattern(base: Any) -> Pair:
    return _same(members_writer(base, ("pattern",)))


def _match(base: Any) -> Pair:
    return _same(objects.match_writer(base))


def _short_name(base: Any) -> Pair:
    return _same(objects.write_short_name)


def _row(base: Any) -> Pair:
    return _same(library_objects.write_row)


def _logger(base: Any) -> Pair:
    return _same(library_objects.write_logger)


def _validation_error(base: Any) -> Pair:
    return _same(library_objects.write_validation_error)


def _template(base: Any) -> Pair:
    return _same(objects.write_template)


def _interpolation(base: Any) -> Pair:
    return _same(objects.write_interpolation)


def _sentinel(base: Any) -> Pair:
    return _same(objects.write_sentinel)


def _by_state(read: states.Reader) -> Callable[[Any], Pair]:
    pair = _same(states.state_writer(read, OPAQUE_PACKAGES))
    return lambda base: pair


def _native_future(base: Any) -> Pair:
    return _same(states.state_writer(states.read_native_future(base), OPAQUE_PACKAGES))


def _simple_queue(base: Any) -> Pair:
    return _same(states.state_writer(states.read_simple_queue(base), OPAQUE_PACKAGES))


# Classes by module and name: of libraries, looked up in the modules that the program has imported; of newer Pythons.
_LIBRARY: Dict[Tuple[str, str], Callable[[Any], Pair]] = {
    ("builtins", "frozendict"): _ordered,  # since 3.15, as the next
    ("builtins", "sentinel"): _sentinel,
    ("string.templatelib", "Template"): _template,  # since 3.14
    ("string.templatelib", "Interpolation"): _interpolation,
    ("collections", "OrderedDict"): _ordered,
    ("collections", "deque"): _items,
    ("array", "array"): _items,
    ("datetime", "datetime"): _date_time,
    ("datetime", "time"): _date_time,
    ("datetime", "date"): _date,
    ("datetime", "timedelta"): _text_of_all,
    ("datetime", "timezone"): _text,
    ("zoneinfo", "ZoneInfo"): _text,
    ("decimal", "Decimal"): _text_of_all,
    ("fractions", "Fraction"): _text,
    ("uuid", "UUID"): _text,
    ("functools", "partial"): _partial,
    ("functools", "_lru_cache_wrapper"): _cached_function,
    ("re", "Pattern"): _pattern,
    ("re", "Match"): _match,
    ("unittest.mock", "NonCallableMock"): _short_name,
    ("mock.mock", "NonCallableMock"): _short_name,
    ("logging", "Logger"): _logger,
    ("_asyncio", "Task"): _native_future,
    ("_asyncio", "Future"): _native_future,
    ("asyncio.futures", "Future"): _by_state(states.read_future),  # without the accelerator in C
    ("concurrent.futures._base", "Future"): _by_state(states.read_future),
    ("threading", "Condition"): _by_state(states.read_condition),
    ("threading", "Event"): _by_state(states.read_event),
    ("threading", "Semaphore"): _by_state(states.read_semaphore),
    ("threading", "Thread"): _by_state(states.read_thread),
    ("threading", "_RLock"): _by_state(states.read_lock),
    ("asyncio.locks", "Lock"): _by_state(states.read_lock),
    ("asyncio.locks", "Condition"): _by_state(states.read_condition),
    ("asyncio.locks", "Event"): _by_state(states.read_event),
    ("asyncio.locks", "Semaphore"): _by_state(states.read_semaphore),
    ("queue", "Queue"): _by_state(states.read_queue),
    ("asyncio.queues", "Queue"): _by_state(states.read_queue),
    ("_queue", "SimpleQueue"): _simple_queue,
    ("pydantic_core._pydantic_core", "Url"): _text,
    ("pydantic_core._pydantic_core", "MultiHostUrl"): _text,
    ("pydantic_core._pydantic_core", "ValidationError"): _validation_error,
    ("sqlalchemy.engine.row", "Row"): _row,
    ("sqlalchemy.engine.row", "RowMapping"): _row,
}
for _module in ("pathlib", "pathlib._local"):
    for _name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"):
        _LIBRARY[_module, _name] = _text
for _kind in ("Address", "Network", "Interface"):
    for _version in "46":
        _LIBRARY["ipaddress", f"IPv{_version}{_kind}"] = _text


def choose_writer(cls: type, bases: Tuple[type, ...]) -> Writer:
    """Choose the writer for instances of a class.

    Args:
        cls: The class.
        bases: The MRO of the class.
    """
    if derives(cls, type):
        return described(descriptions.describe_class)
    if is_enum(cls):
        return objects.write_enum
    owner = next((base for base in bases if package_of(base) in ARRAY_PACKAGES), None)
    if owner is not None and class_name(owner) not in _DATES and not any(derives(cls, base) for base in _NOT_ARRAYS):
        if package_of(owner) == "polars":
            return polars_writer(cls) or objects.write_name
        return pandas_writer(cls) if package_of(owner) == "pandas" else array_writer(cls, bases, owner)
    if class_module(cls) == "typing" or id(cls) in _TYPING:
        return in_notation(typing_text)
    for position, base in enumerate(bases):
        pair = _BUILT_IN.get(id(base))
        if pair is None:
            key = (class_module(base), class_name(base))
            make = _LIBRARY.get(key)
            # Any class that code has made can claim to be of such a module. Those in C may be there without the module.
            is_real = make is not None and (not is_heap_type(base) or imported_class(*key) is base)
            pair = make(base) if make is not None and is_real else None
        found = pair[min(position, 1)] if pair is not None else None
        if found is not None:
            return found
    is_opaque = package_of(cls) in OPAQUE_PACKAGES or package_of(cls) in _INTERNAL_PACKAGES
    return objects.write_name if is_opaque else objects.write_object
