"""Build the bundle for Claude Desktop and others that open .mcpb files: ``python clients/mcpb.py [FOLDER]``.

A bundle is a zip file with a manifest. This one is of the type "uv": it has the source of the three packages, and the
client's uv installs what they depend on for its own platform. Bundled dependencies would be compiled for one platform
and one Python.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

from breadcrumb_server.clients.toml_text import render
from breadcrumb_server.mcp_server.tools import all_tools
from breadcrumb_server.tool_sets import SMALL_SET

ROOT = Path(__file__).parent.parent
PACKED = (
    "README.md",
    "LICENSE",
    "server/breadcrumb_server",
    "storage/breadcrumb_storage",
    "tracer_bootstrap/breadcrumb",
)
ENTRY_POINT = "server/breadcrumb_server/__main__.py"
PLATFORMS = {"Linux": "linux", "MacOS": "darwin"}  # by the last part of the classifier
# The time of every file, the earliest that a zip file can have: the same source makes the same bundle.
ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def settings() -> dict[str, Any]:
    """Return what pyproject.toml says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def project_file() -> str:
    """Return a pyproject.toml without what only development needs, which uv would resolve at the first start."""
    whole = settings()
    project = {name: value for name, value in whole["project"].items() if name != "optional-dependencies"}
    hatch = whole["tool"]["hatch"]["build"]
    build = {"targets": {"wheel": hatch["targets"]["wheel"]}, "dev-mode-dirs": hatch["dev-mode-dirs"]}
    tables = {("build-system",): whole["build-system"], ("project",): project, ("tool", "hatch", "build"): build}
    return "\n".join(render(name, table) for name, table in tables.items())


def manifest() -> dict[str, Any]:
    """Return the manifest, from what pyproject.toml and the tools say."""
    project = settings()["project"]
    systems = [each.rpartition(":: ")[2] for each in project["classifiers"] if each.startswith("Operating System")]
    return {
        "manifest_version": "0.4",
        "name": "breadcrumb",
        "display_name": "Breadcrumb",
        "version": project["version"],
        "description": project["description"],
        "author": {"name": "The Breadcrumb authors"},
        "license": project["license"],
        "keywords": project["keywords"],
        "server": {
            "type": "uv",
            "entry_point": ENTRY_POINT,
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--project", "${__dirname}", f"${{__dirname}}/{ENTRY_POINT}"],
            },
        },
        "tools": [
            {"name": tool.name, "description": tool.title or tool.name}
            for tool in all_tools()
            if tool.name in SMALL_SET
        ],
        "compatibility": {
            "platforms": [PLATFORMS[system] for system in systems if system in PLATFORMS],
            "runtimes": {"python": project["requires-python"]},
        },
    }


def write_folder(folder: Path) -> None:
    """Write the content of the bundle into a new folder."""
    for name in PACKED:
        source, copy = ROOT / name, folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copyfile(source, copy)
    (folder / "pyproject.toml").write_text(project_file())
    text = json.dumps(manifest(), indent=2, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n")


def build(target: Path) -> Path:
    """Build the bundle in a folder and return its file."""
    version = manifest()["version"]
    assert re.fullmatch(r"[\w.]+", version)
    content = target / f"breadcrumb-{version}"
    if content.exists():
        shutil.rmtree(content)
    write_folder(content)
    file = target / f"breadcrumb-{version}.mcpb"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted(path for path in content.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(each.relative_to(content).as_posix(), ZIP_TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, each.read_bytes(), zipfile.ZIP_DEFLATED)
    return file


if __name__ == "__main__":
    print(build(Path(sys.argv[1] if sys.argv[1:] else ROOT / "dist")))
