"""Check with the clients' own programs what Breadcrumb gives them: ``python clients/check.py FOLDER``.

FOLDER is one in which ``npm install`` has put the programs that `PACKAGES` lists; missing ones are left out, and named.
No account is needed. Everything is written into a scratch folder, which is also the home folder of all that is started.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from mcpb import ENTRY_POINT, build

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "@anthropic-ai/claude-code",
    "@anthropic-ai/mcpb",
    "@github/copilot",
    "@google/gemini-cli",
    "@modelcontextprotocol/inspector",
    "@openai/codex",
)
BESIDE_PYTHON = Path(sys.executable).parent
SECONDS = 300
TOOLS_LISTED = '"inputSchema"'


@dataclass
class Bench:
    """The scratch folder, and the programs that are run in it.

    Args:
        folder: The scratch folder.
        programs: The folder of the programs from npm.
    """

    folder: Path
    programs: Path

    def run(self, *words: str | Path) -> str:
        """Run a command in the scratch folder and return all that it printed."""
        path = [str(BESIDE_PYTHON), str(self.programs), os.environ["PATH"]]
        home = str(self.folder / "user")
        environment = {**os.environ, "HOME": home, "PATH": os.pathsep.join(path)}
        done = subprocess.run(
            [str(word) for word in words],
            cwd=self.folder / "app",
            env={**environment, "BREADCRUMB_HOME": f"{home}/.breadcrumb"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        return done.stdout

    def has(self, program: str) -> bool:
        """Return whether a program is there."""
        return (self.programs / program).exists()


Check = tuple[str, str, Callable[[], str], str]  # program, what is checked, how, what its output must contain


def checks(bench: Bench) -> Iterator[Check]:
    """Yield the checks in their order; each may rely on those before it."""
    run = bench.run
    server = str(BESIDE_PYTHON / "breadcrumb-mcp")
    plugin = ROOT / "clients" / "claude-code"
    yield "claude", "the plugin is valid", lambda: run("claude", "plugin", "validate", "--strict", plugin), "passed"
    yield "claude", "the marketplace is valid", lambda: run("claude", "plugin", "validate", "--strict", ROOT), "passed"
    yield "claude", "the marketplace is added", lambda: run("claude", "plugin", "marketplace", "add", ROOT), "added"
    yield "claude", "the plugin is installed", lambda: run("claude", "plugin", "install", "breadcrumb"), "installed"
    yield "claude", "the plugin's server answers", lambda: run("claude", "mcp", "list"), "plugin:breadcrumb:breadcrumb"
    yield "claude", "the plugin is removed", lambda: run("claude", "plugin", "uninstall", "breadcrumb"), "uninstalled"
    for scope in ("user", "local"):
        install = ("breadcrumb", "install", "claude-code", "--scope", scope)
        yield "claude", f"the entry of the scope {scope} is written", lambda install=install: run(*install), '"status"'
        yield "claude", "its server answers", lambda: run("claude", "mcp", "get", "breadcrumb"), "Connected"
    for program in ("codex", "copilot"):
        install = ("breadcrumb", "install", program)
        get = (program, "mcp", "get", "breadcrumb")
        yield program, f"the entry of {program} is written", lambda install=install: run(*install), '"status"'
        yield program, f"{program} reads it", lambda get=get: run(*get), server
    yield "gemini", "the entry of gemini is written", lambda: run("breadcrumb", "install", "gemini"), '"status"'
    # Whether the server is connected depends on the machine: Gemini CLI asks it within 5 s.
    yield "gemini", "gemini reads it", lambda: _gemini(bench), f"{server}  (stdio)"
    yield "mcp-inspector", "the Inspector lists the tools", lambda: _inspect(bench, server), TOOLS_LISTED
    bundle = bench.folder / "bundle"
    file = build(bundle)
    content, unpacked = file.with_suffix(""), bench.folder / "unpacked"
    yield "mcpb", "the manifest is valid", lambda: run("mcpb", "validate", content / "manifest.json"), "passes"
    yield "mcpb", "the content can be packed", lambda: run("mcpb", "pack", content, bundle / "b.mcpb"), "b.mcpb"
    yield "mcpb", "the bundle can be unpacked", lambda: run("mcpb", "unpack", file, unpacked), "successfully"
    if shutil.which("uv", path=f"{BESIDE_PYTHON}{os.pathsep}{os.environ['PATH']}"):
        start = ("uv", "run", "--project", str(unpacked), str(unpacked / ENTRY_POINT))
        yield "mcp-inspector", "the unpacked bundle starts", lambda: _inspect_bundle(bench, start), TOOLS_LISTED


def _inspect(bench: Bench, *command: str) -> str:
    return bench.run("mcp-inspector", "--cli", *command, "--method", "tools/list")


def _inspect_bundle(bench: Bench, start: tuple[str, ...]) -> str:
    installed = bench.run(*start, "--version")  # the first start installs the dependencies
    return installed + _inspect(bench, *start)


def _gemini(bench: Bench) -> str:
    trusted = bench.folder / "user" / ".gemini" / "trustedFolders.json"
    trusted.write_text(json.dumps({str(bench.folder / "app"): "TRUST_FOLDER"}))
    return bench.run("gemini", "mcp", "list")


def main(programs: Path) -> int:
    """Make all checks, print a line for each, and return the exit code."""
    failed = 0
    missing: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="breadcrumb-clients-") as scratch:
        bench = Bench(Path(scratch).resolve(), programs)
        (bench.folder / "app").mkdir()
        (bench.folder / "user").mkdir()
        for program, what, act, wanted in checks(bench):
            if not bench.has(program):
                missing.add(program)
                continue
            said = act()
            if wanted not in said:  # a client that waits for the server's first start, which has to compile, gave up
                said = act()
            passed = wanted in said
            failed += not passed
            print(f"{'ok  ' if passed else 'FAIL'}  {program}: {what}", flush=True)
            if not passed:
                print(said)
    if missing:
        print(f"left out, since they are not there: {', '.join(sorted(missing))}")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(f"{__doc__}\nPackages: npm install {' '.join(PACKAGES)}")
    sys.exit(main(Path(sys.argv[1]).absolute() / "node_modules" / ".bin"))
