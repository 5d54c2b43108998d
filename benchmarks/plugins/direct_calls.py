"""A pytest plugin that writes down which functions each test calls itself: with what, and what came back.

This is what ``benchmarks.bug_hunt`` holds Breadcrumb's answers against, so it knows nothing of Breadcrumb: it looks
with ``sys.setprofile``. One JSON line an event, written at once: a test that never ends leaves the call that it is in.
"""

import inspect
import json
import os
import sys
from pathlib import Path

import pytest

FILE = "DIRECT_CALLS_FILE"


class DirectCalls:
    """Writes the calls that the test's file makes into other files below the root."""

    def __init__(self, root, path):
        self._root = f"{root}{os.sep}"
        self._file = Path(path).open("a")  # noqa: SIM115  (for as long as pytest runs)
        self._test_file = ""
        self._open = {}  # frame -> what it has yielded

    def write(self, **event):
        """Append one event."""
        print(json.dumps(_plain(event)), file=self._file, flush=True)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        """A test runs."""
        self._test_file = str(item.path)
        self.write(test=item.nodeid)
        sys.setprofile(self._profile)
        try:
            return (yield)
        finally:
            sys.setprofile(None)

    def pytest_runtest_makereport(self, item, call):
        """A phase of a test has ended."""
        if call.when == "call":
            raised = call.excinfo.typename if call.excinfo else None
            self.write(end=item.nodeid, raised=raised)

    def _profile(self, frame, event, value):
        if event == "call":
            self._starts(frame)
        elif event == "return" and frame in self._open:
            suspends = frame.f_code.co_flags & inspect.CO_GENERATOR
            if suspends and value is not None:
                self._open[frame].append(value)
            else:
                yielded = self._open.pop(frame)
                self.write(returned=yielded if suspends else value)

    def _starts(self, frame):
        caller, code = frame.f_back, frame.f_code
        ours = code.co_filename.startswith(self._root) and "site-packages" not in code.co_filename
        ours = ours and code.co_filename != self._test_file
        if frame in self._open or not ours or caller is None or caller.f_code.co_filename != self._test_file:
            return
        self._open[frame] = []
        args, varargs, _, values = inspect.getargvalues(frame)
        given = [values[name] for name in args] + list(values[varargs] if varargs else ())
        self.write(call=code.co_name, args=given)


def _plain(value):
    """The value as JSON can hold it; of anything else its type."""
    if isinstance(value, dict):
        keys = _plain(list(value))
        if "$type" in str(keys):
            return keys
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (str, int, float)):
        return value
    return {"$type": type(value).__name__}


def pytest_configure(config):
    """Look on, where a file is named."""
    if FILE in os.environ:
        config.pluginmanager.register(DirectCalls(config.rootpath, os.environ[FILE]))
