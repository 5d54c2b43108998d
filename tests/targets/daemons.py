"""Leave processes behind in many ways: ``daemons.py FIFO STAY WAY...``; each holds FIFO open and never ends by itself.

With STAY "stay" the program stays too; with "go" it ends once all of them have begun.
"""

import os
import signal
import subprocess
import sys
import threading
import time

HANG = "import os, sys, time\nos.write(os.open(sys.argv[1], os.O_WRONLY), b'x')\nwhile True: time.sleep(60)\n"


def hang(fifo):
    os.write(os.open(fifo, os.O_WRONLY), b"x")
    while True:
        time.sleep(60)


def forked(work, *arguments):
    pid = os.fork()
    if not pid:
        try:
            work(*arguments)
        finally:
            os._exit(0)
    return pid


def leave_session():
    if os.getsid(0) != os.getpid():
        os.setsid()


def session(fifo):
    leave_session()
    hang(fifo)


def group(fifo):
    os.setpgid(0, 0)
    hang(fifo)


def empty_environment(fifo):
    leave_session()
    os.execve(sys.executable, [sys.executable, "-c", HANG, fifo], {})


def double_fork(fifo):
    leave_session()
    forked(empty_environment, fifo)


def long_chain(fifo, length=8):
    leave_session()
    if not length:
        empty_environment(fifo)
    forked(long_chain, fifo, length - 1)


def without_descriptors(fifo):
    leave_session()
    os.chdir("/")
    os.closerange(0, 1000)
    double_fork(fifo)


def deaf(fifo):
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    double_fork(fifo)


def stopped(fifo):
    leave_session()
    os.write(os.open(fifo, os.O_WRONLY), b"x")
    os.kill(os.getpid(), signal.SIGSTOP)


def subreaper(fifo):
    import ctypes

    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    forked(double_fork, fifo)
    while True:
        time.sleep(60)


def restless(fifo):
    """Have another pid every few milliseconds."""
    leave_session()
    os.write(os.open(fifo, os.O_WRONLY), b"x")
    while True:
        time.sleep(0.002)
        if os.fork():
            os._exit(0)


def from_a_thread(fifo):
    thread = threading.Thread(target=forked, args=(double_fork, fifo))
    thread.start()
    thread.join()


def from_a_shell(fifo):
    script = 'setsid env -i "$0" -c "$1" "$2" >/dev/null 2>&1 </dev/null &'
    subprocess.run(["sh", "-c", script, sys.executable, HANG, fifo])


def from_subprocess(fifo):
    subprocess.Popen([sys.executable, "-I", "-c", HANG, fifo], env={}, start_new_session=True)
    os._exit(0)


WAYS = {
    each.__name__: each
    for each in (
        session, group, empty_environment, double_fork, long_chain, without_descriptors, deaf, stopped, subreaper,
        restless, from_a_thread, from_a_shell, from_subprocess,
    )
}  # fmt: skip


def main():
    fifo, stay, *ways = sys.argv[1:]
    begun = os.open(fifo + ".begun", os.O_RDWR | os.O_CREAT, 0o600)
    os.close(begun)
    for way in ways:
        forked(WAYS[way], fifo)
    while os.path.getsize(fifo + ".begun") < len(ways):  # the test writes there what it reads from FIFO
        time.sleep(0.005)
    if stay == "stay":
        hang(fifo)


if __name__ == "__main__":
    main()
