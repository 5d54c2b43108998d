"""Test the checks of `breadcrumb doctor`, each on something that is right and on something that is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from breadcrumb_server.clients.descriptions import BY_NAME
from breadcrumb_server.clients.installation import install, target
from breadcrumb_server.command_line.breadcrumb import main
from breadcrumb_server.doctor import first_turn, home_folder, installation
from breadcrumb_server.doctor.client_entries import check_clients
from breadcrumb_server.doctor.databases import check_databases
from breadcrumb_server.doctor.examination import examine
from breadcrumb_server.doctor.findings import Finding
from breadcrumb_server.doctor.traced_python import check_python
from breadcrumb_server.projects.home import Home
from breadcrumb_server.projects.manage import init_project
from breadcrumb_storage.errors import BreadcrumbError
from spool_reader import interpreter


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a home folder of the user, so that clients' files are looked for there."""
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def by_check(findings) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


def levels(findings) -> dict[str, str]:
    return {finding.check: finding.level for finding in findings}


@pytest.mark.processes
def test_the_tracer_is_tried_in_the_python_that_a_run_would_use(workspace) -> None:
    findings = by_check(check_python(None, workspace))
    assert levels(findings.values()) == {"python": "ok", "injection": "ok", "core": "ok", "module name": "ok"}
    assert findings["injection"].found == "the tracer was loaded and recorded 2 calls"
    assert findings["core"].found.partition(":")[0] in ("c", "pure")


@pytest.mark.processes
def test_the_core_that_was_asked_for_and_is_not_there_is_a_warning_with_the_reason(workspace, monkeypatch) -> None:
    monkeypatch.setenv("BREADCRUMB_CORE", "pure")
    assert by_check(check_python(None, workspace))["core"].found == "pure: BREADCRUMB_CORE asks for it"
    monkeypatch.setenv("BREADCRUMB_CORE", "c")
    finding = by_check(check_python(Path(interpreter("3.11")), workspace))["core"]
    assert (finding.level, finding.found) == ("warning", "pure: the compiled core is for Python 3.12 to 3.15")


def _python(folder: Path, script: str) -> Path:
    """Make a program that stands for a Python, and starts this one in its own way."""
    file = folder / "python"
    file.write_text(f"#!/bin/sh\n{script}\n".replace("PYTHON", sys.executable))
    file.chmod(0o755)
    return file


@pytest.mark.processes
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ('exec PYTHON -E "$@"', "the tracer was not loaded"),
        ('exec env -i PYTHON "$@"', "the tracer was not loaded"),
    ],
)
def test_a_python_that_does_not_load_the_tracer_is_a_problem_with_a_reason(tmp_path, workspace, script, why) -> None:
    finding = by_check(check_python(_python(tmp_path, script), workspace))["injection"]
    assert finding.level == "problem" and why in finding.found and finding.todo


@pytest.mark.processes
def test_another_implementation_is_refused_with_the_reason(tmp_path, workspace, monkeypatch) -> None:
    # A .pth file runs before any sitecustomize. The Python of a virtual environment does not look at this folder.
    packages = tmp_path / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "early.pth").write_text("import sys; sys.implementation.name = 'pypy'\n")
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path))
    findings = by_check(check_python(Path(sys._base_executable), workspace))  # type: ignore[attr-defined]
    assert "is pypy" in findings["python"].found
    assert findings["injection"].level == "problem" and "PyPy is not supported" in findings["injection"].found
    assert "core" not in findings


@pytest.mark.processes
@pytest.mark.parametrize(
    ("script", "why"), [("echo hello; exit 3", "ended with code 3 and said 'hello'"), ("exit 0", "ended with code 0")]
)
def test_a_program_that_is_no_python_is_said_to_be_none(tmp_path, workspace, script, why) -> None:
    (finding,) = check_python(_python(tmp_path, script), workspace)
    assert finding.level == "problem" and why in finding.found


@pytest.mark.processes
def test_a_python_that_is_not_there_is_said_to_be_missing(workspace) -> None:
    (finding,) = check_python(Path("/no/such/python"), workspace)
    assert finding.level == "problem" and "No such file" in finding.found


def test_an_environment_that_a_project_manager_would_change_is_not_tried(workspace, tmp_path, monkeypatch) -> None:
    (workspace / "uv.lock").touch()
    _python(tmp_path, "exit 0").rename(tmp_path / "uv")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    findings = by_check(check_python(None, workspace))
    assert "uv run python" in findings["python"].found and "--python" in findings["injection"].todo


@pytest.mark.processes
@pytest.mark.parametrize("name", ["breadcrumb.py", "breadcrumb/__init__.py"])
def test_a_module_of_the_program_with_the_name_of_the_tracer_is_named(workspace, name) -> None:
    (workspace / name).parent.mkdir(exist_ok=True)
    (workspace / name).write_text("")
    finding = by_check(check_python(None, workspace))["module name"]
    assert finding.level == "warning" and str(workspace / name) in finding.found


def test_a_home_that_is_a_file_is_a_problem_and_one_that_is_missing_is_none(home) -> None:
    assert home_folder.check_home(home).level == "ok" and not home.folder.exists()
    home.folder.write_text("")
    assert home_folder.check_home(home).level == "problem"


def test_files_that_others_can_read_are_named(home) -> None:
    init_project(home, "shop")
    assert home_folder.check_rights(home).level == "ok"
    home.database_file("shop").chmod(0o644)
    finding = home_folder.check_rights(home)
    assert finding.level == "warning" and "shop-traces.duckdb" in finding.found and "chmod 600" in finding.todo
    home.folder.chmod(0o755)
    assert f"others can read {home.folder}," in home_folder.check_rights(home).found


def test_too_little_space_is_said(home, monkeypatch) -> None:
    assert "MiB free" in home_folder.check_space(home).found
    monkeypatch.setattr(home_folder, "SCARCE_MIB", 10**9)
    assert home_folder.check_space(home).level == "warning"
    monkeypatch.setattr(home_folder, "TOO_LITTLE_MIB", 10**9)
    assert home_folder.check_space(home).level == "problem"


@pytest.mark.processes
def test_the_process_that_holds_a_database_is_named(home, monkeypatch) -> None:
    monkeypatch.setattr("breadcrumb_server.doctor.databases.LOCK_SECONDS", 0.05)
    init_project(home, "shop")
    init_project(home, "other")
    code = f"import duckdb; con = duckdb.connect({str(home.database_file('shop'))!r}); print(1, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline()
        findings = by_check(check_databases(home, None))
        holder.communicate(b"\n")
    assert findings["database of other"].level == "ok"
    busy = findings["database of shop"]
    assert busy.level == "warning" and f"process {holder.pid}" in busy.found
    assert [finding.level for finding in check_databases(home, "shop")] == ["ok"]


def test_a_damaged_database_and_a_broken_config_are_problems(home) -> None:
    init_project(home, "shop")
    home.database_file("shop").write_bytes(b"x" * 5000)
    init_project(home, "broken")
    home.config_file("broken").write_text("enabled: perhaps\n")
    findings = by_check(check_databases(home, None))
    assert {finding.level for finding in findings.values()} == {"problem"}
    assert (
        "cannot be used" in findings["database of shop"].found and "broken.yaml" in findings["database of broken"].found
    )
    assert all(finding.todo for finding in findings.values())


def test_no_projects_are_no_problem(home) -> None:
    assert [finding.level for finding in check_databases(home, None)] == ["ok"]


def test_an_entry_that_leads_nowhere_is_a_problem_with_the_command_that_mends_it(workspace, user) -> None:
    (finding,) = check_clients(workspace)
    assert finding.level == "warning" and "breadcrumb install" in finding.todo
    install(target(BY_NAME["codex"], "user", workspace))
    file = workspace / ".vscode" / "mcp.json"
    file.parent.mkdir()
    file.write_text('{"servers": {"breadcrumb": {"command": "/gone/breadcrumb-mcp"}}}')
    (user / ".gemini").mkdir()
    (user / ".gemini" / "settings.json").write_text("{ // mine\n}")
    findings = by_check(check_clients(workspace))
    assert levels(findings.values()) == {"client codex": "ok", "client gemini": "warning", "client vscode": "problem"}
    assert findings["client vscode"].todo == "breadcrumb install vscode --scope project --force"


def test_programs_of_another_installation_on_the_path_are_named(tmp_path) -> None:
    own = Path(sys.executable).parent
    if not (own / "breadcrumb").exists():
        pytest.skip("no programs are installed beside this Python")
    assert installation.check_programs(str(own)).level == "ok"
    (tmp_path / "breadcrumb").write_text("#!/bin/sh\n")
    (tmp_path / "breadcrumb").chmod(0o755)
    finding = installation.check_programs(f"{tmp_path}{os.pathsep}{own}")
    assert finding.level == "warning" and f"breadcrumb is {tmp_path / 'breadcrumb'}" in finding.found
    assert "are not on PATH" in installation.check_programs(str(tmp_path / "empty")).found


def test_the_older_package_of_the_same_name_is_a_problem(tmp_path, monkeypatch) -> None:
    assert installation.check_namesake().level == "ok"
    metadata = tmp_path / "breadcrumb-0.2.14.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: breadcrumb\nVersion: 0.2.14\n")
    monkeypatch.syspath_prepend(tmp_path)
    finding = installation.check_namesake()
    assert (
        finding.level == "problem" and "breadcrumb 0.2.14" in finding.found and "uninstall breadcrumb" in finding.todo
    )


@pytest.mark.processes
def test_the_time_to_the_list_of_tools_is_measured_on_the_real_server(monkeypatch) -> None:
    seconds = first_turn.answer_seconds([sys.executable, "-m", "breadcrumb_server"])
    assert 0 < seconds < first_turn.MAX_SECONDS
    monkeypatch.setattr(first_turn, "answer_seconds", lambda command: 1.5)
    assert first_turn.check_first_turn().level == "warning"
    monkeypatch.setattr(first_turn, "answer_seconds", lambda command: 0.1)
    assert first_turn.check_first_turn() == Finding(
        check="first turn", level="ok", found="the tools are there 0.10 s after the start"
    )


@pytest.mark.processes
@pytest.mark.parametrize("code", ["print('hello')", "pass", "print('{\"error\": 1}', flush=True); input(); input()"])
def test_a_program_that_is_no_server_is_said_to_be_none(code) -> None:
    with pytest.raises((ValueError, OSError)):
        first_turn.answer_seconds([sys.executable, "-c", code])


@pytest.mark.processes
def test_all_checks_are_made_the_worst_findings_first_and_a_failing_one_is_a_finding(
    home, workspace, monkeypatch
) -> None:
    def fail(_: Home) -> Finding:
        raise RuntimeError("of the test")

    monkeypatch.setattr("breadcrumb_server.doctor.examination.check_space", fail)
    monkeypatch.setattr("breadcrumb_server.doctor.first_turn.answer_seconds", lambda command: 0.1)
    answer = examine(home, project=None, python=None, folder=workspace)
    found = [finding.level for finding in answer.findings]
    assert found == sorted(found, key=["problem", "warning", "ok"].index)
    assert (answer.problems, answer.warnings) == (found.count("problem"), found.count("warning"))
    assert "of the test" in by_check(answer.findings)["space"].found
    assert {"server", "tracer", "namesake", "programs", "home", "rights", "databases", "python", "injection", "core",
            "module name", "clients", "first turn"} <= set(by_check(answer.findings))  # fmt: skip


def test_a_project_that_is_not_there_is_an_error(home, workspace) -> None:
    with pytest.raises(BreadcrumbError, match="no project 'nobody'"):
        examine(home, project="nobody", python=None, folder=workspace)


@pytest.mark.processes
def test_the_command_ends_with_one_if_there_is_a_problem(home, workspace, monkeypatch, capsys) -> None:
    monkeypatch.setenv("BREADCRUMB_HOME", str(home.folder))
    monkeypatch.setattr("breadcrumb_server.doctor.first_turn.answer_seconds", lambda command: 0.1)
    monkeypatch.chdir(workspace)
    init_project(home, "shop", str(workspace))
    assert main(["doctor", "-c", "shop"]) == 0, capsys.readouterr().out
    answer = json.loads(capsys.readouterr().out)
    assert answer["problems"] == 0 and all(each["found"] for each in answer["findings"])
    assert main(["doctor", "--python", "/no/such/python"]) == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["check"] == "python"
