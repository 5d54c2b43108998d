"""Makes some calls and then ends in the way that its argument names, inside ``outer`` and ``inner``."""

import faulthandler
import os
import signal
import sys


def done(number):
    return number * 2


def outer(way):
    return inner(way)


def inner(way):
    done(21)
    print("recorded", flush=True)
    WAYS[way]()
    return way


def os_exit():
    os._exit(4)


def signals(name):
    def kill():
        os.kill(os.getpid(), getattr(signal, name))

    return kill


def null_pointer():
    import ctypes

    ctypes.string_at(0)


def runs_out_of_memory():
    import resource

    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + (56 << 20), resource.RLIM_INFINITY))
    hoard = []
    while True:
        hoard.append(bytearray(16 << 20))  # what is left then is enough to say so


def waits():
    print("waiting", flush=True)
    while True:
        signal.pause()


WAYS = {
    "normal": lambda: None,
    "sys.exit": lambda: sys.exit(3),
    "uncaught": lambda: {}["missing"],
    "os._exit": os_exit,
    "SIGTERM": signals("SIGTERM"),
    "SIGINT": signals("SIGINT"),
    "SIGKILL": signals("SIGKILL"),
    "segfault": faulthandler._sigsegv,
    "null pointer": null_pointer,
    "abort": os.abort,
    "stack overflow": faulthandler._stack_overflow,
    "memory": runs_out_of_memory,
    "waits": waits,
}
outer(sys.argv[1])
