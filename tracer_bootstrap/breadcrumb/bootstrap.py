"""Start the tracer in this process, once."""

from __future__ import annotations

import atexit
import marshal
import sys
from os import O_CLOEXEC, O_CREAT, O_WRONLY

from . import backends
from .record_format import (
    CONFIG_FILE,
    DEFAULT_BACKEND,
    ENV_TRACE,
    FORMAT_VERSION,
    NOTICE_BACKEND,
    NOTICE_CORE,
    UNSTARTED_SUFFIX,
)
from .runtime import own_builtins
from .runtime.features import HAS_GIL, IS_CPYTHON
from .runtime.guard import guard
from .runtime.late_modules import load_needed_later
from .runtime.system import system
from .session.processes import command_line, is_resource_tracker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

    from .recorder import Recorder

# Attribute of sys, with the pid: a process may load the tracer twice (injected, and a copy in its own environment). A
# variable of the environment would be inherited by children, which are traced as well.
_STARTED = "_breadcrumb_started_in"


def start_from_environment() -> None:
    """Start tracing if the environment names a spool folder.

    Raises:
        OSError: The spool folder or its settings cannot be read.
        ValueError: The settings are damaged (EOFError and TypeError likewise).
    """
    try:
        _start_from_environment()
    finally:
        own_builtins.bundle.is_starting = False


def _start_from_environment() -> None:
    folder = system.environ.get(ENV_TRACE)
    if folder and getattr(sys, _STARTED, None) != system.getpid():
        with system.open_file("%s/%s" % (folder, CONFIG_FILE), "rb") as file:
            settings = marshal.loads(file.read())
        if settings.get("format") != FORMAT_VERSION:  # the server was started before another version was installed
            _note_format(folder, settings.get("format"))
        elif not is_resource_tracker(command_line()):
            if IS_CPYTHON and HAS_GIL:
                start(folder, settings)
            else:
                from .runtime.refusal import refuse

                _mark_started()
                refuse(folder)


def _note_format(folder: str, wanted: Any) -> None:
    """Say in the spool that this tracer writes another format than the server reads."""
    path = "%s/%d%s" % (folder, system.getpid(), UNSTARTED_SUFFIX)
    file = system.open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
    try:
        system.write(file, b"format %d %d" % (wanted if type(wanted) is int else 0, FORMAT_VERSION))
    finally:
        system.close(file)


def start(folder: str, settings: Dict[str, Any]) -> RunningTracer:
    """Start tracing into a spool folder.

    Args:
        folder: The trace's spool folder.
        settings: ``include``, ``exclude``, ``workspace``, ``capture``, ``redact``, ``backend`` of the project's config.
    """
    from .recorder import Recorder

    name, why_another = backends.choose(settings.get("backend", DEFAULT_BACKEND))
    backend = backends.backend_class(
        name, with_probes=bool(settings.get("probes")), only_lines=bool(settings.get("only_lines"))
    )
    recorder = Recorder(folder, settings, backend)
    if why_another:
        recorder.session.notice(NOTICE_BACKEND, why_another)
    core = recorder.session.core
    if core.is_another:
        recorder.session.notice(
            NOTICE_CORE, "BREADCRUMB_CORE=c: the core in Python records this process, as %s" % core.why
        )
    _mark_started()
    tracer = RunningTracer(recorder)
    _running[:] = [tracer]
    if not own_builtins.bundle.modules:  # without it, what is needed later must be loaded while its files are there
        load_needed_later()
    if own_builtins.bundle.missed:
        from .runtime.bundle_writer import write_bundle

        write_bundle(own_builtins.bundle)
    recorder.start()
    return tracer


def running_tracer() -> Optional[RunningTracer]:
    """Return the tracer of this process; None if none was started, or it was stopped."""
    return _running[0] if _running else None


def _mark_started() -> None:
    setattr(sys, _STARTED, system.getpid())


class RunningTracer:
    """The recorder of this process with what calls it: the hooks for forks, for signals and for the end of the process.

    Args:
        recorder: The recorder, which is not started yet.
    """

    def __init__(self, recorder: Recorder) -> None:
        from .postmortem.fault_handler import FaultHandler
        from .postmortem.stacks import StackReporter

        self.recorder = recorder
        session = recorder.session
        self._end_process = guard(recorder.end_process, session)
        atexit.register(self._end_process)
        fault_handler = FaultHandler(session)
        _follow_forks(
            before=(guard(recorder.before_fork, session),),
            after_in_parent=(guard(recorder.after_fork_in_parent, session),),
            # The fault handler's hook runs after the recorder's, which makes the child's spool.
            after_in_child=(
                guard(recorder.after_fork_in_child, session),
                guard(_mark_started, session),
                guard(fault_handler.after_fork_in_child, session),
            ),
        )
        self._postmortem = (fault_handler, StackReporter(session, recorder.greenlets))
        for part in self._postmortem:
            try:
                part.start()
            except (OSError, ValueError, RuntimeError):  # not in the main thread, or a file cannot be made
                pass

    def stop(self) -> None:
        """Stop tracing this process for good: nothing of the tracer is called any more, by any thread.

        A call that another thread is recording at this moment may still be written.
        """
        _running.clear()
        atexit.unregister(self._end_process)
        self._end_process()
        _follow_forks(before=(), after_in_parent=(), after_in_child=())
        guard(self.recorder.stop, self.recorder.session)()
        for part in self._postmortem:
            try:
                part.stop()
            except (OSError, ValueError, RuntimeError):  # not in the main thread
                pass
        setattr(sys, _STARTED, None)


_running: List[RunningTracer] = []

# Of the running tracer, by the name of their argument of register_at_fork. The interpreter keeps what is registered.
_fork_hooks: Dict[str, Tuple[Callable[[], Any], ...]] = {}


def _follow_forks(**hooks: Tuple[Callable[[], Any], ...]) -> None:
    """Have the interpreter call these hooks around a fork, in place of those given before."""
    is_registered = bool(_fork_hooks)
    _fork_hooks.update(hooks)
    if not is_registered and system.register_at_fork is not None:
        system.register_at_fork(**{name: _runner(_fork_hooks, name) for name in hooks})


def _runner(all_hooks: Dict[str, Tuple[Callable[[], Any], ...]], name: str) -> Callable[[], None]:
    def run_hooks() -> None:
        for hook in all_hooks[name]:
            hook()

    return run_hooks
