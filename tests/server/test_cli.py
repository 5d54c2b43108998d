from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version

import pytest

pytestmark = pytest.mark.processes


def breadcrumb(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "breadcrumb_server", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, **options)


def test_the_version_is_printed() -> None:
    done = breadcrumb("--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"breadcrumb-mcp {version('breadcrumb-mcp')}")


@pytest.mark.parametrize(
    "arguments",
    [["sevre"], ["--prot", "1"], ["serve", "--transport", "carrier"], ["serve", "--port", "70000"], ["serve", "x"]],
)
def test_wrong_usage_prints_the_usage_without_a_traceback(arguments: list[str]) -> None:
    done = breadcrumb(*arguments)
    assert done.returncode == 2
    assert "usage: breadcrumb-mcp" in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


def test_without_a_command_it_serves_until_stdin_ends(home) -> None:
    done = breadcrumb()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_closing_stdout_early_prints_no_traceback(home) -> None:
    command = [sys.executable, "-m", "breadcrumb_server", "demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None and demo.stderr is not None
        demo.stdout.readline()
        demo.stdout.close()
        assert "Traceback" not in demo.stderr.read()
        assert demo.wait(60) == 1


def test_the_demo_finds_the_bug_with_the_tools_alone(home, tmp_path) -> None:
    done = breadcrumb("demo", env={**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "100"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Found: ratebook.lookup.country_code('DE-BY') returns 'BY'" in done.stdout
    assert "\x1b" not in done.stdout
    assert "claude mcp add breadcrumb" in done.stdout
    assert not home.folder.exists(), "the demo wrote into the user's own home"
    assert [entry for entry in tmp_path.iterdir() if entry.name.startswith("breadcrumb-demo")] == []
