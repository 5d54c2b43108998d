"""Test what is said of Pythons that did not load the tracer, by what is known of each."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.runs.process_watch import SeenPython
from breadcrumb_server.runs.untraced import STARTING_SECONDS, UntracedPythons
from breadcrumb_storage.queries.traces import TracedImage

FOLDER = "/lib/breadcrumb/_inject"


def seen(spool: Path, pid: int = 7, **differing: Any) -> SeenPython:
    """Return a Python that lacks nothing, but for what differs."""
    facts: dict[str, Any] = {
        "pid": pid,
        "started": 100 + pid,
        "image": 1000 + pid,
        "words": ["python", "app.py"],
        "program": "/usr/bin/python3.12",
        "parent": 1,
        "folder": "/work",
        "is_root": False,
        "starter": "bash",
        "user": os.geteuid(),
        "trace": str(spool),
        "python_path": FOLDER,
        "has_folder": True,
        "shadow": "",
        "environment_is_known": True,
    }
    return SeenPython(**{**facts, **differing})


def told(spool: Path, *pythons: SeenPython, traced: tuple[TracedImage, ...] = (), has_ended: bool = True) -> list[str]:
    return UntracedPythons(spool, Redactor(), pythons, has_ended=has_ended).lines(traced)


@pytest.mark.parametrize(
    ("differing", "said"),
    [
        ({"words": ["python", "-S", "app.py"]}, "it was started with -S"),
        ({"program": "/usr/bin/python3.6"}, "Python 3.6 is too old. The tracer needs Python 3.8 or newer."),
        ({"user": os.geteuid() + 4_000_000}, f"it runs as another user ({os.geteuid() + 4_000_000})"),
        ({"trace": None}, "its environment was replaced"),
        ({"trace": None, "starter": "tox"}, "Add pass_env = BREADCRUMB_TRACE, PYTHONPATH to tox's settings."),
        ({"python_path": "src", "has_folder": False}, "its PYTHONPATH was replaced by src"),
        ({"python_path": None, "has_folder": False}, "was removed from its environment. Let it through."),
        ({"shadow": "/otel/sitecustomize.py"}, 'with env={"PYTHONPATH": "/otel"}: both load then.'),
        ({"shadow": f"/{'x' * 200}/sitecustomize.py"}, "Run the program without the tool that put it there."),
        ({}, "why is not known (its options and environment allow it; it may have ended before it could)."),
        ({"environment_is_known": False, "trace": None}, "why is not known (its environment cannot be read;"),
    ],
)
def test_the_cause_is_the_one_that_was_seen(tmp_path: Path, differing: dict[str, Any], said: str) -> None:
    (line,) = told(tmp_path, seen(tmp_path, **differing))
    assert line.startswith("python ") and " (pid 7): " in line
    assert said in line


def test_a_traced_python_and_its_forks_are_not_told(tmp_path: Path) -> None:
    traced = (TracedImage(pid=7, parent=1, started=107, image=1007),)
    assert told(tmp_path, seen(tmp_path), seen(tmp_path, 8, image=1007), traced=traced) == []
    assert told(tmp_path, seen(tmp_path, image=0), traced=traced) == []
    assert len(told(tmp_path, seen(tmp_path, image=1008), traced=traced)) == 1  # it was replaced by another Python


def test_a_python_without_a_cause_is_told_once_it_cannot_be_starting_any_more(tmp_path: Path) -> None:
    assert told(tmp_path, seen(tmp_path), has_ended=False) == []
    (line,) = told(tmp_path, seen(tmp_path, has_ended=True), has_ended=False)
    assert "it may have ended before it could" in line
    (line,) = told(tmp_path, seen(tmp_path, seen_at=time.monotonic() - STARTING_SECONDS - 1), has_ended=False)
    assert "ended" not in line


def test_a_python_that_wrote_into_the_spool_has_the_tracer(tmp_path: Path) -> None:
    (tmp_path / "7-abc-0.events").touch()
    assert told(tmp_path, seen(tmp_path)) == []


def test_a_python_of_another_trace_is_not_told(tmp_path: Path) -> None:
    assert told(tmp_path, seen(tmp_path, trace="/another/spool")) == []


def test_what_the_tracer_wrote_of_its_failure_comes_before_what_was_seen(tmp_path: Path) -> None:
    (tmp_path / "7.unstarted").write_text("error TypeError at threads.py:12")
    (tmp_path / "9.unstarted").write_text("version 3.7")
    failed, old = told(tmp_path, seen(tmp_path))
    assert "the tracer could not start in it (TypeError at threads.py:12). This is a bug" in failed
    assert old == "python (pid 9): Python 3.7 is too old. The tracer needs Python 3.8 or newer."


def test_pythons_of_a_kind_are_one_line_with_the_last_of_them(tmp_path: Path) -> None:
    pythons = [seen(tmp_path, pid, words=["python", f"{pid}.py"], trace=None) for pid in range(1, 1002)]
    (line,) = told(tmp_path, *pythons)
    assert line.startswith("python 1001.py (pid 1001) and 1,000 more: its environment was replaced")


def test_of_many_kinds_the_first_are_told_and_the_others_counted(tmp_path: Path) -> None:
    pythons = [seen(tmp_path, pid, python_path=f"src{pid}", has_folder=False) for pid in range(6)]
    lines = told(tmp_path, *pythons)
    assert len(lines) == 5
    assert lines[-1] == "… 2 more kinds of Pythons that did not load the tracer"


def test_secrets_in_what_was_seen_are_redacted(tmp_path: Path) -> None:
    words = ["python", "app.py", "--password", "swordfish-77", "--note", "ghp_0123456789abcdefghijABCDEFGHIJ012345"]
    path = "/home/ghp_0123456789abcdefghijABCDEFGHIJ012345"
    (line,) = told(tmp_path, seen(tmp_path, words=words, python_path=path, has_folder=False))
    assert "swordfish" not in line and "ghp_0" not in line and "[REDACTED]" in line


CHILD = {
    "pid": 8,
    "program": "/usr/bin/python3",
    "command": ["python3", "child.py"],
    "has_trace": True,
    "python_path": "src",
    "has_folder": False,
}


def note(spool: Path, *children: dict[str, Any]) -> None:
    (spool / "7-abc.children").write_text("".join(json.dumps({**CHILD, **child}) + "\n" for child in children))


@pytest.mark.parametrize(
    ("child", "said"),
    [
        ({}, "its PYTHONPATH was replaced by src, without the tracer's folder. Keep the old value behind it: src:$"),
        ({"has_trace": False}, "its environment was replaced"),
        ({"has_folder": True, "command": ["python3", "-E", "x.py"]}, "it was started with -E"),
        ({"program": "/usr/bin/python2.7"}, "Python 2.7 is too old"),
        ({"program": "/bin/sh", "command": ["/bin/sh", "-c", "cd x; python3 app.py"]}, "was replaced by src"),
        (
            {"program": "/bin/sh", "command": ["sh", "-c", "PYTHONPATH=lib python app.py"], "has_folder": True},
            "its PYTHONPATH was replaced by lib",
        ),
        (
            {"program": "/usr/bin/env", "command": ["env", "PYTHONPATH=.", "python3", "x.py"], "has_folder": True},
            "its PYTHONPATH was replaced by .",
        ),
    ],
)
def test_a_child_that_its_parent_has_noted_is_told(tmp_path: Path, child: dict[str, Any], said: str) -> None:
    note(tmp_path, child)
    (line,) = told(tmp_path)
    assert "(pid 8): " in line and said in line


@pytest.mark.parametrize(
    "child",
    [
        {"program": "/bin/ls", "command": ["ls"]},
        {"command": ["python3", "-V"]},
        {"has_folder": True, "command": ["python3", "app.py", "-I"]},
        {"program": "/bin/sh", "command": ["sh", "-c", "make pythonic"]},
        {"program": "/bin/sh", "command": ["sh", "-c", "PYTHONPATH=x:$PYTHONPATH python y"], "has_folder": True},
    ],
)
def test_a_child_that_runs_no_program_in_python_is_not_told(tmp_path: Path, child: dict[str, Any]) -> None:
    note(tmp_path, child)
    assert told(tmp_path) == []


def test_the_script_of_a_python_is_one_too(tmp_path: Path) -> None:
    script = tmp_path / "tool"
    script.write_text("#!/usr/bin/env python3\n")
    note(tmp_path, {"program": str(script), "command": ["tool", "-I"]})
    (line,) = told(tmp_path)
    assert line.startswith("tool -I (pid 8): its PYTHONPATH was replaced")


def test_a_child_that_was_seen_too_is_told_once(tmp_path: Path) -> None:
    note(tmp_path, {"pid": 7})
    assert len(told(tmp_path, seen(tmp_path, python_path="src", has_folder=False))) == 1
    assert told(tmp_path, traced=(TracedImage(pid=7, parent=1, started=None, image=None),)) == []


def test_of_a_child_that_ended_before_it_could_be_looked_at_its_parent_knows_the_cause(tmp_path: Path) -> None:
    note(tmp_path, {"pid": 7, "python_path": "src", "has_folder": False, "has_trace": True})
    (line,) = told(tmp_path, seen(tmp_path, environment_is_known=False, trace=None))
    assert "its PYTHONPATH was replaced by src" in line


def test_a_shell_whose_python_was_seen_or_traced_is_not_told(tmp_path: Path) -> None:
    note(tmp_path, {"program": "/bin/sh", "command": ["sh", "-c", "python3 app.py"]})
    (line,) = told(tmp_path, seen(tmp_path, parent=8, python_path="src", has_folder=False))
    assert "(pid 7)" in line
    assert told(tmp_path, traced=(TracedImage(pid=9, parent=8, started=1, image=2),)) == []


def test_notes_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    note(tmp_path, {})
    file = tmp_path / "7-abc.children"
    file.write_bytes(b"\xff\n[]\n{}\n" + file.read_bytes() + b'{"pid": 9, "comm')
    (tmp_path / "x.unstarted").write_text("version 3.7")
    assert len(told(tmp_path)) == 1
