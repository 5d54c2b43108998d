"""Test that the suites of packages which replace or observe parts of Python have the same outcomes under the tracer.

The packages bring their tests along: pyfakefs and greenlet in what pip installs, freezegun in its sdist, which ``.ci/run``
unpacks into the environments that it makes. ``python -m benchmarks.fidelity`` does the same with larger packages.
"""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from breadcrumb import record_format
from spool_reader import equipped_interpreter

# Far longer than any of these suites takes, also under the tracer.
HANG_SECONDS = 1200

# Notices that say nothing about a loss: a suite replaces the trace function, recurses deeply, keeps dicts of locals().
HARMLESS_NOTICES = {"tracer_replaced", "recursion_limit", "locals_kept", "greenlets"}

SUITES = {
    "freezegun": ["freezegun-1.5.5/tests"],
    "pyfakefs": ["--pyargs", "pyfakefs.tests", "-o", "python_files=*_test.py"],
    # Without the modules that search for leaks, which take minutes.
    "greenlet": [
        *("--pyargs", "greenlet.tests.test_tracing", "greenlet.tests.test_throw", "greenlet.tests.test_generator"),
        *("greenlet.tests.test_generator_nested", "greenlet.tests.test_contextvars", "greenlet.tests.test_weakref"),
    ],
}
INCLUDED = {"freezegun": ["freezegun.*", "tests.*", "*_test"], "pyfakefs": ["pyfakefs.*"], "greenlet": ["greenlet.*"]}
# Tests with another outcome under the tracer. Before 3.12 the interpreter copies the variables of each frame that a trace
# function is called for, so that an object in a closure lives as long as the call (docs/recording.md, "Limits").
DIFFERENT = {("greenlet", "3.11"): {"test_dealloc_weakref"}}
NEEDED = {
    "freezegun": ("freezegun", "pytest"),
    "pyfakefs": ("pyfakefs", "pytest"),
    "greenlet": ("greenlet", "objgraph", "psutil", "pytest"),
}


def suite_folder(python: str, package: str) -> Path:
    """Return the folder that the suite runs in: the environment's, where sdists are unpacked into ``suites``."""
    prefix = subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True)
    folder = Path(prefix.stdout.strip(), "suites")
    first = SUITES[package][0]
    if not first.startswith("--") and not (folder / first).exists():
        missing = f"the suite {folder / first} is needed, from the sdist that .ci/run unpacks there"
        if os.environ.get("BREADCRUMB_REQUIRE_PYTHONS"):
            pytest.fail(missing)
        pytest.skip(missing)
    return folder if folder.exists() else Path(prefix.stdout.strip())


def outcomes_in(report: Path) -> dict[str, list[str]]:
    """Return the outcomes of each test in a JUnit report; several where names repeat."""
    outcomes: dict[str, list[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        marks = sorted(child.tag for child in case if child.tag in ("failure", "error", "skipped"))
        outcomes.setdefault(f"{case.get('classname')}::{case.get('name')}", []).append("+".join(marks) or "passed")
    return outcomes


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("package", SUITES)
def test_the_suite_of_a_package_that_replaces_parts_of_python_has_the_same_outcomes(
    start: Callable[..., Any], tmp_path: Path, package: str, version: str
) -> None:
    python = equipped_interpreter(version, *NEEDED[package])
    folder = suite_folder(python, package)
    results = {}
    for name, environment in (("untraced", {record_format.ENV_TRACE: "", "PYTHONPATH": ""}), ("traced", {})):
        report = tmp_path / f"{name}.xml"
        args = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *SUITES[package]]
        process = start(
            python,
            args,
            include=INCLUDED[package],
            mode="adaptive",
            cwd=folder,
            env={
                "GREENLET_SKIP_LEAKCHECKS": "1",
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "",
                "PYTHONDONTWRITEBYTECODE": "1",
                **environment,
            },
        )
        spool = process.finish(hang_seconds=HANG_SECONDS)
        assert report.exists(), f"exit code {spool.exit_code}: {spool.stdout[-2000:]}{spool.stderr[-2000:]}"
        results[name] = outcomes_in(report)
    untraced, traced = results["untraced"], results["traced"]
    different = {test for test in {*untraced, *traced} if untraced.get(test) != traced.get(test)}
    different = {test for test in different if test.split("::")[1] not in DIFFERENT.get((package, version), ())}
    assert {test: (untraced.get(test), traced.get(test)) for test in different} == {}
    assert sum(outcome == ["passed"] for outcome in traced.values()) > 30
    assert len(spool.calls) > 300
    assert {notice["code"] for notice in spool.of("notice")} <= HARMLESS_NOTICES
