"""Small programs with planted bugs of all kinds: what an agent reads of each, held as numbers that may only fall.

For each bug the report of `run` is read, and the answer of the call that it proposes. The line at fault has to be in them,
or the call with the value that went wrong.
``numbers.json`` holds how many calls it took, their characters, rounded up to hundreds, and where the faulty function is
named first: 0 if the report shows its source, else its place among the suspects or in the proposed call. It holds them for
the oldest and the newest Python of the server: before 3.12 functions with closures have no lines.

This is no evidence of use: whoever changes an answer knows these bugs. It shows what a change costs.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

PLANTED = Path(__file__).parent.parent / "targets" / "planted_bugs"
BUGS = sorted(path.parent.name for path in PLANTED.glob("*/bug.json"))
NUMBERS = PLANTED / "numbers.json"
UPDATE = "BREADCRUMB_UPDATE_SNAPSHOTS"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
# What differs between runs: durations, which the flow shows of slow calls only, and the digits of numbers.
VARYING = re.compile(r"  [\d.,]+(?:-[\d.]+)? ms(?:, [\d.,]+ in all)?|\d+")


def proposed_call(report: str) -> tuple[str, dict[str, Any]] | None:
    """Return the tool and the arguments of the call that a report proposes in its last line."""
    last = report.rpartition("\n")[2]
    if not last.startswith("next: "):
        return None
    call = ast.parse(last.removeprefix("next: "), mode="eval").body
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    return call.func.id, {each.arg: ast.literal_eval(each.value) for each in call.keywords if each.arg}


def has_evidence(bug: dict[str, Any], text: str) -> bool:
    """Return whether a text has the line at fault, or the call with the value that went wrong."""
    words = " ".join(text.split())
    return any(" ".join(each.split()) in words for each in bug["evidence"])


def place_of(function: str, report: str, shown: str = "") -> int:
    """Return where a function is named first; 0: the report has its source."""
    if re.search(rf"^\S+:\d+ {re.escape(function)}[( ].*#\d+", report, re.MULTILINE):
        return 0
    named = [line for line in report.split("\n") if line.startswith("  ")]
    for place, line in enumerate(named, 1):
        if function in line:
            return place
    return len(named) + 1 if function in shown else 99


@pytest.mark.parametrize("name", BUGS)
async def test_the_fault_is_in_the_report_or_one_call_behind_it(session, tmp_path: Path, name: str) -> None:
    bug = json.loads((PLANTED / name / "bug.json").read_text())
    workspace = tmp_path / name
    shutil.copytree(PLANTED / name, workspace, ignore=shutil.ignore_patterns("bug.json", "__pycache__"))
    modules = [path.stem for path in workspace.glob("*.py")]
    await session.ok("init_project", project="p", workspace=str(workspace), include=[*modules, "__main__"])

    report = (await session.run(sys.executable, *bug["command"]))["report"]
    read = [report]
    if not has_evidence(bug, report):
        call = proposed_call(report)
        assert call is not None, report
        answer = await session.ok(call[0], **call[1])
        read.append(str(answer.get("text") or answer))
        assert has_evidence(bug, read[1]), f"{report}\n{read[1]}"
    numbers = {
        "calls": len(read),
        "characters": -(-sum(len(VARYING.sub("0", text)) for text in read) // 100) * 100,
        "place": place_of(bug["function"], *read),
    }
    known = json.loads(NUMBERS.read_text()) if NUMBERS.exists() else {}
    if os.environ.get(UPDATE):
        known.setdefault(VERSION, {})[name] = numbers
        NUMBERS.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")
    if VERSION in known:
        held = known[VERSION][name]
        assert all(numbers[each] <= held[each] for each in held), "\n".join([str(numbers), *read])
