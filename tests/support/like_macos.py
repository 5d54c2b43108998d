"""Run a program as far as possible as on macOS: ``python -S like_macos.py LOG [-m] PROGRAM [ARGUMENT ...]``.

``sys.platform`` says darwin, the names that the modules of macOS lack are gone, and there is no ``/proc``. What a program
still tries to reach of Linux is written to the file LOG, a line each. Python is started without ``site``, which comes
after all this is prepared: an injected tracer finds it as on macOS, too.
"""

import os
import runpy
import sys
import sysconfig
import types
from pathlib import Path

# Functions and constants of Linux that macOS has not, by module (from the stubs of typeshed).
MISSING = {
    "posix": """
        O_DIRECT O_LARGEFILE O_NOATIME O_PATH O_RSYNC O_TMPFILE P_PIDFD copy_file_range eventfd eventfd_read
        eventfd_write fdatasync getrandom getresgid getresuid getxattr listxattr memfd_create pidfd_open pipe2
        posix_fadvise posix_fallocate removexattr sched_getaffinity sched_getparam sched_getscheduler sched_setaffinity
        sched_setparam sched_setscheduler setns setresgid setresuid setxattr splice timerfd_create unshare
    """,
    "_signal": """
        SIGCLD SIGPOLL SIGPWR SIGRTMAX SIGRTMIN SIGSTKFLT pidfd_send_signal sigtimedwait sigwaitinfo struct_siginfo
    """,
    "time": "CLOCK_BOOTTIME CLOCK_TAI pthread_getcpuclockid",
    "mmap": """
        MADV_DODUMP MADV_DOFORK MADV_DONTDUMP MADV_DONTFORK MADV_HUGEPAGE MADV_HWPOISON MADV_MERGEABLE MADV_NOHUGEPAGE
        MADV_REMOVE MADV_UNMERGEABLE MAP_DENYWRITE MAP_EXECUTABLE MAP_POPULATE MAP_STACK
    """,
    "select": "EPOLLIN EPOLLOUT EPOLL_CLOEXEC POLLMSG POLLRDHUP epoll",
    "fcntl": "F_ADD_SEALS F_GETLK64 F_GETPIPE_SZ F_GETSIG F_GET_SEALS F_NOTIFY F_OFD_SETLK F_SETPIPE_SZ F_SETSIG",
    "_socket": "AF_ALG AF_CAN AF_NETLINK AF_PACKET AF_TIPC AF_VSOCK MSG_CMSG_CLOEXEC SOCK_CLOEXEC SOCK_NONBLOCK",
    "resource": "prlimit RLIMIT_SIGPENDING RUSAGE_THREAD",
}
# Functions of the C library that are reached through _ctypes.
FUNCTIONS = {"prctl", "madvise", "memfd_create", "pidfd_open", "inotify_init", "eventfd", "syscall", "posix_fallocate"}
FOLDERS = ("/proc", "/sys", "/dev/shm")
EVENTS = {"open", "os.listdir", "os.scandir", "os.chdir", "os.stat", "os.readlink"}


def pretend(log):
    """Make this process, and those that it forks, look like macOS, and write to *log* what of Linux it reaches for."""
    sysconfig.get_config_vars()  # kept by then: its file is named after the platform
    sys.platform = "darwin"
    for module, names in MISSING.items():
        for holder in (__import__(module), os if module == "posix" else None):
            for name in names.split():
                if hasattr(holder, name):
                    delattr(holder, name)
    proxies = types.ModuleType("_scproxy")  # a part of macOS that urllib.request asks
    proxies._get_proxies = proxies._get_proxy_settings = dict
    sys.modules["_scproxy"] = proxies

    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.set_inheritable(descriptor, False)
    last = os.dup(descriptor)
    os.close(descriptor)
    write, from_fs = os.write, os.fsdecode

    def hook(event, arguments):
        if event in EVENTS and arguments and isinstance(arguments[0], (str, bytes, os.PathLike)):
            path = from_fs(arguments[0])
            if path.startswith(FOLDERS) and path.partition("/")[2].split("/")[0] in ("proc", "sys", "dev"):
                write(last, f"{event} {path}\n".encode())
                raise FileNotFoundError(2, "there is none on macOS", path)
        elif event in ("ctypes.dlsym", "ctypes.dlsym/handle") and arguments[1] in FUNCTIONS:
            write(last, f"{event} {arguments[1]}\n".encode())

    sys.addaudithook(hook)


if __name__ == "__main__":
    pretend(sys.argv[1])
    import site

    site.main()  # and with it an injected sitecustomize
    del sys.argv[:2]
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
        runpy.run_path(sys.argv[0], run_name="__main__")
