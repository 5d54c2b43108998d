"""Prints, as one JSON object, all that a program can see of its own process; then fails with an uncaught exception."""

import sys

MODULES_AT_START = sorted(sys.modules)

import os

# Looked at before anything else opens a file: the descriptor is the one that the folder is read through.
DESCRIPTORS = sorted(set(os.listdir("/dev/fd")) - {"3"})
NEXT_DESCRIPTOR = os.dup(0)

import atexit
import builtins
import gc
import json
import locale
import random
import resource
import signal
import threading
import warnings


def frames():
    frame, found = sys._getframe(), []
    while frame is not None:
        found.append(frame.f_code.co_name)
        frame = frame.f_back
    return found


def depth_in_reach():
    deepest = 0

    def deeper(depth):
        nonlocal deepest
        deepest = depth
        deeper(depth + 1)

    try:
        deeper(0)
    except RecursionError:
        return deepest


def own_trace_function():
    """What the program's own sys.settrace sees."""
    seen = []

    def traced(number):
        return number + 1

    def trace(frame, event, argument):
        if frame.f_code is traced.__code__:
            seen.append(event)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    traced(1)
    sys.settrace(before)
    return seen


def own_profile_function():
    seen = []
    sys.setprofile(lambda frame, event, argument: seen.append(event))
    len("")
    sys.setprofile(None)
    return seen


def warned():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning)
    return [(w.category.__name__, w.lineno) for w in caught]


def free_tools():
    monitoring = getattr(sys, "monitoring", None)
    return monitoring and [number for number in range(6) if monitoring.get_tool(number) is None]


class Registered:
    def __init__(self, name):
        self.name = name

    def __call__(self):
        print("atexit", self.name, flush=True)


atexit.register(Registered("first, runs last"))
atexit.register(Registered("last, runs first"))
random.seed(7)
number_of_signals = signal.NSIG

visible = {
    "modules": MODULES_AT_START,
    "descriptors": DESCRIPTORS,
    "next descriptor": NEXT_DESCRIPTOR,
    "sys.path": sys.path,
    "sys.argv": sys.argv,
    "sys.orig_argv": getattr(sys, "orig_argv", None),
    "sys.flags": str(sys.flags),
    "sys.warnoptions": sys.warnoptions,
    "sys attributes": sorted(vars(sys)),
    "builtins": sorted(vars(builtins)),
    "__main__": sorted(vars(sys.modules["__main__"])),
    "warning filters": [str(entry) for entry in warnings.filters],
    "warned": warned(),
    "hooks": [sys.excepthook is sys.__excepthook__, sys.displayhook is sys.__displayhook__,
              sys.unraisablehook is sys.__unraisablehook__, sys.breakpointhook is sys.__breakpointhook__,
              threading.excepthook.__module__, str(sys.get_asyncgen_hooks())],
    "import": [[getattr(finder, "__name__", type(finder).__name__) for finder in sys.meta_path],
               [hook.__name__ for hook in sys.path_hooks], sorted(sys.path_importer_cache)],
    "bytecode": [sys.dont_write_bytecode, sys.pycache_prefix],
    "trace": sys.gettrace() is None,
    "profile": sys.getprofile() is None,
    "own trace": own_trace_function(),
    "own profile": own_profile_function(),
    "free monitoring tools": free_tools(),
    "recursion limit": sys.getrecursionlimit(),
    "depth in reach": depth_in_reach(),
    "frames": frames(),
    "threads": [thread.name for thread in threading.enumerate()],
    "system threads": len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1,
    "switch interval": sys.getswitchinterval(),
    "gc": [gc.isenabled(), gc.get_threshold(), gc.callbacks, gc.get_debug(), gc.get_freeze_count(), gc.garbage],
    "signals": [str(signal.getsignal(number)) for number in range(1, number_of_signals) if number not in (32, 33)],
    "signal mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    "environment": dict(os.environ),
    "locale": [locale.setlocale(locale.LC_ALL), sys.getdefaultencoding(), sys.getfilesystemencoding()],
    "streams": [[s.encoding, s.errors, s.line_buffering] for s in (sys.stdin, sys.stdout, sys.stderr)],
    "random": [random.random(), hash("text")],
    "limits": [resource.getrlimit(number) for number in range(16)],
    "process": [os.getcwd(), os.umask(0o22), os.nice(0), os.getpgid(0) == os.getpgid(os.getppid())],
    "registered at exit": atexit._ncallbacks(),
    "largest integer text": getattr(sys, "get_int_max_str_digits", int)(),
}  # fmt: skip
print(json.dumps(visible), flush=True)
print("to stderr", file=sys.stderr)


class Failure(Exception):
    def __str__(self):
        return "told by its own __str__"


def fail(depth):
    if depth:
        return fail(depth - 1)
    try:
        {}["missing"]
    except KeyError as error:
        raise Failure("not this") from error


fail(3)
