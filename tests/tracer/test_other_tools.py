"""Test that coverage, pytest-cov and debugpy work beside the tracer, with the same results."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from breadcrumb import record_format
from pythons import EQUIPPED_VERSIONS
from spool_reader import TARGETS, Spool, Trace, equipped_interpreter

UNTRACED = {record_format.ENV_TRACE: "", "PYTHONPATH": ""}
# The ways in which coverage measures, besides the ones of sys.monitoring.
CORES = {"3.8": ("ctrace",), "3.11": ("ctrace", "pytrace")}


def coverage_results(python: str, data: Path) -> dict[str, Any]:
    """Return the coverage results of each file."""
    report = data.with_suffix(".json")
    command = [python, "-m", "coverage", "json", "-q", f"--data-file={data}", "-o", str(report)]
    subprocess.run(command, check=True, capture_output=True)
    files = json.loads(report.read_text())["files"]
    return {Path(file).name: lines for file, lines in files.items()}


def expect_recorded_or_noticed(spool: Spool, place: str) -> None:
    """Expect all calls, or one notice that names *place*, which has replaced the trace function."""
    (process, *_) = spool.of("process")
    noticed = [n["message"] for n in spool.of("notice") if n["code"] == "tracer_replaced"]
    if process["backend"] == "monitoring":
        assert len(spool.named("sized")) == 301 and not noticed
    else:
        assert len(noticed) == 1 and place in noticed[0]


@pytest.mark.parametrize(
    ("version", "core"),
    [(version, core) for version in EQUIPPED_VERSIONS for core in CORES.get(version, ("ctrace", "sysmon"))],
)
def test_coverage_measures_the_same(trace: Trace, tmp_path: Path, version: str, core: str) -> None:
    python = equipped_interpreter(version, "coverage")
    for branch in ([], ["--branch"]) if core == "ctrace" else ([],):
        results = []
        for name, env in (("untraced", UNTRACED), ("traced", {})):
            data = tmp_path / name
            args = ["-m", "coverage", "run", *branch, f"--data-file={data}", str(TARGETS / "work.py")]
            spool = trace(python, args, env={"COVERAGE_CORE": core, **env}, cwd=TARGETS)
            results.append((spool.exit_code, spool.stdout, spool.stderr, coverage_results(python, data)))
        assert results[0] == results[1]
        assert results[0][:2] == (0, "120\n")
        assert results[0][3]["work.py"]["missing_lines"] != []
        expect_recorded_or_noticed(spool, "coverage")


@pytest.mark.parametrize("version", EQUIPPED_VERSIONS)
def test_pytest_cov_reports_the_same(trace: Trace, tmp_path: Path, version: str) -> None:
    python = equipped_interpreter(version, "pytest_cov")
    (tmp_path / "test_work.py").write_text(
        "import work\ndef test_main(): assert work.main() == 120\ndef test_fails(): assert work.sized(1) == 'big'\n"
    )
    (tmp_path / "work.py").write_text((TARGETS / "work.py").read_text())
    args = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--cov=work", "--cov-report=term-missing", "test_work.py"]
    results = []
    for env in (UNTRACED, {}):
        with_plugins = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "", "COVERAGE_FILE": str(tmp_path / "data")}
        spool = trace(python, args, include=["work"], env={**with_plugins, **env})
        output = re.sub(r"0x[0-9a-f]+|in \d+\.\d+s", "", spool.stdout)
        results.append((spool.exit_code, output, spool.stderr))
    assert results[0] == results[1]
    assert results[0][0] == 1 and "1 failed, 1 passed" in results[0][1] and "work.py" in results[0][1]
    (process, *_) = spool.of("process")
    if process["backend"] == "monitoring":
        assert len(spool.named("sized")) == 302
    else:
        assert "coverage" in str(spool.of("notice"))


@pytest.mark.parametrize("version", EQUIPPED_VERSIONS)
def test_debugpy_runs_a_program_the_same(trace: Trace, version: str) -> None:
    python = equipped_interpreter(version, "debugpy")
    args = ["-m", "debugpy", "--listen", "127.0.0.1:0", str(TARGETS / "work.py")]
    untraced, traced = (trace(python, args, env=env) for env in (UNTRACED, {}))
    # Each warning begins with the time since the start.
    warned, warned_untraced = (re.sub(r"\d+\.\d+s", "", spool.stderr) for spool in (traced, untraced))
    assert (traced.exit_code, traced.stdout, warned) == (untraced.exit_code, untraced.stdout, warned_untraced)
    assert traced.stdout == "120\n"
    expect_recorded_or_noticed(traced, "debugpy")
