"""Does a bit of all that a tracer has to follow: threads, forks, children, exceptions, hot functions; then waits if told."""

import contextlib
import os
import subprocess
import sys
import threading


def double(number):
    return 2 * number


def fails(password):
    raise ValueError(password)


def hot(number):
    return number


def waits(secret_number):
    threading.Event().wait(100)


def main():
    thread = threading.Thread(target=double, args=(21,))
    thread.start()
    thread.join()
    with contextlib.suppress(ValueError):
        fails("open-sesame-77")
    for number in range(5000):
        hot(number)
    pid = os.fork()
    if not pid:
        double(1000)
        os._exit(0)
    os.waitpid(pid, 0)
    subprocess.run([sys.executable, "-c", "def child(n): return n\nchild(3)"], check=True)
    print("done", flush=True)
    if sys.argv[1:] == ["wait"]:
        waits(7)


main()
