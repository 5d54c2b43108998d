"""Measure whether answers show the bug, on small programs with a failing test.

    python -m benchmarks.bug_hunt FOLDER [--tests 'python_testcases/test_*.py'] [--python PATH] [--show NAME]

FOLDER holds the programs and their tests, for example a checkout of QuixBugs (https://github.com/jkoppel/QuixBugs: 40
classic algorithms with a bug of one line each; Lin, Koppel, Chen, Solar-Lezama: QuixBugs: A Multi-Lingual Program
Repair Benchmark Set, 2017). The real server runs the first failing test of each test file under Breadcrumb. Then at
most three of the calls that the answers propose in ``next`` are made, in their order.

A bug counts as found if the answers, with under 6,000 characters in all, contain the function that the failing test
called last, its arguments, and the symptom: its result, the exception, or that it did not end. These are determined
without Breadcrumb (``plugins/direct_calls.py``). Exits with 1 if less than nine of ten are found.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from benchmarks.plugins import direct_calls
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

MAX_CHARS = 6_000
MAX_FURTHER_CALLS = 3
MIN_FOUND_RATE = 0.9
TEST_SECONDS = 10
RUN_SECONDS = 30  # a traced test takes longer

# Characters of a value that are looked for: an answer shows only the beginning of a long one.
SHOWN_CHARS = 60

PROJECT = "hunt"
# Of the report of a run: the call that it proposes.
_PROPOSAL = re.compile(r"^next: (.+)$", re.MULTILINE)


@dataclass(slots=True)
class Truth:
    """A failing test: the function that it called last, and how that call ended."""

    test: str
    function: str = ""
    args: list[Any] = field(default_factory=list[Any])
    returned: Any = None
    raised: str | None = None
    ended: bool = False

    def missing_in(self, text: str) -> list[str]:
        """Return the facts that are missing in a text."""
        read = plain(text)
        wanted = [("function", self.function)]
        wanted += [("argument", as_shown(value)) for value in self.args]
        if not self.ended:
            wanted.append(("end", "timeout"))
        elif self.raised == "AssertionError":
            wanted.append(("result", as_shown(self.returned)))
        else:
            wanted.append(("exception", str(self.raised)))
        return [f"{kind} {value}" for kind, value in wanted if plain(value)[:SHOWN_CHARS] not in read]


def plain(text: str) -> str:
    """Normalise what Python, JSON and text in JSON write differently: quotes, blanks, brackets, True and true."""
    text = re.sub(r"[\s\"'\\]", "", text).translate(str.maketrans("()", "[]"))
    return text.replace("None", "null").replace("Infinity", "inf").casefold()


def as_shown(value: Any) -> str:
    """Return a value as an answer shows it; for an object, also inside a list, its type."""
    if isinstance(value, dict):
        if "$type" in value:
            return str(value["$type"])
    elif isinstance(value, list) and "$type" in json.dumps(value):
        return next(as_shown(item) for item in value if "$type" in json.dumps(item))
    return json.dumps(value)


def first_failure(python: str, folder: Path, test_file: Path) -> Truth | None:
    """Return the first test of a file that fails or does not end; None if all pass."""
    with tempfile.TemporaryDirectory() as scratch:
        events = Path(scratch) / "events"
        events.touch()
        environment = {
            **os.environ,
            direct_calls.FILE: str(events),
            "PYTHONPATH": str(Path(direct_calls.__file__).parent),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [python, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "direct_calls", str(test_file)]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(command, cwd=folder, env=environment, timeout=TEST_SECONDS, capture_output=True, check=False)
        return read_truth(json.loads(line) for line in events.read_text().splitlines())


def read_truth(events: Iterator[dict[str, Any]]) -> Truth | None:
    """Return the failing test at which a run stopped; None if all passed."""
    truth: Truth | None = None
    for event in events:
        if "test" in event:
            truth = Truth(event["test"])
        elif truth is None:
            continue
        elif "call" in event:
            truth.function, truth.args, truth.returned = event["call"], event["args"], None
        elif "returned" in event:
            truth.returned = event["returned"]
        elif event["raised"] is None:
            truth = None
        else:
            truth.raised, truth.ended = event["raised"], True
    return truth


class Hunt:
    """The answers read about one failing test."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.answers: list[str] = []
        self._proposed: list[str] = []

    @property
    def chars(self) -> int:
        """Number of characters read so far."""
        return sum(map(len, self.answers))

    async def ask(self, tool: str, arguments: dict[str, Any]) -> None:
        """Make a call and read its answer."""
        result = await self._client.call_tool(tool, arguments)
        answer = result.structured_content or {}
        self.answers.append("".join(getattr(block, "text", "") for block in result.content))
        self._proposed += answer.get("next", []) + _PROPOSAL.findall(answer.get("report", ""))

    async def follow(self) -> bool:
        """Make the next proposed call; return False if there is none."""
        while self._proposed:
            call = ast.parse(self._proposed.pop(0), mode="eval").body
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id != "run":
                await self.ask(
                    call.func.id, {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}
                )
                return True
        return False


async def hunt(client: Client, python: str, folder: Path, truth: Truth) -> tuple[Hunt, list[str]]:
    """Run a failing test and ask until the bug is shown; return the answers and the facts missing in them."""
    reader = Hunt(client)
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", truth.test]
    await reader.ask(
        "run", {"project": PROJECT, "command": command, "cwd": str(folder), "timeout_seconds": RUN_SECONDS}
    )
    for _ in range(MAX_FURTHER_CALLS):
        if not truth.missing_in("".join(reader.answers)) or not await reader.follow():
            break
    missing = truth.missing_in("".join(reader.answers))
    if reader.chars >= MAX_CHARS:
        missing.append(f"within {MAX_CHARS:,} characters")
    return reader, missing


async def hunt_all(python: str, folder: Path, tests: list[Path], show: str | None) -> float:
    """Print a line for each test file, and return the share of bugs found, from 0 to 1."""
    found = bugs = 0
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "BREADCRUMB_HOME": home}
        server = StdioServerParameters(command=sys.executable, args=["-m", "breadcrumb_server"], env=environment)
        async with Client(stdio_client(server)) as client:
            await client.call_tool("init_project", {"project": PROJECT, "workspace": str(folder)})
            print(f"{'test':60} {'answers':>7} {'chars':>6}  found")
            for test_file in tests:
                truth = await anyio.to_thread.run_sync(first_failure, python, folder, test_file)
                if truth is None:
                    print(f"{test_file.stem:60} passes")
                    continue
                reader, missing = await hunt(client, python, folder, truth)
                bugs += 1
                found += not missing
                verdict = "yes" if not missing else "no: " + "; ".join(missing)
                print(f"{truth.test[-60:]:60} {len(reader.answers):7} {reader.chars:6,}  {verdict[:160]}", flush=True)
                if show is not None and show in truth.test:
                    print("\n".join(reader.answers))
    rate = found / max(bugs, 1)
    print(f"found {found} of {bugs}: {rate:.0%} (at least {MIN_FOUND_RATE:.0%})")
    return rate


def main() -> int:
    """Hunt for the bugs of a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tests", default="python_testcases/test_*.py", help="glob of the test files in FOLDER")
    parser.add_argument("--python", default=sys.executable, help="interpreter that runs the tests; it needs pytest")
    parser.add_argument("--show", help="print the answers about tests whose id contains this")
    options = parser.parse_args()
    folder = options.folder.resolve()
    tests = sorted(folder.glob(options.tests))
    if not tests:
        parser.error(f"no file in {folder} matches {options.tests}")
    return 0 if anyio.run(hunt_all, options.python, folder, tests, options.show) >= MIN_FOUND_RATE else 1


if __name__ == "__main__":
    sys.exit(main())
