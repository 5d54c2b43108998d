"""Trace this program: begin its trace, keep its state on disk, and have it stored at the end."""

from __future__ import annotations

import atexit
import sys
import warnings
from _thread import get_ident

from .. import bootstrap
from ..runtime.system import system
from ..session.patterns import as_utf8, current_folder, is_own
from ..session.processes import command_line, kernel_start, short_command
from .children import leave_children, trace_children
from .exit_code import ExitCode
from .host import host
from .settings import tracer_settings
from .spool_folder import has_killed_programs, make_spool, remove_spool, save_program
from .storing import Storing, find_server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Dict, Optional

    from .settings import BreadcrumbConfig

# Seconds that the end of a program waits for its trace to be stored, so that who starts the program finds it in the
# database afterwards. Small traces take one second; what takes longer goes on in the background.
WAIT_SECONDS = 30.0

COMPLETED, FAILED, RUNNING = "completed", "failed", "running"


class ProgramTrace:
    """The trace of this program.

    Args:
        config: Its settings.
        innermost: The frame of the program that begins it.

    Raises:
        OSError: Its folder cannot be made.
    """

    def __init__(self, config: BreadcrumbConfig, innermost: FrameType) -> None:
        self.config = config
        self.database: str = host.abspath(config.db_path)
        self._server = find_server()
        if self._server is None:
            _warn_without_server(self.database)
        settings = tracer_settings(config)
        self.trace_id, self.folder = make_spool(self.database, settings)
        self._storing_others: Optional[Storing] = None
        self._pid = system.getpid()
        self._exit_code = ExitCode()
        # Before the tracer's own function is registered, as the last one that is registered is called first.
        atexit.register(self._at_exit)
        self._tracer = bootstrap.start(self.folder, settings)
        try:
            self._program = self._describe(settings)
            save_program(self.folder, self._program)
        except BaseException:
            self.discard()
            raise
        trace_children(self.folder)
        recorder = self._tracer.recorder
        recorder.begin_running(innermost)
        if _is_main_thread():
            recorder.watch_exit(_outermost(innermost), self._exit_code)
        if self._server is not None and has_killed_programs(self.folder):
            self._storing_others = Storing(self._server, self.database)  # of programs that were killed

    def _describe(self, settings: Dict[str, Any]) -> Dict[str, Any]:
        """Return the state of the program as it is stored, redacted."""
        redactor = self._tracer.recorder.session.redactor
        started, _image = kernel_start()
        label = self.config.label
        words = [as_utf8(word) for word in redactor.redact_command(short_command(command_line()))]
        return {
            "trace_id": self.trace_id,
            "command": [_storable(word) for word in words],
            "label": None if label is None else _storable(redactor.redact_text(label)),
            "cwd": _storable(redactor.redact_text(current_folder())),
            "pid": self._pid,
            "kernel_start": started,
            "started_at_ns": system.wall_ns(),
            "config": {name: settings[name] for name in ("workspace", "include", "exclude", "capture")},
            "status": RUNNING,
            "exit_code": None,
            "finished_at_ns": None,
        }

    def is_own(self) -> bool:
        """Return whether this process began the trace; a forked child is only part of it."""
        return self._pid == system.getpid()

    def is_going_on(self) -> bool:
        """Return whether this process is still traced."""
        return bootstrap.running_tracer() is self._tracer

    def stop(self, status: str, wait_seconds: float) -> None:
        """End the trace and have it stored; in a forked child, only stop tracing the child."""
        if self.is_going_on():
            secrets = self._tracer.recorder.session.spool.unsent_secrets()
            self._tracer.stop()
            leave_children(self.folder)
            if self.is_own():
                atexit.unregister(self._at_exit)
                self._store(status, None, secrets, wait_seconds)

    def discard(self) -> None:
        """End the trace and forget it."""
        if self.is_going_on() and self.is_own():
            self._tracer.stop()
            atexit.unregister(self._at_exit)
            leave_children(self.folder)
            remove_spool(self.folder)

    def _at_exit(self) -> None:
        """Have the trace stored; the tracer has written its last records before."""
        if self.is_own() and self.is_going_on():
            code = self._exit_code.at_exit()
            secrets = self._tracer.recorder.session.spool.unsent_secrets()
            try:
                self._store(FAILED if code else COMPLETED, code, secrets, WAIT_SECONDS)
            except KeyboardInterrupt:  # whoever waits for the end of the program has had enough
                pass

    def _store(self, status: str, exit_code: Optional[int], secrets: bytes, wait_seconds: float) -> None:
        self._program.update(status=status, exit_code=exit_code, finished_at_ns=system.wall_ns())
        try:
            save_program(self.folder, self._program)
            if self._server is None:
                return
            end = host.monotonic() + wait_seconds
            storing = Storing(self._server, self.database, self.trace_id, secrets)
            if self._storing_others is not None:  # by then it does not hold the database any more either
                self._storing_others.wait(wait_seconds)
            failure = storing.wait(end - host.monotonic())
        except OSError as error:
            failure = str(error)
        if failure:
            _warn(
                "the trace %s was not stored in %s: %s. It is kept in %s, and stored by the next program that calls "
                "breadcrumb.init(), or by: breadcrumb list --db-path %s"
                % (self.trace_id, self.database, failure.rstrip("."), self.folder, self.database)
            )


def _is_main_thread() -> bool:
    main = getattr(getattr(sys.modules.get("threading"), "_main_thread", None), "_ident", None)
    return main is None or main == get_ident()


def _outermost(frame: FrameType) -> FrameType:
    while frame.f_back is not None:
        frame = frame.f_back
    return frame


def _storable(text: str) -> str:
    """Return a text that a database can store: the name of a file may hold bytes that are not UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _warn_without_server(database: str) -> None:
    _warn(
        "breadcrumb.init() records this program, but cannot write %s: the package breadcrumb-mcp does that, and is "
        "neither installed for %s nor on the PATH. Install it (pip install breadcrumb-mcp, with Python 3.11 or "
        "newer), or set BREADCRUMB_SERVER_PYTHON to a Python that has it. What is recorded is kept beside the database "
        "until then" % (database, sys.executable or "this Python")
    )


def _warn(text: str) -> None:
    """Tell the program's user, by a warning that names the line which called the API."""
    level = 1
    frame: Optional[FrameType] = sys._getframe()
    while frame is not None and is_own(frame.f_code.co_filename):
        level += 1
        frame = frame.f_back
    warnings.warn(text, RuntimeWarning, stacklevel=level)
