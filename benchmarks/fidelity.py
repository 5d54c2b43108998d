"""Check that the test suites of real packages have the same outcomes under the tracer, test by test.

    python -m benchmarks.fidelity [--packages pluggy anyio ...] [--pythons 3.12 3.13] [--mode full] [--keep FOLDER]

For each package and Python, it takes the sdist of a pinned version from the package index, and installs it with the
requirements of its tests into a virtual environment. It runs the suite twice without the tracer (a test whose outcomes
differ there is flaky) and once with it, the package and its tests included. Exits with 1 if the outcome of a test that
is not flaky differs, or if the tracer reports a loss. Needs the package index, and the interpreters where the tests
look for them (tests/support/pythons.py).
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.environments import Unavailable, find_python, make_environment, prepare
from benchmarks.common.traced import traced_environment, untraced_environment, write_settings

from breadcrumb import record_format

SUITE_TIMEOUT_SECONDS = 3600

# Notices of normal operation; any other one counts as a failure.
HARMLESS_NOTICES = {"backend", "recursion_limit"}


@dataclass(frozen=True)
class Package:
    """A package, and how to run its suite."""

    version: str
    requirements: tuple[str, ...]
    """Requirements of its tests."""
    include: tuple[str, ...]
    """The patterns to trace: the package and its tests."""
    pytest: tuple[str, ...] = ()
    """Further arguments for pytest, which runs in the folder of the sdist."""
    extras: str = ""
    pythons: tuple[str, ...] = ("3.12", "3.13")


# Tests that need a network or start type checkers or linters are left out.
PACKAGES = {
    "pluggy": Package(
        version="1.7.0",
        requirements=("pytest==9.2.0", "pytest-benchmark==5.3.1"),
        include=("pluggy.*", "testing/**/*.py"),
        pytest=("testing", "--benchmark-skip"),
        pythons=("3.11", "3.12", "3.13"),
    ),
    "click": Package(
        version="8.5.1",
        requirements=("pytest==9.2.0",),
        include=("click.*", "tests/**/*.py"),
        pytest=("tests",),
        pythons=("3.11", "3.12", "3.13"),
    ),
    "attrs": Package(
        version="26.1.0",
        requirements=("pytest==9.2.0", "hypothesis==6.170.15", "cloudpickle==3.1.2", "pympler==1.1"),
        include=("attr.*", "attrs.*", "tests/**/*.py"),
        pytest=("tests", "--hypothesis-seed=0", "--ignore=tests/test_mypy.yml", "--ignore=tests/test_pyright.py"),
    ),
    "anyio": Package(
        version="4.16.0",
        requirements=(
            "pytest==9.2.0", "hypothesis==6.170.15", "psutil==7.2.2", "pytest-mock==3.17.0", "pytest-timeout==2.4.0",
            "trustme==1.2.1", "truststore==0.10.5", "uvloop==0.23.0", "blockbuster==1.5.29", "coverage==7.17.3",
        ),
        include=("anyio.*", "tests/**/*.py"),
        pytest=("tests", "-m", "not network", "-k", "not ipv6"),
        extras="trio",
    ),
    "trio": Package(
        version="0.35.0",
        requirements=("pytest==9.2.0", "async_generator==1.10", "pyOpenSSL==26.4.0", "trustme==1.2.1"),
        include=("trio.*",),
        # pytest's watchdog reads the stack of a running thread, which sometimes crashes.
        pytest=("--pyargs", "trio", "--skip-optional-imports", "-o", "faulthandler_timeout=0"),
    ),
    "httpx": Package(
        version="0.28.1",
        requirements=(
            "pytest==8.3.4", "chardet==5.2.0", "cryptography==44.0.0", "trio==0.27.0", "trustme==1.1.0",
            "uvicorn==0.32.1",
        ),
        include=("httpx.*", "tests/**/*.py"),
        pytest=("tests", "-m", "not network"),
        extras="brotli,cli,http2,socks,zstd",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class SuiteRun:
    """One run of a suite: the outcomes by test (several where names repeat), and its duration."""

    outcomes: dict[str, tuple[str, ...]]
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", nargs="+", choices=PACKAGES, default=list(PACKAGES), metavar="NAME")
    parser.add_argument("--pythons", nargs="+", metavar="VERSION", help="such as 3.12 (default: each package's own)")
    parser.add_argument("--mode", choices=("full", "adaptive"), default="full", help="default: %(default)s")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep environments, reports and spools there")
    options = parser.parse_args()
    unblock_interrupts()
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.keep or Path(temporary)).resolve()
        print(f"{'package':20} python  tests  same  different  flaky      calls  time ratio", flush=True)
        passed = True
        for name in options.packages:
            for python in options.pythons or PACKAGES[name].pythons:
                try:
                    passed &= compare(name, python, options.mode, work / f"{name}-{python}")
                except Unavailable as missing:
                    print(f"{name:20} {python:6}  not run: {missing}", flush=True)
                    passed = False
    return 0 if passed else 1


def unblock_interrupts() -> None:
    """Let suites handle SIGINT, which some send to themselves, also where this is a background job, which ignores it.

    Child processes inherit SIG_IGN, but not a handler that does nothing.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda number, frame: None)


def compare(name: str, python: str, mode: str, work: Path) -> bool:
    """Run one suite with and without the tracer, print its row, and return whether the outcomes are the same."""
    package = PACKAGES[name]
    source = unpack_sdist(name, work)
    executable = suite_environment(name, python, source, work)
    spool = work / "spool"
    first = run_suite(package, executable, source, work / "untraced-1")
    traced = run_suite(package, executable, source, work / "traced", traced_suite(package, mode, source, spool))
    second = run_suite(package, executable, source, work / "untraced-2")

    flaky = differing(first, second)
    different = differing(first, traced) - flaky
    tests = set(first.outcomes) | set(traced.outcomes) | set(second.outcomes)
    ratio = traced.seconds / min(first.seconds, second.seconds)
    print(
        f"{name + ' ' + package.version:20} {python:6} {count(first):6} {len(tests - different - flaky):5}"
        f" {len(different):10} {len(flaky):6} {recorded_calls(spool):10} {ratio:11.1f}",
        flush=True,
    )
    for test in sorted(different):
        print(f"  different: {test}: {first.outcomes.get(test)} untraced, {traced.outcomes.get(test)} traced")
    for test in sorted(flaky):
        print(f"  flaky: {test}: {first.outcomes.get(test)}, {second.outcomes.get(test)}")
    lost = alarming_notices(spool)
    for message, times in lost.items():
        print(f"  notice of the tracer ({times} times): {message}")
    return not different and not lost


def count(run: SuiteRun) -> int:
    return sum(map(len, run.outcomes.values()))


def differing(run: SuiteRun, other: SuiteRun) -> set[str]:
    """Return the tests with different outcomes in two runs, or missing from one."""
    tests = set(run.outcomes) | set(other.outcomes)
    return {test for test in tests if run.outcomes.get(test) != other.outcomes.get(test)}


def unpack_sdist(name: str, work: Path) -> Path:
    """Download and unpack the sdist, and return its folder."""
    version = PACKAGES[name].version
    work.mkdir(parents=True, exist_ok=True)
    source = work / f"{name}-{version}"
    if not source.exists():
        requirement = f"{name}=={version}"
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", name, requirement]
        prepare(f"the download of {requirement}", command, work)
        with tarfile.open(work / f"{name}-{version}.tar.gz") as archive:
            archive.extractall(work, filter="data")
    return source


def suite_environment(name: str, python: str, source: Path, work: Path) -> str:
    """Make a virtual environment with the package and its tests' requirements, and return its interpreter."""
    package = PACKAGES[name]
    target = f"{source}[{package.extras}]" if package.extras else str(source)
    return make_environment(find_python(python), work / "venv", [target, *package.requirements])


def untraced_suite() -> dict[str, str]:
    """Return the variables of an untraced suite; the order of sets is the same in each run."""
    return {**untraced_environment(), "PYTHONHASHSEED": "0"}


def traced_suite(package: Package, mode: str, source: Path, spool: Path, **settings: object) -> dict[str, str]:
    """Return the variables that trace a suite into *spool*, with further settings of the tracer."""
    shutil.rmtree(spool, ignore_errors=True)
    spool.mkdir(mode=0o700)
    write_settings(spool, source, package.include, **{"capture": {"mode": mode}, **settings})
    return {**traced_environment(spool), "PYTHONHASHSEED": "0"}


def run_suite(
    package: Package, executable: str, source: Path, report: Path, environment: dict[str, str] | None = None
) -> SuiteRun:
    """Run the suite once; raise Unavailable if it writes no report, for example because nothing was collected."""
    junit = report.with_suffix(".xml")
    junit.unlink(missing_ok=True)
    command = [executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={junit}", *package.pytest]
    started = time.monotonic()
    with report.with_suffix(".out").open("w") as output:
        try:
            done = subprocess.run(
                command,
                cwd=source,
                env=environment or untraced_suite(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=SUITE_TIMEOUT_SECONDS,
            )
            ended = f"exit code {done.returncode}"
        except subprocess.TimeoutExpired:
            ended = f"not done after {SUITE_TIMEOUT_SECONDS} s"
    seconds = time.monotonic() - started
    if not junit.exists():
        tail = report.with_suffix(".out").read_text(errors="replace")[-1500:]
        raise Unavailable(f"the suite ({report.name}) gave no report, {ended}: {tail}")
    return SuiteRun(outcomes_in(junit), seconds)


def outcomes_in(junit: Path) -> dict[str, tuple[str, ...]]:
    """Return the outcome of each test: passed, failure, error, skipped or xfail."""
    outcomes: dict[str, list[str]] = {}
    for case in ElementTree.parse(junit).iter("testcase"):
        marks = [
            "xfail" if child.get("type") == "pytest.xfail" else child.tag
            for child in case
            if child.tag in ("failure", "error", "skipped")
        ]
        outcomes.setdefault(f"{case.get('classname')}::{case.get('name')}", []).append("+".join(marks) or "passed")
    return {test: tuple(sorted(found)) for test, found in outcomes.items()}


def recorded_calls(spool: Path) -> int:
    """Return the number of calls in the spool's segments."""
    prefix = record_format.KIND_CALL.encode() + b"\t"
    return sum(
        line.startswith(prefix)
        for segment in spool.glob("*" + record_format.CALLS_SUFFIX)
        for line in segment.read_bytes().split(b"\0", 1)[0].split(b"\n")
    )


def alarming_notices(spool: Path) -> Counter[str]:
    """Return the messages of losses that the tracer reported, and how often."""
    counts = Counter[str]()
    for segment in spool.glob("*" + record_format.EVENTS_SUFFIX):
        for line in segment.read_bytes().split(b"\0", 1)[0].splitlines():
            event = json.loads(line)
            if event[record_format.EVENT_KEY] == record_format.EVENT_NOTICE and event["code"] not in HARMLESS_NOTICES:
                counts[event["message"]] += 1
    counts.update(f"{marker.name}: recording stopped" for marker in spool.glob("*" + record_format.FAILED_SUFFIX))
    return counts


if __name__ == "__main__":
    sys.exit(main())
