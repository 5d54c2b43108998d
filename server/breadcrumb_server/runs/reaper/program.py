"""Run a command, and end every process that comes of it: a program of its own, given three descriptors.

This process is a child subreaper (prctl(2)): a descendant whose parent ends becomes its child, whatever session it made
for itself, and whatever environment and descriptors it gave up. So all of them are found below it in the tree of
processes. It ends them when it is told to, and when its pipe from the server ends, which it does however the server
dies. Only what another program starts for them (cron, systemd, a container engine) is no descendant.

It is started for every run, so it imports little.
"""

import _ctypes
import marshal
import os
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # the other one takes longer to import than all of these: it makes enums

_SET_PARENT_DEATH_SIGNAL = 1
_SET_CHILD_SUBREAPER = 36
# Between SIGTERM and SIGKILL when the server is gone.
_GRACE_SECONDS = 1.0
# A killed process is gone within milliseconds, unless the kernel holds it or it is another user's.
_KILL_SECONDS = 2.0
# After which this process ends all the same: what is left cannot be killed by this user.
_LEAVE_SECONDS = 10.0
_PAUSE_SECONDS = 0.005
# The list of children may miss one while others end.
_QUIET_LOOKS = 3
# Orphans that have ended are waited for so often while nothing else happens.
_REAP_MILLISECONDS = 2_000
# Rounds in which all descendants are stopped, so that none forks while they are killed.
_MAX_ROUNDS = 20


def main() -> None:
    """Start the command, tell of its end, and obey until the server closes the pipe."""
    request, orders, reports = (int(word) for word in sys.argv[1:4])
    for descriptor in (orders, reports):
        os.set_inheritable(descriptor, False)
    with open(request, "rb") as file:
        arguments, environment, folder = marshal.load(file)
    own_signals = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    obeyed = [number for number in own_signals if signal.getsignal(number) != signal.SIG_IGN]
    for number in obeyed:  # only the end of the server ends this process
        signal.signal(number, signal.SIG_IGN)
    _prctl(_SET_CHILD_SUBREAPER, 1)
    pid = _spawn(arguments, environment, folder, reports, [*obeyed, signal.SIGPIPE, signal.SIGXFSZ])
    if pid:
        _use_no_stream()
        _tell(reports, f"started {pid}")
        _obey(pid, orders, reports)
    os._exit(0)


def _spawn(
    arguments: "list[bytes]", environment: "dict[bytes, bytes]", folder: bytes, reports: int, signals: "list[int]"
) -> int:
    """Start the command in a session of its own and return its pid; tell the reason and return 0 if that fails."""
    own = os.getpid()
    failure, told = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setsid()
            _prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
            if os.getppid() != own:
                os._exit(127)
            for number in signals:
                signal.signal(number, signal.SIG_DFL)
            os.chdir(folder)
            os.execvpe(arguments[0], arguments, environment)
        except OSError as error:
            os.write(told, str(error.errno or 0).encode())
        finally:
            os._exit(127)
    os.close(told)
    problem = os.read(failure, 20)
    os.close(failure)
    if problem:
        os.waitpid(pid, 0)
        _tell(reports, f"failed {problem.decode()}")
        return 0
    return pid


def _use_no_stream() -> None:
    """Leave the streams to the command: their readers wait for the last one that holds them."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)


def _obey(pid: int, orders: int, reports: int) -> None:
    """Tell of the command's end, and kill all descendants on request and when the server has gone."""
    ended = os.pidfd_open(pid)
    events = select.poll()
    events.register(orders, select.POLLIN)
    events.register(ended, select.POLLIN)
    while True:
        for descriptor, _ in events.poll(_REAP_MILLISECONDS):
            if descriptor == ended:
                events.unregister(ended)
                _tell(reports, f"ended {_exit_code(pid)}")
            elif os.read(orders, 1):
                _kill_all(pid)
                _tell(reports, "killed")
            else:
                _end_politely(pid, ended)
                return
        _reap(pid)


def _exit_code(pid: int) -> int:
    """Return how the command ended, negative for a signal. It stays a zombie, so that its pid names nothing else."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    if found is None:
        return 0
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def _end_politely(pid: int, ended: int) -> None:
    """Send SIGTERM to the command's group, and kill all descendants soon after."""
    if not select.select([ended], [], [], 0)[0]:
        try:
            os.killpg(pid, signal.SIGTERM)
        except OSError:
            pass
        select.select([ended], [], [], _GRACE_SECONDS)
    deadline = time.monotonic() + _LEAVE_SECONDS
    while time.monotonic() < deadline:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:  # no child is left, so no descendant is
            return
        _kill_all(0)


def _kill_all(pid: int) -> None:
    """Kill all descendants; those whose parents are killed become children of this process, and are killed then.

    Args:
        pid: The child that is not waited for.
    """
    deadline = time.monotonic() + _KILL_SECONDS
    for _ in range(_MAX_ROUNDS):
        running = [each for each in _descendants() if each[2] not in "Tt"]
        if not running:
            break
        for each in running:
            _send(each, signal.SIGSTOP)
    for each in _descendants():
        _send(each, signal.SIGKILL)
    quiet = 0
    while quiet < _QUIET_LOOKS and time.monotonic() < deadline:
        # Quick, for a process that forks and ends all the time has another pid at each look at the whole table.
        children = [each for each in _children() if each[2] not in "ZX"]
        for each in children:
            _send(each, signal.SIGKILL)
        _reap(pid)
        quiet = 0 if children else quiet + 1
        if quiet:
            time.sleep(_PAUSE_SECONDS)


def _descendants() -> "list[tuple[int, int, str]]":
    """Return pid, start and state of each living process below this one."""
    children: dict[int, list[tuple[int, int, str]]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := _stat(int(name))) is not None:
            parent, started, state = stat
            children.setdefault(parent, []).append((int(name), started, state))
    found: list[tuple[int, int, str]] = []
    parents = [os.getpid()]
    while parents:
        below = children.pop(parents.pop(), [])
        found += [each for each in below if each[2] not in "ZX"]
        parents += [each[0] for each in below]
    return found


def _stat(pid: int) -> "tuple[int, int, str] | None":
    """Return parent, start and state of a process; None if there is none with this pid."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return (int(fields[1]), int(fields[19]), fields[0].decode()) if len(fields) > 19 else None


def _send(process: "tuple[int, int, str]", number: int) -> None:
    """Signal a process that was seen, and no other one that has got its pid since."""
    try:
        descriptor = os.pidfd_open(process[0])
    except OSError:
        return
    try:
        stat = _stat(process[0])
        if stat is not None and stat[1] == process[1]:
            signal.pidfd_send_signal(descriptor, number)
    except OSError:  # it has just ended, or is another user's
        pass
    finally:
        os.close(descriptor)


def _children() -> "list[tuple[int, int, str]]":
    """Return pid, start and state of each child of this process, zombies too."""
    own = os.getpid()
    try:
        with open(f"/proc/self/task/{own}/children", "rb") as file:
            pids = [int(word) for word in file.read().split()]
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    found = [(pid, stat) for pid in pids if (stat := _stat(pid)) is not None]
    return [(pid, stat[1], stat[2]) for pid, stat in found if stat[0] == own]


def _reap(pid: int) -> None:
    """Wait for the orphans that have ended, and not for the command."""
    for child, _, state in _children():
        if state == "Z" and child != pid:
            os.waitpid(child, os.WNOHANG)


def _prctl(option: int, value: int) -> None:
    # ctypes would take longer to import than everything else here.
    library = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]
    _ctypes.call_function(_ctypes.dlsym(library, "prctl"), (option, value, 0, 0, 0))


def _tell(reports: int, line: str) -> None:
    try:
        os.write(reports, line.encode() + b"\n")
    except OSError:  # nobody listens any more
        pass
