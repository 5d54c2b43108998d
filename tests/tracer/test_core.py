"""Hold the core in C equal to the one in Python, and load it only where it belongs."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from breadcrumb import core
from breadcrumb.record_format import CORE_C, CORE_PURE
from breadcrumb.values import encoder, walk
from pythons import MONITORING_VERSIONS
from spool_reader import INJECT, Trace

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


def test_the_limits_in_c_are_those_in_python() -> None:
    defined = dict(re.findall(r"^#define (\w+) (\d+)", (ROOT / "csrc" / "core.h").read_text(), re.MULTILINE))
    assert int(defined["INTERFACE"]) == core.INTERFACE
    for name, value in {
        "MEMO_MAX_CHARS": walk.MEMO_MAX_CHARS,
        "MIN_LEAF_CHARS": walk._MIN_LEAF_CHARS,
        "FIELD_CHARS": walk._FIELD_CHARS,
        "MIN_CARD": walk.MIN_CARD,
        "REDACTION_MARGIN_CHARS": encoder.REDACTION_MARGIN_CHARS,
        "WINDOW_STEP_CHARS": encoder._WINDOW_STEP_CHARS,
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
