"""What is known of a traced function: found out once, when its code starts for the first time."""

from __future__ import annotations

import sys
from _operator import itemgetter
from opcode import opmap
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodDescriptorType, MethodType

from ..json_text import DELETED
from ..record_format import KIND_CALL
from ..runtime.classes import class_module, class_name, derives, is_heap_type, mro, namespace
from ..runtime.features import HAS_CO_QUALNAME, LIVE_F_LOCALS
from ..values.encoder import Encoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

_CO_OPTIMIZED, _CO_VARARGS, _CO_VARKEYWORDS, _CO_GENERATOR = 0x1, 0x4, 0x8, 0x20
_CO_COROUTINE, _CO_ASYNC_GENERATOR = 0x80, 0x200
SUSPENDS = _CO_GENERATOR | _CO_COROUTINE | _CO_ASYNC_GENERATOR


# The functions of pytest and unittest that know which test runs, and their files: ``test_runners`` has a look at them.
_PYTEST, _UNITTEST, _RESULT = "/_pytest/runner.py", "/unittest/case.py", "/unittest/result.py"
_RUNNER_FILES = {
    "runtestprotocol": _PYTEST, "call_and_report": _PYTEST, "pytest_runtest_makereport": _PYTEST,
    "pytest_make_collect_report": _PYTEST, "run": _UNITTEST,
    "addSuccess": _RESULT, "addFailure": _RESULT, "addError": _RESULT, "addSubTest": _RESULT, "addSkip": _RESULT,
    "addExpectedFailure": _RESULT, "addUnexpectedSuccess": _RESULT,
}  # fmt: skip

_method_function = MethodType.__dict__["__func__"].__get__
_function_code = FunctionType.__dict__["__code__"].__get__
_function_globals = FunctionType.__dict__["__globals__"].__get__


def kind_of(code: CodeType) -> str:
    """function, generator, coroutine, async_generator, class or module."""
    flags = code.co_flags
    if flags & _CO_ASYNC_GENERATOR:
        return "async_generator"
    if flags & _CO_COROUTINE:
        return "coroutine"
    if flags & _CO_GENERATOR:
        return "generator"
    if flags & _CO_OPTIMIZED:
        return "function"
    return "module" if code.co_name == "<module>" else "class"


def is_runner(code: CodeType) -> bool:
    """Whether it is one of a test runner's functions that say which test runs."""
    file = _RUNNER_FILES.get(code.co_name)
    return file is not None and code.co_filename.replace("\\", "/").endswith(file)


def argument_names(code: CodeType) -> Tuple[str, ...]:
    """The names of all parameters, as the code's locals hold them: ``*args`` and ``**kwargs`` last."""
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & _CO_VARARGS) + bool(code.co_flags & _CO_VARKEYWORDS)
    return code.co_varnames[:count]


def _exposes_locals(code: CodeType, names: Sequence[str]) -> bool:
    """Whether the program could tell from the function that its f_locals has been read, where that leaves something.

    It binds one of its parameters anew, deletes it, or shares a variable with another function, so that the first value
    would live on; or it imports something: what stands in f_locals is handed to ``__import__``.
    """
    indexes = {code.co_varnames.index(name) for name in names}
    if set(names) & set(code.co_cellvars) or code.co_freevars:
        return True
    instructions = code.co_code
    extended = opmap["EXTENDED_ARG"]
    writes = {opmap[name] for name in opmap if name.startswith(("STORE_FAST", "DELETE_FAST"))}
    imports = opmap["IMPORT_NAME"]
    return any(
        instructions[at] == imports
        or (instructions[at] in writes and (instructions[at + 1] in indexes or instructions[at - 2] == extended))
        for at in range(0, len(instructions), 2)
    )


class Function:
    """A traced function. The attributes are what the hot path needs, ready made."""

    __slots__ = (
        "awaited",
        "call_sites",
        "clears_locals",
        "code",
        "counter",
        "encode",
        "encode_result",
        "encoder",
        "exact",
        "file",
        "fresh_at_ns",
        "function_id",
        "get",
        "hot",
        "int_record",
        "is_off",
        "keeps_state",
        "kind",
        "limit",
        "lines",
        "look_count",
        "look_ns",
        "module",
        "name",
        "names",
        "next_look",
        "next_sample",
        "record",
        "runs_tests",
        "slot",
        "slow_ns",
        "strays",
        "suspends",
    )  # fmt: skip

    def __init__(self, code: CodeType, function_id: int, name: str, module: str, file: str, encoder: Encoder) -> None:
        self.code = code  # kept: the function is found by id(code)
        self.function_id = function_id
        self.name = name
        self.module = module
        self.file = file
        self.kind = kind_of(code)
        self.suspends = bool(code.co_flags & SUSPENDS)
        self.runs_tests = is_runner(code)
        self.lines = False  # whether the executed lines of its calls are recorded
        self.keeps_state = self.suspends or self.runs_tests  # whether its open calls have more to them than their frame
        self.names = names = argument_names(code)
        self.get: Any = itemgetter(*names) if names else None
        self.encoder = encoder
        self.choose_encoders()
        quoted = [encoder.encode_text(n).replace(b"%", b"%%") for n in names]
        self.call_sites: Dict[int, bytes] = {}  # the end of the record of a call made there, by instruction
        # %d and %b: call id, at_ns, each argument's JSON text, parent call id, the caller's call site
        self.record = self._line([n + b": %b" for n in quoted])
        self.int_record = self._line([n + b": %d" for n in quoted])
        # What f_locals was filled with stays there (before PEP 667): a name that is bound anew or deleted
        # would keep its first value alive. To look for that once is cheaper than to clear after each call.
        self.clears_locals = not LIVE_F_LOCALS and self.kind not in ("module", "class") and _exposes_locals(code, names)
        # What follows is adaptive capture's.
        self.slot = -1  # of its counter
        self.counter = 0  # where the count stands among the counters; the time of counted calls stands behind it
        self.limit = 0  # calls up to this number are recorded ...
        self.next_sample = 0  # ... and then the one with this number
        self.fresh_at_ns = 0  # from then on some are recorded again
        self.slow_ns = 0  # a counted call that takes this long is recorded late
        self.next_look = 0  # the number of the call at which more is to be decided than to count it
        self.look_count = self.look_ns = 0  # the state at the last look
        self.exact = True  # was every call counted?
        self.is_off = False
        self.awaited: Set[int] = set()  # ids of the frames whose return is waited for although it is off
        self.strays = 0  # returns since then that nobody waits for

    def choose_encoders(self) -> None:
        """Find out which names are secret: at the start, and when that has changed."""
        encoder = self.encoder
        self.encode = self._argument_encoders(encoder)
        self.encode_result: Callable[[Any], bytes] = encoder.encode
        last_name = self.name.rpartition(".")[2]
        if self.kind not in ("module", "class") and encoder.is_secret_name(last_name):
            self.encode_result = lambda value: encoder.encode_result(last_name, value)
            self.keeps_state = True  # the hot path knows one way to write results
        # How many arguments the hot path takes care of: 0 where one needs more than the encoder's plain form.
        plain = not self.keeps_state and all(encode == encoder.encode for encode in self.encode)
        self.hot = len(self.names) if plain else 0

    def record_lines(self) -> None:
        """Have the executed lines of its calls recorded; they are then none for the hot path."""
        self.lines = self.keeps_state = True
        self.hot = 0

    def _line(self, fields: Sequence[bytes]) -> bytes:
        head = KIND_CALL.encode() + b"\t%d\t%d\t{" + b", ".join(fields)
        return head + b"}\t%d\t" + b"%d" % self.function_id + b"%b"

    def _argument_encoders(self, encoder: Encoder) -> List[Callable[[Any], bytes]]:
        encoders: List[Callable[[Any], bytes]] = []
        code = self.code
        varargs = code.co_argcount + code.co_kwonlyargcount if code.co_flags & _CO_VARARGS else -1
        for position, name in enumerate(self.names):
            if encoder.is_secret_name(name):
                encoders.append(lambda value, name=name: encoder.encode_named(name, value))  # type: ignore[misc]
            elif position == varargs:
                encoders.append(lambda value: encoder.encode(list(value)))
            elif position == 0 and code.co_name == "__init__":
                encoders.append(encoder.encode_fields_hidden)
            else:
                encoders.append(encoder.encode)
        return encoders

    def encoded_arguments(self, frame_locals: Any) -> List[bytes]:
        """The JSON text of each argument, in the order of ``names``."""
        if self.get is None:
            return []
        encoders = self.encode
        try:
            values = self.get(frame_locals)
        except KeyError:  # the call is recorded late, and has deleted one meanwhile
            values = [frame_locals.get(name) for name in self.names]
            encoders = [
                encode if name in frame_locals else _encode_deleted for name, encode in zip(self.names, encoders)
            ]
        else:
            if len(self.names) == 1:
                return [encoders[0](values)]
        generation = self.encoder.generation()
        encoded = [encode(value) for encode, value in zip(encoders, values)]
        if generation != self.encoder.generation():  # one taught a secret, which may stand in those before it as well
            encoded = [encode(value) for encode, value in zip(encoders, values)]
        return encoded


def _encode_deleted(value: Any) -> bytes:
    return DELETED


class NameFinder:
    """Qualified names where code objects do not carry them (before 3.11)."""

    def __init__(self) -> None:
        self._names: Dict[int, Tuple[CodeType, str]] = {}

    def module_starts(self, code: CodeType) -> None:
        """Name all code that is nested in a module's code, before any of it runs."""
        if not HAS_CO_QUALNAME:
            self._name_nested(code, "")

    def _name_nested(self, code: CodeType, prefix: str) -> None:
        for constant in code.co_consts:
            if type(constant) is CodeType:
                name = prefix + constant.co_name
                self._names[id(constant)] = (constant, name)
                is_function = constant.co_flags & _CO_OPTIMIZED
                self._name_nested(constant, name + (".<locals>." if is_function else "."))

    def qualified_name(self, code: CodeType, frame: Optional[FrameType]) -> str:
        """The qualified name of *code*, which runs in *frame*."""
        if HAS_CO_QUALNAME:
            return code.co_qualname  # type: ignore[attr-defined, no-any-return, unused-ignore]
        known = self._names.get(id(code))
        if known is not None:
            return known[1]
        if code.co_name in ("<module>", "<lambda>") or frame is None:
            return code.co_name
        owner = self._owner_class(code, frame)
        return "%s.%s" % (owner, code.co_name) if owner else code.co_name

    @staticmethod
    def _owner_class(code: CodeType, frame: FrameType) -> str:
        """The class whose method *code* is: by the first argument, else among the classes of the module."""
        candidates: List[type] = []
        if code.co_argcount and not _has_cell(code, code.co_varnames[0]):
            first = frame.f_locals.get(code.co_varnames[0])
            cls: Any = first if derives(type(first), type) else type(first)
            candidates.extend(mro(cls))
        candidates.extend(v for v in list(frame.f_globals.values()) if type(v) is type)
        for cls in candidates:
            member = namespace(cls).get(code.co_name)
            if type(member) in (staticmethod, classmethod):
                member = member.__func__
            elif type(member) is property:
                member = member.fget
            if type(member) is FunctionType and member.__code__ is code:
                return class_name(cls)
        return ""


def _has_cell(code: CodeType, name: str) -> bool:
    return name in code.co_cellvars


def module_of(frame: FrameType) -> str:
    """``__name__`` of the globals that *frame* runs with."""
    return _module_name(frame.f_globals)


def function_module(function: FunctionType) -> str:
    """``__name__`` of the globals of a function, which its decorators leave as they are."""
    return _module_name(_function_globals(function))


def _module_name(names: Dict[str, Any]) -> str:
    name = dict.get(names, "__name__")
    if type(name) is not str:
        return ""
    # In a child that multiprocessing spawned, the main module runs under this name, and is known by both.
    return "__main__" if name == "__mp_main__" else name


def callable_code(target: Any) -> Optional[Tuple[CodeType, str]]:
    """The Python code that a call of *target* starts, and its module; None if that cannot be told or is C."""
    kind = type(target)
    if kind is not FunctionType:
        if kind is MethodType:
            target = _method_function(target)
        elif derives(kind, type):
            target = _constructor(target)
        if type(target) is not FunctionType:
            return None
    return _function_code(target), _module_name(_function_globals(target))


def _constructor(cls: type) -> Any:
    """The function that a call of a class runs first that is written in Python."""
    for base in mro(cls):
        names = namespace(base)
        for name in ("__init__", "__new__"):
            member = names.get(name)
            if type(member) is staticmethod:
                member = member.__func__
            if type(member) is FunctionType:
                return member
    return None


def c_function_name(target: Any) -> Optional[Tuple[str, str]]:
    """Name and module of a function written in C; None for anything else."""
    kind = type(target)
    if kind is BuiltinFunctionType:
        owner = target.__self__
        if owner is None or type(owner) is type(sys):
            module = target.__module__
            return target.__name__, module if type(module) is str else "builtins"
        cls = owner if type(owner) is type else type(owner)
        return "%s.%s" % (class_name(cls), target.__name__), class_module(cls) or "builtins"
    if kind is MethodDescriptorType:
        return "%s.%s" % (class_name(target.__objclass__), target.__name__), class_module(target.__objclass__)
    if kind is type and not is_heap_type(target):
        return class_name(target), class_module(target)
    return None
