"""The sdist and the wheel, built here without an index, contain what users need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parent.parent
SOURCE_ROOTS = {
    "breadcrumb_server": ROOT / "server",
    "breadcrumb_storage": ROOT / "storage",
    "breadcrumb": ROOT / "tracer_bootstrap",
}

BUILD = "import sys, hatchling.build as b; b.build_sdist(sys.argv[1]); b.build_wheel(sys.argv[1])"
BUILD_WHEEL = "import sys, hatchling.build as b; b.build_wheel(sys.argv[1])"


def _run(program: str, *arguments: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist and the wheel of this checkout into a folder."""
    folder = tmp_path_factory.mktemp("dist")
    _run(BUILD, folder, cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (file,) = built.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def sdist(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the sdist."""
    (file,) = built.glob("*.tar.gz")
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(file) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = folder.iterdir()
    return unpacked


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that starts Python with the unpacked wheel first on its path, away from the checkout."""
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)

    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(site), "BREADCRUMB_HOME": str(tmp_path / "home")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return start


def _content(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _source_files() -> set[str]:
    """Return the files of the three packages that git tracks, as paths within site-packages, without the compiled core."""
    return {
        file.relative_to(root).as_posix()
        for name, root in SOURCE_ROOTS.items()
        for file in (root / name).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".so"
    }


def test_only_names_that_begin_with_breadcrumb_reach_site_packages(wheel: Path) -> None:
    names = {PurePosixPath(name).parts[0] for name in _content(wheel)}
    assert {name for name in names if not name.endswith(".dist-info")} == set(SOURCE_ROOTS)
    assert [name.partition("-")[0] for name in names if name.endswith(".dist-info")] == ["breadcrumb_mcp"]


def test_the_wheel_contains_every_file_of_the_packages_and_no_other(wheel: Path) -> None:
    packed = {name for name in _content(wheel) if ".dist-info/" not in name}
    assert {name for name in packed if not name.endswith(".so")} == _source_files()
    for needed in (
        "breadcrumb/_inject/sitecustomize.py",
        "breadcrumb/py.typed",
        "breadcrumb_server/py.typed",
        "breadcrumb_storage/py.typed",
        "breadcrumb_storage/migrations/0001_initial.sql",
        "breadcrumb_server/demo/sample/shop_app/checkout.py",
        "breadcrumb_server/front_door/answers.json",
    ):
        assert needed in packed


def test_the_folder_on_the_path_of_traced_programs_contains_only_sitecustomize(wheel: Path) -> None:
    assert [name for name in _content(wheel) if "/_inject/" in name] == ["breadcrumb/_inject/sitecustomize.py"]


def test_the_sdist_builds_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    _run(BUILD_WHEEL, tmp_path, cwd=sdist)
    (again,) = tmp_path.glob("*.whl")
    assert _content(again) == _content(wheel)


def test_the_sdist_contains_what_development_needs(sdist: Path) -> None:
    for name in ("tests/test_packaging.py", "csrc/core.h", "hatch_build.py", ".ci/run", "docs/architecture.md", "CHANGELOG.md", "LICENSE", "benchmarks", "clients/mcpb.py",
                 "clients/claude-code/.mcp.json", ".mcp.json", ".claude-plugin/marketplace.json"):  # fmt: skip
        assert (sdist / name).exists(), name


def test_where_a_compiler_is_the_wheel_has_the_compiled_core(wheel: Path) -> None:
    if not (shutil.which("cc") and Path(sysconfig.get_path("include"), "Python.h").exists()):
        pytest.skip("there is no C compiler, or this Python has no headers")
    assert "breadcrumb/core/_values.cp312-abi3.so" in _content(wheel)
    assert f"-py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}" in wheel.name


@pytest.mark.parametrize("compiler", ["/nonexistent/cc", "false"])
def test_without_a_working_compiler_the_core_is_left_out_in_silence(compiler: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BUILD_WHEEL, str(tmp_path)], cwd=ROOT, env={**os.environ, "CC": compiler}, capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    assert (done.returncode, done.stderr) == (0, "")
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not [name for name in _content(wheel) if name.endswith(".so")]


def test_the_core_may_be_forbidden_or_required(tmp_path: Path) -> None:
    def build(setting: str) -> int:
        env = {**os.environ, "CC": "false", "BREADCRUMB_BUILD_CORE": setting}
        command = [sys.executable, "-c", BUILD_WHEEL, str(tmp_path)]
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, timeout=120).returncode

    assert build("never") == 0
    assert build("require") != 0


def test_the_demo_finds_the_bug_when_it_runs_from_the_wheel(installed) -> None:
    where = installed("-c", "import breadcrumb, breadcrumb_server, breadcrumb_storage as s; print(s.__file__)")
    assert "site/breadcrumb_storage" in where.stdout, where.stderr
    done = installed("-m", "breadcrumb_server", "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "country_code('DE-BY') returns 'BY'" in " ".join(done.stdout.split())


@pytest.mark.parametrize("package", sorted(SOURCE_ROOTS))
def test_the_installed_package_is_this_checkout(package: str, tmp_path: Path) -> None:
    """Require an editable install: interpreters that tests start would otherwise run an older copy of the code."""
    found = _run(f"import importlib.util; print(importlib.util.find_spec({package!r}).origin)", cwd=tmp_path)
    installed = Path(found.strip()).parent
    own = SOURCE_ROOTS[package] / package
    stale = [
        file.relative_to(own).as_posix()
        for file in own.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
        if not (there := installed / file.relative_to(own)).is_file() or there.read_bytes() != file.read_bytes()
    ]
    assert not stale, f'{installed} is not this checkout: run `python3 -m pip install -e ".[test]"`'
