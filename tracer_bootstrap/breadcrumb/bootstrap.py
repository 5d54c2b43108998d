"""Start the tracer in this process, once."""

from __future__ import annotations

import atexit
import marshal
import sys

from . import backends
from .record_format import CONFIG_FILE, DEFAULT_BACKEND, ENV_TRACE, FORMAT_VERSION, NOTICE_BACKEND
from .runtime.features import HAS_GIL, IS_CPYTHON
from .runtime.guard import guard
from .runtime.system import system
from .session.processes import command_line, is_resource_tracker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

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
    folder = system.environ.get(ENV_TRACE)
    if folder and getattr(sys, _STARTED, None) != system.getpid():
        with system.open_file("%s/%s" % (folder, CONFIG_FILE), "rb") as file:
            settings = marshal.load(file)
        if settings.get("format") == FORMAT_VERSION and not is_resource_tracker(command_line()):
            if IS_CPYTHON and HAS_GIL:
                start(folder, settings)
            else:
                from .runtime.refusal import refuse

                _mark_started()
                refuse(folder)


def start(folder: str, settings: Dict[str, Any]) -> None:
    """Start tracing into a spool folder.

    Args:
        folder: The trace's spool folder.
        settings: ``include``, ``exclude``, ``workspace``, ``capture``, ``redact``, ``backend`` of the project's config.
    """
    from .recorder import Recorder

    name, why_another = backends.choose(settings.get("backend", DEFAULT_BACKEND))
    recorder = Recorder(folder, settings, backends.backend_class(name))
    if why_another:
        recorder.session.notice(NOTICE_BACKEND, why_another)
    _mark_started()
    atexit.register(guard(recorder.end_process, recorder.session))
    if system.register_at_fork is not None:
        system.register_at_fork(
            before=guard(recorder.before_fork, recorder.session),
            after_in_parent=guard(recorder.after_fork_in_parent, recorder.session),
            after_in_child=guard(recorder.after_fork_in_child, recorder.session),
        )
        system.register_at_fork(after_in_child=guard(_mark_started, recorder.session))
    _start_postmortem(recorder)
    recorder.start()


def _mark_started() -> None:
    setattr(sys, _STARTED, system.getpid())


def _start_postmortem(recorder: Recorder) -> None:
    """Install the handlers that write stacks at a crash, and when the server asks before it ends this process."""
    from .postmortem.fault_handler import FaultHandler
    from .postmortem.stacks import StackReporter

    fault_handler = FaultHandler(recorder.session)
    for part in (fault_handler, StackReporter(recorder.session, recorder.greenlets)):
        try:
            part.start()
        except (OSError, ValueError, RuntimeError):  # not in the main thread, or a file cannot be made
            pass
    if system.register_at_fork is not None:
        # Runs after the recorder's hook, which makes the child's spool.
        system.register_at_fork(after_in_child=guard(fault_handler.after_fork_in_child, recorder.session))
