"""Test that processes are read from the output of ps, in the forms of macOS and Linux."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from breadcrumb_server.runs.process_table.proc_files import ProcFiles
from breadcrumb_server.runs.process_table.ps_listing import PsListing, parse

# ps of macOS pads its columns, shows "nobody" as a negative number, and a zombie in brackets.
MACOS = """\
    1     0     0 Ss   Sun Nov 29 08:01:12 2026     /sbin/launchd
  342     1    -2 S    Thu Jan  1 00:00:00 2026     /usr/sbin/mDNSResponder
 4711   342   501 R+   Sun Nov  1 18:59:20 2026     /Library/Frameworks/Python.framework/Versions/3.12/Python shop.py
 4712  4711   501 Z    Sun Nov 29 18:59:21 2026     (Python)
 4713  4711   501 Z    -                            (Python)
not a process
"""


def test_the_listing_of_macos_is_read_and_what_is_no_process_left_out() -> None:
    rows = parse(MACOS)
    assert [*rows] == [1, 342, 4711, 4712]
    assert (rows[342].user, rows[342].started) == (-2, "Thu Jan  1 00:00:00 2026")
    assert (rows[4711].parent, rows[4711].state, rows[4711].command.split()[1:]) == (342, "R", ["shop.py"])
    assert rows[4712].state == "Z"


@pytest.mark.processes
@pytest.mark.skipif(sys.platform != "linux", reason="compares ps with /proc")
def test_ps_and_proc_say_the_same_of_a_process(tmp_path: Path) -> None:
    environment = {"BREADCRUMB_TRACE": "/a b/c", "PYTHONPATH": "x", "LC_ALL": "C"}
    with subprocess.Popen(
        [sys.executable, "-c", "input()", "two words"], stdin=subprocess.PIPE, env=environment, start_new_session=True
    ) as process:
        pid, files, listing = process.pid, ProcFiles(), PsListing()
        found, listed = files.stat(pid), listing.stat(pid)
        assert found is not None and listed is not None
        assert (listed.parent, listed.session, listed.has_ended) == (found.parent, found.session, False)
        moments = [table.started_at(pid) or 0 for table in (files, listing)]
        assert abs(moments[0] - moments[1]) < 2 and abs(moments[1] - datetime.now(UTC).timestamp()) < 100
        assert listing.command_line(pid) == " ".join(files.command_line(pid)).split()
        assert listing.environment(pid) == files.environment(pid) == environment
        for table in (files, listing):
            assert table.was_given(pid, "BREADCRUMB_TRACE", "/a b/c")
            assert not table.was_given(pid, "BREADCRUMB_TRACE", "/a b")
            assert table.user_id(pid) == os.geteuid()
        process.communicate(b"\n")
    assert PsListing().stat(pid) is None
