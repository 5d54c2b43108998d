"""Record the functions that each test calls directly, with arguments and results: a pytest plugin.

``benchmarks.bug_hunt`` compares Breadcrumb's answers with this record, so it uses no code of Breadcrumb, only
``sys.setprofile``. Each event is a line of JSON, written at once, so that the call in which a test hangs is known.
"""

import inspect
import json
import os
import sys
from pathlib import Path

import pytest

FILE = "DIRECT_CALLS_FILE"


class DirectCalls:
    """Writes the calls that the test's file makes of functions in other files below the root."""

    def __init__(self, root, path):
        self._root = f"{root}{os.sep}"
        self._file = Path(path).open("a")  # noqa: SIM115  (for as long as pytest runs)
        self._test_file = ""
        self._open = {}  # frame -> values that it has yielded

    def write(self, **event):
        """Append one event."""
        print(json.dumps(_plain(event)), file=self._file, flush=True)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        """Record the calls of a test."""
        self._test_file = str(item.path)
        self.write(test=item.nodeid)
        sys.setprofile(self._profile)
        try:
            return (yield)
        finally:
            sys.setprofile(None)

    def pytest_runtest_makereport(self, item, call):
        """Record the end of a test."""
        if call.when == "call":
            raised = call.excinfo.typename if call.excinfo else None
            self.write(end=item.nodeid, raised=raised)

    def _profile(self, frame, event, value):
        if event == "call":
            self._start_call(frame)
        elif event == "return" and frame in self._open:
            suspends = frame.f_code.co_flags & inspect.CO_GENERATOR
            if suspends and value is not None:
                self._open[frame].append(value)
            else:
                yielded = self._open.pop(frame)
                self.write(returned=yielded if suspends else value)

    def _start_call(self, frame):
        caller, code = frame.f_back, frame.f_code
        in_project = code.co_filename.startswith(self._root) and "site-packages" not in code.co_filename
        in_project = in_project and code.co_filename != self._test_file
        if frame in self._open or not in_project or caller is None or caller.f_code.co_filename != self._test_file:
            return
        self._open[frame] = []
        args, varargs, _, values = inspect.getargvalues(frame)
        given = [values[name] for name in args] + list(values[varargs] if varargs else ())
        self.write(call=code.co_name, args=given)


def _plain(value):
    """Return the value if JSON can represent it, else its type."""
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
    """Register the plugin if the environment names a file."""
    if FILE in os.environ:
        config.pluginmanager.register(DirectCalls(config.rootpath, os.environ[FILE]))
