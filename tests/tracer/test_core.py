"""Hold the core in C equal to the one in Python, and load it only where it belongs."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from breadcrumb import core, record_format
from breadcrumb.backends.monitoring import STEPS_BETWEEN_LOOKS
from breadcrumb.events import exceptions, lines, yields
from breadcrumb.record_format import CORE_C, CORE_PURE
from breadcrumb.redaction import secret_names
from breadcrumb.session import functions
from breadcrumb.values import encoder, walk
from changing_programs import program
from pythons import MONITORING_VERSIONS
from raising_programs import program as raising_program
from spool_reader import INJECT, Spool, Trace, data_of

ROOT = Path(__file__).parents[2]
FUZZ = ROOT / "tests" / "support" / "core_fuzz.py"
COMPILED = ROOT / "tracer_bootstrap" / "breadcrumb" / "core" / core.FILE_NAME

# A longer search: python3.12 tests/support/core_fuzz.py --seeds 20000
SEEDS = 150

PROGRAM = "def give(value): return value\ngive([1, 'two', {'three': 3.5}])\n"


@pytest.fixture(autouse=True)
def compiled() -> None:
    """Skip without the compiled core, or fail where all must be there, as in .ci/run."""
    if not COMPILED.exists():
        reason = f"{COMPILED} is missing: install the checkout again where a C compiler is"
        if os.environ.get("BREADCRUMB_REQUIRE_PYTHONS"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def fuzz(monitoring_python: str, processes: None) -> Callable[..., None]:
    """Return a function that runs the fuzz program with each Python that the core is for."""

    def run(*arguments: str) -> None:
        done = subprocess.run(
            [monitoring_python, "-X", "faulthandler", str(FUZZ), *arguments],
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def test_both_cores_write_the_same_bytes(fuzz) -> None:
    fuzz("--seeds", str(SEEDS))


def test_the_core_in_c_keeps_no_references_and_no_memory(fuzz) -> None:
    fuzz("--seeds", "40", "--leaks")


def test_containers_may_change_while_they_are_written(fuzz) -> None:
    fuzz("--seeds", "100", "--threads")


def test_the_texts_of_the_program_are_not_enlarged(monitoring_python: str, processes: None) -> None:
    program = """
import sys
sys.path[:0] = sys.argv[1:]
import core_fuzz as fuzz
other = fuzz.encoder(fuzz.core.load(fuzz.core.__path__[0] + "/" + fuzz.core.FILE_NAME), {}, numbered=True, taught=True)
texts = ["\\u00e9" * 50, "\\u20ac" * 500, "a" * 50, "\\U0001f600" * 9, "key: \\u00e9"]
sizes = [sys.getsizeof(text) for text in texts]
for text in texts:
    other.encode(text)
    other.encode([text, {text: text}])
print([sys.getsizeof(text) for text in texts] == sizes)
"""
    folders = [str(FUZZ.parent), str(ROOT / "tracer_bootstrap")]
    done = subprocess.run([monitoring_python, "-c", program, *folders], capture_output=True, text=True, timeout=60)
    assert done.stdout == "True\n", done.stderr


def test_a_number_under_a_name_that_is_judged_is_hidden_if_it_is_as_long_as_a_credential(
    monitoring_python: str, processes: None
) -> None:
    program = """
import sys
sys.path[:0] = sys.argv[1:]
import core_fuzz as fuzz
native = fuzz.core.load(fuzz.core.__path__[0] + "/" + fuzz.core.FILE_NAME)
for sign in (1, -1):
    for digits in range(1, 16):
        number = sign * int("1234567890123456"[:digits])
        for value in ({"key": number, "keys": [number]}, {"tokens": number}, {"pin": number}, {"password": None, "key": True}):
            pure, other = (fuzz.encoder(each, {}, numbered=True, taught=False) for each in (None, native))
            for _ in range(3):
                assert pure.encode(value) == other.encode(value), value
            assert pure.generation() == other.generation(), value
"""
    folders = [str(FUZZ.parent), str(ROOT / "tracer_bootstrap")]
    done = subprocess.run([monitoring_python, "-c", program, *folders], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_limits_in_c_are_those_in_python() -> None:
    defined = dict(re.findall(r"^#define (\w+) (\d+)", (ROOT / "csrc" / "core.h").read_text(), re.MULTILINE))
    assert int(defined["INTERFACE"]) == core.INTERFACE
    for name, value in {
        "MEMO_MAX_CHARS": encoder.MEMO_MAX_CHARS,
        "MIN_LEAF_CHARS": walk._MIN_LEAF_CHARS,
        "FIELD_CHARS": walk._FIELD_CHARS,
        "MIN_CARD": encoder.MIN_CARD,
        "MIN_CREDENTIAL_CHARS": secret_names._MIN_CREDENTIAL_CHARS,
        "REDACTION_MARGIN_CHARS": encoder.REDACTION_MARGIN_CHARS,
        "WINDOW_STEP_CHARS": encoder._WINDOW_STEP_CHARS,
        "MAX_VARIABLES": lines.MAX_VARIABLES,
        "MAX_YIELDS": yields.MAX_YIELDS,
        "SUSPENDS": functions.SUSPENDS,
        "MAX_UNWINDING": exceptions._MAX_UNWINDING,
        "MAX_KNOWN_EXCEPTIONS": exceptions._MAX_KNOWN,
        "OUTCOME_RAISED": record_format.OUTCOME_RAISED,
        "STEPS_BETWEEN_LOOKS": STEPS_BETWEEN_LOOKS,
        "MAX_LINES_PER_CALL": lines.MAX_LINES_PER_CALL,
        "LAST_LINES": lines.LAST_LINES,
    }.items():
        assert int(defined[name]) == value, name


def test_the_compiled_core_is_made_from_the_sources_of_the_checkout() -> None:
    build = _build_script()
    assert build.source_digest().encode() in COMPILED.read_bytes(), "run: python hatch_build.py " + str(COMPILED.parent)


def _build_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# A longer search: BREADCRUMB_FUZZ_PROGRAMS=500 python3 -m pytest tests/tracer/test_core.py -k same_records
PROGRAMS_OF_A_RUN = int(os.environ.get("BREADCRUMB_FUZZ_PROGRAMS", "12"))

RUN_ALL = """
for number, text in enumerate({texts!r}):
    exec(compile(text, "program%d.py" % number, "exec"), {{"__name__": "__main__"}})
"""


def _records(spool: Spool) -> dict[int, list[str]]:
    """Return the records of each call of the only process and thread, without their times."""
    found: dict[int, list[str]] = {}
    segments = spool.folder.glob("*" + record_format.CALLS_SUFFIX)
    for path in sorted(
        segments, key=lambda path: int(path.name.removesuffix(record_format.CALLS_SUFFIX).split("-")[-1])
    ):
        for line in data_of(path).split("\n")[:-1]:
            fields = line.split("\t")
            fields[2] = ""
            if fields[0] == record_format.KIND_RETURN and len(fields) > 5 and fields[5] != "0":
                fields[5] = "suspended"
            found.setdefault(int(fields[1]), []).append("\t".join(fields))
    return found


@pytest.mark.parametrize(
    ("seed", "as_tests", "capture"),
    [
        (0, False, {"mode": "full", "lines": ["*"]}),
        (1000, False, {"mode": "full"}),
        (2000, True, {"mode": "full"}),
        (3000, False, {"mode": "adaptive", "calls_per_function": 1000, "lines": ["f0", "Meddler.*"]}),
    ],
    ids=["lines", "calls", "tests", "with counters"],
)
def test_both_cores_write_the_same_records_of_a_program(
    monitoring_python: str, trace: Trace, seed: int, as_tests: bool, capture: dict[str, Any]
) -> None:
    texts = [program(each, as_tests=as_tests) for each in range(seed, seed + PROGRAMS_OF_A_RUN)]
    text = RUN_ALL.format(texts=texts)
    env = {"PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"}
    pure, compiled = (
        trace(monitoring_python, text, capture=capture, env={**env, "BREADCRUMB_CORE": each}) for each in ("pure", "c")
    )
    assert (compiled.stdout, compiled.exit_code) == (pure.stdout, pure.exit_code), compiled.stderr
    expected, written = _records(pure), _records(compiled)
    assert len(expected) > 100 and written.keys() == expected.keys()
    for call, records in expected.items():
        assert written[call] == records


# Holds what the tracer keeps of open calls, which the core in C makes anew from what is left of ended ones.
HOLDER = """
import gc, weakref

class Thing:
    pass

def look(held):
    gc.collect(0)
    for each in gc.get_objects():
        if type(each) is tuple and len(each) == 5:
            held.append((each, [id(item) for item in each]))

def calls(held):
    look(held)

def take(thing):
    return weakref.ref(thing)

for _ in range(3):
    held = []
    look(held)
    calls(held)
    calls([])
    print(len(held) > 0, all([id(item) for item in each] == ids for each, ids in held))
    print(take(Thing())() is None)
"""


def test_what_a_program_holds_of_an_open_call_stays_as_it_is_and_an_ended_call_keeps_nothing_alive(
    monitoring_python: str, trace: Trace
) -> None:
    pure, compiled = (
        trace(monitoring_python, HOLDER, capture={"mode": "full"}, env={"BREADCRUMB_CORE": each})
        for each in ("pure", "c")
    )
    assert compiled.stdout == pure.stdout
    assert compiled.stdout == "True True\nTrue\n" * 3


# What depends on times, or on the process.
VARYING = {"at_ns", "process", "pid", "started_ns", "core", "core_reason", "command", "parent", "clock", "ident"}

FEW_DETAILS = """
import breadcrumb.events.exceptions as exceptions
exceptions.DETAILED_PER_PLACE = 3
"""
# Without what is decided by time.
NO_TIMES = """
import breadcrumb.events.adaptive as adaptive
import breadcrumb.events.budget as budget
adaptive._SLOW_NS = adaptive._FRESH_AFTER_NS = 10**15
budget._RECORDING_NS = budget._COUNTING_NS = (10**15,) * 9
"""


def _events(spool: Spool) -> list[dict[str, Any]]:
    """Return the events of the only process, without their times."""
    return [
        {key: value for key, value in event.items() if key not in VARYING}
        for event in spool.events
        if event["k"] not in (record_format.EVENT_PROCESS, record_format.EVENT_END)
    ]


def _without_cancelled_ends(records: dict[int, list[str]]) -> dict[int, list[str]]:
    """Leave out the ends of dropped generators: which of them are found depends on addresses that are used again."""
    cancelled = str(record_format.OUTCOME_CANCELLED)
    return {call: [each for each in its if each.split("\t")[4:5] != [cancelled]] for call, its in records.items()}


@pytest.mark.parametrize(
    ("seed", "capture"),
    [
        (0, {"mode": "full"}),
        (1000, {"mode": "full", "lines": ["def_*"]}),
        (2000, {"mode": "adaptive", "calls_per_function": 3, "overhead": "off"}),
        (3000, {"mode": "adaptive", "calls_per_function": 1000, "overhead": 100}),
    ],
    ids=["full", "lines", "counted", "budget"],
)
def test_both_cores_write_the_same_of_exceptions_and_of_all_kinds_of_code(
    monitoring_python: str, trace: Trace, seed: int, capture: dict[str, Any]
) -> None:
    texts = [raising_program(each, prelude=FEW_DETAILS + NO_TIMES) for each in range(seed, seed + PROGRAMS_OF_A_RUN)]
    text = RUN_ALL.format(texts=texts)
    env = {"PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"}
    pure, compiled = (
        trace(monitoring_python, text, capture=capture, env={**env, "BREADCRUMB_CORE": each}) for each in ("pure", "c")
    )
    assert (compiled.stdout, compiled.exit_code) == (pure.stdout, pure.exit_code), compiled.stderr
    expected, written = (_without_cancelled_ends(_records(spool)) for spool in (pure, compiled))
    assert len(expected) > 100 and written.keys() == expected.keys()
    for call, records in expected.items():
        assert written[call] == records
    assert len(pure.of("exception")) > 20
    for one, other in zip(_events(pure), _events(compiled), strict=True):
        assert other == one
    counted = [[list(each[::2]) for each in spool.counters.values()] for spool in (pure, compiled)]
    assert counted[1] == counted[0]


def test_both_cores_count_the_same_calls(monitoring_python: str, trace: Trace) -> None:
    text = """
        def one(a): return a
        def two(a, *rest, key=None): return one(a)
        def falls(n):
            if n % 50 == 0:
                raise ValueError(n)
            return n
        def some(n): yield from range(n)
        for number in range(900):
            two(number, 1, key=2)
            try:
                falls(number)
            except ValueError:
                pass
            list(some(2))
    """
    pure, compiled = (
        trace(
            monitoring_python,
            textwrap.dedent(text),
            mode="adaptive",
            capture={"calls_per_function": 5},
            env={"BREADCRUMB_CORE": each},
        )
        for each in ("pure", "c")
    )
    for function in ("one", "two", "falls", "some"):
        assert compiled.count(function) == pure.count(function) == (900, True)
        assert compiled.counted_ns(function) > 0 or function == "some"
    assert [call.args for call in compiled.named("falls") if call.outcome == 1] == [
        {"n": number} for number in range(0, 900, 50)
    ]


def test_calls_and_lines_recorded_in_c_keep_no_memory(monitoring_python: str, trace: Trace) -> None:
    text = """
        import gc, sys
        class Thing: pass
        def works(thing, n, *rest, key=None):
            held = [thing, n]
            for each in rest:
                held.append(each)
                del held[-1]
            text = "number %d" % n
            return text
        def counts(n): return n
        def some(n):
            for number in range(n):
                yield [number]
        def fails(thing): raise ValueError(thing)
        async def inner(thing): return [thing]
        async def outer(thing): return await inner(thing)
        def drive(thing):
            try: outer(thing).send(None)
            except StopIteration: pass
        def batch():
            thing, other = Thing(), object()
            before = sys.getrefcount(thing), sys.getrefcount(other)
            for number in range(300):
                works(thing, number, other, [number], key=thing)
                counts(number)
                for each in some(number % 30): pass
                drive(thing)
                try: fails(thing)
                except ValueError: pass
                try: next(some(0))
                except StopIteration: pass
            assert (sys.getrefcount(thing), sys.getrefcount(other)) == before
            gc.collect()
            return sys.getallocatedblocks()
        taken = [batch() for _ in range(8)]
        print(taken[-1] - taken[3])
    """
    text = FEW_DETAILS + textwrap.dedent(text)
    for capture in ({"mode": "full", "lines": ["works"]}, {"mode": "adaptive", "calls_per_function": 40}):
        spool = trace(monitoring_python, text, capture=capture, env={"BREADCRUMB_CORE": "c"})
        assert spool.exit_code == 0, spool.stderr
        assert int(spool.stdout) < 300, spool.stdout


def test_the_process_record_says_which_core_ran_and_why(python: str, trace: Trace) -> None:
    has_core = any(f"/{version}" in python for version in MONITORING_VERSIONS)
    for wanted, name in (("pure", CORE_PURE), ("auto", CORE_C), ("c", CORE_C), ("", CORE_C)):
        spool = trace(python, PROGRAM, env={"BREADCRUMB_CORE": wanted})
        (process,) = spool.of("process")
        (call,) = spool.named("give")
        assert call.value == [1, "two", {"three": 3.5}]
        assert process["core"] == (name if has_core else CORE_PURE)
        if not has_core and wanted != "pure":
            assert "the compiled core is for Python 3.12 to 3.15" in process["core_reason"]
        notices = [notice["message"] for notice in spool.of("notice") if notice["code"] == "core"]
        assert len(notices) == (wanted == "c" and not has_core), notices


def test_no_import_finds_the_compiled_core(python: str, processes: None) -> None:
    program = """
import pkgutil, sys
sys.path.insert(0, sys.argv[1])
import breadcrumb.core
found = [module.name for module in pkgutil.iter_modules(breadcrumb.core.__path__) if "." not in module.name]
for name in ("_values", "_values.cp312-abi3"):
    try:
        __import__("breadcrumb.core." + name)
        found.append(name)
    except ImportError:
        pass
print(found)
"""
    done = subprocess.run(
        [python, "-c", program, str(INJECT.parent.parent)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda file: file.unlink(), "there was no C compiler"),
        (lambda file: file.write_bytes(file.read_bytes()[:5000]), "cannot be loaded (ImportError)"),
        (lambda file: file.write_bytes(b""), "cannot be loaded (ImportError)"),
        (lambda file: _renumber(file.parent / "__init__.py"), "of another version of Breadcrumb"),
    ],
    ids=["missing", "cut off", "empty", "of another version"],
)
def test_a_core_that_cannot_be_used_leaves_the_other_one_with_the_reason(
    monitoring_python: str, trace: Trace, tmp_path: Path, damage, reason: str
) -> None:
    copy = tmp_path / "breadcrumb"
    shutil.copytree(INJECT.parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    damage(copy / "core" / core.FILE_NAME)
    spool = trace(monitoring_python, PROGRAM, env={"BREADCRUMB_CORE": "c", "PYTHONPATH": str(copy / "_inject")})
    (process,) = spool.of("process")
    (notice,) = spool.of("notice")
    (call,) = spool.named("give")
    assert (process["core"], call.value) == (CORE_PURE, [1, "two", {"three": 3.5}])
    assert reason in process["core_reason"] and reason in notice["message"]


def _renumber(module: Path) -> None:
    module.write_text(module.read_text().replace(f"INTERFACE = {core.INTERFACE}", "INTERFACE = 9999"))


def test_an_interpreter_that_must_not_load_it_is_never_given_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "WHY_NO_CORE_IN_C", "the compiled core is not for free-threaded builds")
    monkeypatch.setattr(core, "load", lambda path: pytest.fail("it was loaded"))
    chosen = core.choose("auto")
    assert (chosen.name, chosen.native) == (CORE_PURE, None)
    assert sys.version_info < (3, 12) or "free-threaded" in chosen.why
