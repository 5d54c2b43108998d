"""Describe traced functions, once each, when their code first starts."""

from __future__ import annotations

import sys
from _operator import itemgetter
from opcode import EXTENDED_ARG, opmap
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodDescriptorType, MethodType

from ..json_text import DELETED
from ..record_format import KIND_CALL
from ..redaction.secret_names import NAME_PART, VALUE_PART, part_of_pair
from ..runtime.classes import class_module, class_name, derives, is_heap_type, mro, namespace
from ..runtime.features import HAS_ANNOTATION_FUNCTIONS, HAS_CO_QUALNAME, LIVE_F_LOCALS
from ..runtime.locals_dict import may_keep_locals
from ..values.encoder import Encoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Protocol, Sequence, Set, Tuple

    from .open_calls import CallLines

    class LineSource(Protocol):
        """A log that records executed lines."""

        def new_call(self, function: Function) -> Optional[CallLines]:
            """Return the lines of a call that begins; None if they are not recorded."""

    class Observer(Protocol):
        """The log that reads the calls of functions for which ``is_observed`` is true."""

        def starts(self, code: CodeType, frame: FrameType) -> None:
            """Note the start of a call."""

        def ends(self, code: CodeType, frame: FrameType, value: Any) -> None:
            """Note the end of a call; *value* is None if an exception left it."""


_CO_OPTIMIZED, _CO_VARARGS, _CO_VARKEYWORDS, _CO_GENERATOR = 0x1, 0x4, 0x8, 0x20
_CO_COROUTINE, _CO_ASYNC_GENERATOR = 0x80, 0x200
SUSPENDS = _CO_GENERATOR | _CO_COROUTINE | _CO_ASYNC_GENERATOR


# The functions that are observed although they are not traced, and their files: those of pytest and unittest that know
# which test runs (``events.test_runners``), the one that starts a child (``events.child_processes``), and the one in
# which all ways to make an asyncio task end (``events.tasks``).
_STARTS_CHILD = "_execute_child"
_CREATES_TASK = "create_task"
_PYTEST, _UNITTEST, _RESULT = "/_pytest/runner.py", "/unittest/case.py", "/unittest/result.py"
OBSERVED_FILES = {
    _STARTS_CHILD: "/subprocess.py", _CREATES_TASK: "/asyncio/base_events.py",
    "runtestprotocol": _PYTEST, "call_and_report": _PYTEST, "pytest_runtest_makereport": _PYTEST,
    "pytest_make_collect_report": _PYTEST, "run": _UNITTEST,
    "addSuccess": _RESULT, "addFailure": _RESULT, "addError": _RESULT, "addSubTest": _RESULT, "addSkip": _RESULT,
    "addExpectedFailure": _RESULT, "addUnexpectedSuccess": _RESULT,
}  # fmt: skip

# Names of files that stand for generated code: exec and eval of a text, attrs, decorator, makefun, sympy.
_GENERATED_FILES = ("<string>", "<attrs generated", "<decorator-gen", "<makefun-gen", "<lambdifygenerated")
# Functions of generated code that are known: a program may generate code without end.
_MAX_GENERATED = 10_000

_method_function = MethodType.__dict__["__func__"].__get__
_function_code = FunctionType.__dict__["__code__"].__get__
_function_globals = FunctionType.__dict__["__globals__"].__get__


def kind_of(code: CodeType) -> str:
    """Return what code is: function, generator, coroutine, async_generator, class or module."""
    flags = code.co_flags
    if flags & _CO_ASYNC_GENERATOR:
        return "async_generator"
    if flags & _CO_COROUTINE:
        return "coroutine"
    if flags & _CO_GENERATOR:
        return "generator"
    if flags & _CO_OPTIMIZED:
        return "function"
    # IPython gives the statements of a cell names such as <cell line: 1>.
    return "module" if code.co_name == "<module>" or code.co_name.startswith("<cell ") else "class"


def may_be_generated(filename: str) -> bool:
    """Return whether a code object's file is the name that libraries give to code which they generate."""
    return filename.startswith(_GENERATED_FILES)


def is_observed(code: CodeType) -> bool:
    """Return whether code is a function of the standard library or of a test runner that an ``Observer`` reads."""
    file = OBSERVED_FILES.get(code.co_name)
    return file is not None and code.co_filename.replace("\\", "/").endswith(file)


def starts_child(code: CodeType) -> bool:
    """Return whether code that is observed starts a child process."""
    return code.co_name == _STARTS_CHILD


def creates_task(code: CodeType) -> bool:
    """Return whether code that is observed creates an asyncio task; what does neither is a test runner's."""
    return code.co_name == _CREATES_TASK


def is_annotations(code: CodeType) -> bool:
    """Return whether code was made by the compiler to evaluate annotations: a call of it is none of the program's."""
    return HAS_ANNOTATION_FUNCTIONS and code.co_name == "__annotate__"


def argument_names(code: CodeType) -> Tuple[str, ...]:
    """Return the names of all parameters in the order of the code's locals: ``*args`` and ``**kwargs`` last."""
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & _CO_VARARGS) + bool(code.co_flags & _CO_VARKEYWORDS)
    return code.co_varnames[:count]


_IMPORT_NAME = opmap["IMPORT_NAME"]
# Those of the compiler alone, of more than a byte, are in no code.
_WRITES = [opmap[name] for name in opmap if name.startswith(("STORE_FAST", "DELETE_FAST")) and opmap[name] < 256]


def _exposes_locals(code: CodeType, names: Sequence[str]) -> bool:
    """Return whether the program could notice that f_locals was read and not cleared (before PEP 667).

    True if the function rebinds or deletes a parameter or shares a variable with another function, because f_locals
    would keep the first value alive; or if it imports, because ``__import__`` is passed f_locals.
    """
    if code.co_freevars or not set(names).isdisjoint(code.co_cellvars):
        return True
    indexes = {code.co_varnames.index(name) for name in names}
    instructions = code.co_code
    opcodes, arguments = instructions[::2], instructions[1::2]
    if _IMPORT_NAME in opcodes:
        return True
    for write in _WRITES:  # found by bytes.find, as every function is looked at when it is called first
        at = opcodes.find(write)
        while at >= 0:
            if arguments[at] in indexes or opcodes[at - 1] == EXTENDED_ARG:
                return True
            at = opcodes.find(write, at + 1)
    return False


class Function:
    """A traced function, with everything precomputed that recording a call needs."""

    __slots__ = (
        "awaited",
        "begin_ns",
        "call_sites",
        "clears_locals",
        "code",
        "cost_ns",
        "counter",
        "counting_ns",
        "counts_plainly",
        "encode",
        "encode_result",
        "encoder",
        "end_ns",
        "exact",
        "file",
        "fresh_at_ns",
        "function_id",
        "get",
        "hot",
        "int_record",
        "is_observed",
        "is_off",
        "is_own",
        "is_short",
        "keeps_state",
        "kind",
        "limit",
        "lines",
        "look_count",
        "look_ns",
        "module",
        "name",
        "names",
        "next_choice",
        "next_look",
        "next_sample",
        "next_timed",
        "notes_lines",
        "raised",
        "record",
        "setting",
        "slot",
        "slow_ns",
        "strays",
        "suspends",
        "timed",
        "whole",
    )  # fmt: skip

    def __init__(self, code: CodeType, function_id: int, name: str, module: str, file: str, encoder: Encoder) -> None:
        self.code = code  # keeps the code alive: functions are found by id(code)
        self.function_id = function_id
        self.name = name
        self.module = module
        self.file = file
        self.kind = kind_of(code)
        self.suspends = bool(code.co_flags & SUSPENDS)
        self.is_own = True  # whether it is code of the workspace
        self.is_observed = is_observed(code)
        self.lines: Optional[LineSource] = None  # records the executed lines of its calls
        self.notes_lines = False  # whether it is noted which of its lines a test executes
        self.keeps_state = self.suspends or self.is_observed  # whether its open calls need a CallState
        self.names = names = argument_names(code)
        self.get: Any = itemgetter(*names) if names else None
        self.encoder = encoder
        self.is_short = False  # whether its values are cut shorter than the settings say
        self.choose_encoders()
        quoted = [encoder.encode_text(n).replace(b"%", b"%%") for n in names]
        self.call_sites: Dict[int, bytes] = {}  # by f_lasti: the last fields of the record of a call made there
        # %d and %b: call id, at_ns, each argument's JSON text, parent call id, the caller's call site
        self.record = self._line([n + b": %b" for n in quoted])
        self.int_record = self._line([n + b": %d" for n in quoted])
        # Before PEP 667 f_locals keeps the values that it was read with. Clearing it after each call costs more than
        # finding out once whether that can be noticed.
        self.clears_locals = (
            not LIVE_F_LOCALS
            and self.kind not in ("module", "class")
            and (_exposes_locals(code, names) or may_keep_locals(code))
        )
        # The state of adaptive capture:
        self.counts_plainly = not (self.suspends or self.is_observed)  # whether counting its calls needs nothing more
        self.slot = -1  # counter slot, -1 without one
        self.counter = 0  # index of its count in the counters; the next one sums the time of counted calls
        self.limit = 0  # calls up to this number are recorded
        self.next_sample = 0  # the number of the next call to record after that
        self.fresh_at_ns = 0  # the clock time from which calls are recorded again
        self.slow_ns = 0  # a counted call that takes longer is recorded late
        self.next_choice = 0  # the number of the call at which adaptive capture decides again
        self.next_look = 0  # the same if its calls are counted plainly, else 0
        self.look_count = self.look_ns = 0  # count and clock time at the last look
        self.exact = True  # whether every call was counted
        self.is_off = False
        self.awaited: Set[int] = set()  # ids of frames whose return is still expected although it is off
        self.strays = 0  # returns since then that nobody expected
        # And of its budget:
        self.next_timed = sys.maxsize  # the number of the next call whose recording is timed
        self.timed = 0  # calls whose cost is accounted for
        self.begin_ns = self.end_ns = self.cost_ns = 0  # what recording a call costs, at its begin, its end, in all
        self.counting_ns = 0  # what counting it has cost
        self.raised = False  # whether exceptions reached it lately, which would go unseen if it were switched off
        self.whole = -1  # first calls that were all recorded, if the budget made them fewer; -1: it did not

    def choose_encoders(self) -> None:
        """Choose an encoder for each argument and the result; called again when more names become secret."""
        encoder = self.encoder
        self.encode = self._argument_encoders(encoder)
        self.encode_result: Callable[[Any], bytes] = encoder.encode
        last_name = self.name.rpartition(".")[2]
        if self.kind not in ("module", "class") and encoder.is_secret_name(last_name):
            self.encode_result = lambda value: encoder.encode_result(last_name, value)
            self.keeps_state = True  # the hot path writes results with the plain encoder only
        parts = [part_of_pair(name) for name in self.names]
        # The positions of the two parts of a setting: set(name, value).
        self.setting = (
            (parts.index(NAME_PART), parts.index(VALUE_PART)) if NAME_PART in parts and VALUE_PART in parts else None
        )
        # Number of arguments that the hot path encodes itself; 0 leaves the call to CallLog.
        plain = (
            not self.keeps_state and self.setting is None and all(encode == encoder.encode for encode in self.encode)
        )
        self.hot = len(self.names) if plain else 0

    def record_lines(self, source: Optional[LineSource]) -> None:
        """Let a log record the executed lines of its calls, which takes them off the hot path; None ends that."""
        self.lines = source
        self.keeps_state = source is not None or self.suspends or self.is_observed or self.is_short
        self.choose_encoders()

    def shorten_values(self, encoder: Encoder) -> None:
        """Cut the values of later calls shorter, by another encoder, which takes them off the hot path."""
        self.encoder = encoder
        self.is_short = self.keeps_state = True
        self.choose_encoders()

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
        """Return the JSON text of each argument, in the order of ``names``.

        Args:
            frame_locals: ``f_locals`` of the call's frame; an argument that the call has deleted is marked as such.
        """
        if self.get is None:
            return []
        encoders = self.encode
        try:
            values = self.get(frame_locals)
        except KeyError:  # recorded late: the call has deleted an argument
            values = [frame_locals.get(name) for name in self.names]
            encoders = [
                encode if name in frame_locals else _encode_deleted for name, encode in zip(self.names, encoders)
            ]
        else:
            if len(self.names) == 1:
                return [encoders[0](values)]
        generation = self.encoder.generation()
        encoded = [encode(value) for encode, value in zip(encoders, values)]
        if generation != self.encoder.generation():  # a value taught a secret, which the earlier ones may hold
            encoded = [encode(value) for encode, value in zip(encoders, values)]
        if self.setting is not None:
            name, value = values[self.setting[0]], values[self.setting[1]]
            if type(name) is str and self.encoder.is_setting_name(name):
                encoded[self.setting[1]] = self.encoder.encode_named(name, value)
        return encoded


def _encode_deleted(value: Any) -> bytes:
    return DELETED


class NameFinder:
    """Finder of qualified names, for code that lacks them: of Pythons before 3.11, and generated by a library."""

    def __init__(self) -> None:
        self._names: Dict[int, Tuple[CodeType, str]] = {}
        self._generated: Dict[int, CodeType] = {}

    def add_generated(self, code: CodeType) -> None:
        """Note that a library has generated a module's code with the functions in it."""
        for constant in code.co_consts:
            if type(constant) is CodeType:
                if len(self._generated) >= _MAX_GENERATED:
                    self._generated.clear()
                self._generated[id(constant)] = constant
                self.add_generated(constant)

    def is_generated(self, code: CodeType) -> bool:
        """Return whether a library has generated the code of a function."""
        return self._generated.get(id(code)) is code

    def module_starts(self, code: CodeType) -> None:
        """Name all code nested in a module's code, before any of it runs."""
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
        """Return the qualified name of *code*, which runs in *frame* (None: unknown)."""
        if (
            id(code) in self._generated and frame is not None
        ):  # its own name begins with that of the generating function
            owner = self.owner_class(code, frame)
            return "%s.%s" % (owner, code.co_name) if owner else code.co_name
        if HAS_CO_QUALNAME:
            return code.co_qualname  # type: ignore[attr-defined, no-any-return, unused-ignore]
        known = self._names.get(id(code))
        if known is not None:
            return known[1]
        if code.co_name in ("<module>", "<lambda>") or frame is None:
            return code.co_name
        owner = self.owner_class(code, frame)
        return "%s.%s" % (owner, code.co_name) if owner else code.co_name

    @staticmethod
    def owner_class(code: CodeType, frame: FrameType) -> str:
        """Return the name of the class that defines a method, or an empty text.

        Looks at the class of the first argument, then at the classes of the module.
        """
        candidates: List[type] = []
        if code.co_argcount and not _has_cell(code, code.co_varnames[0]) and not may_keep_locals(code):
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
    """Return the module name of a frame: ``__name__`` of its globals."""
    return _module_name(frame.f_globals)


def function_module(function: FunctionType) -> str:
    """Return the module name of a function: ``__name__`` of its globals, which decorators cannot change."""
    return _module_name(_function_globals(function))


def _module_name(names: Dict[str, Any]) -> str:
    name = dict.get(names, "__name__")
    if type(name) is not str:
        return ""
    # The main module's name in a child that multiprocessing spawned: one module for patterns and reports.
    return "__main__" if name == "__mp_main__" else name


def callable_code(target: Any) -> Optional[Tuple[CodeType, str]]:
    """Return the Python code that a call of *target* starts, and its module; None if it is C or unknown."""
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
    """Return the first Python function that a call of a class may run: an ``__init__`` or ``__new__``."""
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
    """Return the qualified name and module of a function written in C; None for anything else."""
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
