"""Begin, join and end the trace of this program, as the program asks for it."""

from __future__ import annotations

import marshal
import sys
import warnings
from _thread import RLock
from functools import wraps

from .. import bootstrap
from ..record_format import (
    CONFIG_FILE,
    DEFAULT_BACKEND,
    DEFAULT_MAX_VALUE_CHARS,
    DEFAULT_MODE,
    DEFAULT_SAMPLE_RATE,
    SPOOLS_SUFFIX,
)
from ..runtime.features import HAS_GIL, IS_CPYTHON
from ..runtime.system import system
from ..session.patterns import is_own
from .host import host
from .program_trace import COMPLETED, FAILED, WAIT_SECONDS, ProgramTrace
from .settings import DEFAULT_DB_PATH, BreadcrumbConfig, with_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any, Callable, Iterable, List, Optional, Type, TypeVar

    from ..bootstrap import RunningTracer

    F = TypeVar("F", bound=Callable[..., Any])

_CO_GENERATOR, _CO_COROUTINE, _CO_ASYNC_GENERATOR = 0x20, 0x80, 0x200


class _State:
    """The trace of this process, and the lock for whoever begins or ends one."""

    def __init__(self) -> None:
        self.trace: Optional[ProgramTrace] = None
        self.config: Optional[BreadcrumbConfig] = None  # the settings in effect
        self.renew_lock()
        if system.register_at_fork is not None:
            system.register_at_fork(after_in_child=self.renew_lock)  # another thread may have held it

    def renew_lock(self) -> None:
        self.lock = RLock()

    def own_trace(self) -> Optional[ProgramTrace]:
        """Return the trace that this program has begun and not ended; None if it only joined one."""
        return self.trace if self.trace is not None and self.trace.is_going_on() else None


_state = _State()


class Tracing(BreadcrumbConfig):
    """What ``init`` returns: the settings in effect, and the end of the trace.

    As a context manager it ends the trace that its ``init`` began. As a decorator it makes a trace of each call of the
    function, unless one is going on.

    Attributes:
        trace_id: The id of the trace; empty if nothing is traced.
        joined: Whether the process was traced already, by ``breadcrumb run`` or by an earlier ``init``: settings other
            than *include* and *exclude* had no effect.
    """

    def __init__(self, config: BreadcrumbConfig, trace_id: str, joined: bool) -> None:
        vars(self).update(vars(config))
        self.trace_id = trace_id
        self.joined = joined

    def stop(self, timeout: float = WAIT_SECONDS) -> None:
        """End the trace that this program began; see ``breadcrumb.stop``."""
        stop(timeout)

    def __enter__(self) -> Tracing:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if not self.joined:
            self._end(FAILED if kind is not None else COMPLETED)

    def _end(self, status: str) -> None:
        with _state.lock:
            trace = _state.own_trace()
            if trace is not None and trace.trace_id == self.trace_id:
                trace.stop(status, WAIT_SECONDS)

    def __call__(self, function: F) -> F:
        """Return the function with a trace around each of its calls.

        Args:
            function: An ordinary or an ``async`` function.

        Raises:
            TypeError: It is neither.
        """
        code = getattr(function, "__code__", None)
        if code is None:
            raise TypeError("breadcrumb.init() can decorate a function, not %r" % (function,))
        if code.co_flags & (_CO_GENERATOR | _CO_ASYNC_GENERATOR):
            raise TypeError("breadcrumb.init() cannot decorate a generator: decorate the function that uses it")
        if not self.enabled:
            return function
        if not self.joined:
            with _state.lock:
                trace = _state.own_trace()
                if trace is not None and trace.trace_id == self.trace_id:
                    trace.discard()  # a trace begins with each call
        decorated: F = (_async_with_trace if code.co_flags & _CO_COROUTINE else _with_trace)(self, function)
        return decorated


def _with_trace(config: BreadcrumbConfig, function: Any) -> Any:
    @wraps(function)
    def traced(*args: Any, **kwargs: Any) -> Any:
        with _begin_or_join(config, sys._getframe()):
            return function(*args, **kwargs)

    return traced


def _async_with_trace(config: BreadcrumbConfig, function: Any) -> Any:
    @wraps(function)
    async def traced(*args: Any, **kwargs: Any) -> Any:
        with _begin_or_join(config, sys._getframe()):
            return await function(*args, **kwargs)

    return traced


def init(
    enabled: Optional[bool] = True,
    *,
    sample_rate: Optional[float] = DEFAULT_SAMPLE_RATE,
    include: Optional[Iterable[str]] = None,
    exclude: Optional[Iterable[str]] = None,
    db_path: Any = DEFAULT_DB_PATH,
    backend: Optional[str] = DEFAULT_BACKEND,
    label: Optional[str] = None,
    mode: Optional[str] = DEFAULT_MODE,
    max_repr_length: Optional[int] = DEFAULT_MAX_VALUE_CHARS,
    silent: bool = True,
    config_file: Any = None,
) -> Tracing:
    """Trace this program from now on, until ``stop``, the end of a ``with`` block, or its exit.

    The trace is written to *db_path* at the end. The variables BREADCRUMB_ENABLED, BREADCRUMB_DB_PATH and
    BREADCRUMB_SAMPLE_RATE win over the arguments. In a process that is traced already, *include* and *exclude* are
    added for code that has not run yet, and nothing else happens.

    Args:
        enabled: False: do nothing.
        sample_rate: The share of calls that may be recorded, 0 to 1. All are counted.
        include: Patterns of the code to trace: module globs (``shop.*``), or path globs with a slash or the ending
            ``.py``, relative to the current folder (``src/**/*.py``). None: the main module, and what is below the
            current folder except for installed packages.
        exclude: Patterns of code not to trace; they win over *include*.
        db_path: The DuckDB file, made with its folder if missing.
        backend: ``auto``, ``monitoring`` (or ``pep669``; Python 3.12 and newer) or ``settrace`` (or ``sqlite``).
        label: A name for the trace.
        mode: ``adaptive`` records the first 1000 calls of each function and samples later ones; ``full`` all of them.
        max_repr_length: Characters of a recorded value.
        silent: No effect: nothing is printed.
        config_file: No effect: settings are arguments.

    Returns:
        The settings in effect, with ``stop()``; also a context manager and a decorator.

    Raises:
        ValueError: A value is not allowed; the message says which are. Nothing has begun.
        TypeError: A value has the wrong type. Nothing has begun.
        OSError: The folder of *db_path* cannot be written. Nothing has begun.
    """
    arguments = {
        "enabled": enabled,
        "include": include,
        "exclude": exclude,
        "sample_rate": sample_rate,
        "db_path": db_path,
        "backend": backend,
        "max_repr_length": max_repr_length,
        "label": label,
        "mode": mode,
    }
    config = with_environment(arguments, host.environ)
    return _begin_or_join(config, sys._getframe(), include, exclude)


def stop(timeout: float = WAIT_SECONDS) -> None:
    """End the trace that this program began, and wait until it is in the database.

    Without such a trace nothing happens: a second call is harmless, and a trace of ``breadcrumb run`` goes on. In a
    forked child only the child is traced no more.

    Args:
        timeout: Seconds to wait at most. What takes longer goes on in the background.
    """
    with _state.lock:
        trace = _state.own_trace()
        if trace is not None:
            trace.stop(COMPLETED, timeout)


def shutdown(timeout: float = WAIT_SECONDS) -> None:
    """End the trace: an older name of ``stop``."""
    stop(timeout)


def reset_config() -> None:
    """End the trace, and forget the settings."""
    stop()
    _state.config = None


def get_config() -> Optional[BreadcrumbConfig]:
    """Return the settings of the last ``init``; None before the first."""
    return _state.config


def get_backend() -> Optional[str]:
    """Return what traces this process, ``monitoring`` or ``settrace``; None if it is not traced."""
    tracer = bootstrap.running_tracer()
    return None if tracer is None else tracer.recorder.backend_name


def get_events() -> None:
    """Return None: recorded calls are not kept in memory. A warning says where they are."""
    warnings.warn(
        "breadcrumb.get_events() returns nothing: calls are not kept in memory. After breadcrumb.stop() they are in "
        "the database: duckdb.connect(breadcrumb.get_config().db_path).execute('SELECT * FROM trace_events')",
        RuntimeWarning,
        stacklevel=2,
    )


def _begin_or_join(
    config: BreadcrumbConfig,
    frame: FrameType,
    include: Optional[Iterable[str]] = None,
    exclude: Optional[Iterable[str]] = None,
) -> Tracing:
    """Trace this process if it is not traced yet.

    Args:
        config: The settings.
        frame: A frame of the program, or one of the API that it has called.
        include: Patterns that are added to those of a trace that goes on.
        exclude: Likewise.
    """
    with _state.lock:
        if not config.enabled:
            _state.config = config
            return Tracing(config, "", joined=False)
        if not (IS_CPYTHON and HAS_GIL and host.name == "posix"):
            _warn_unsupported()
            config.enabled = False
            _state.config = config
            return Tracing(config, "", joined=False)
        tracer = bootstrap.running_tracer() or _started_by_parent()
        if tracer is not None:
            return _join(tracer, list(include or ()), list(exclude or ()))
        trace = _state.trace = ProgramTrace(config, _program_frame(frame))
        _state.config = config
        return Tracing(config, trace.trace_id, joined=False)


def _started_by_parent() -> Optional[RunningTracer]:
    """Start the tracer for the trace that this process was started in, if it was not loaded at the start.

    A Python that was started with an own PYTHONPATH has not loaded it.
    """
    try:
        bootstrap.start_from_environment()
    except (OSError, ValueError, EOFError, TypeError):  # that trace has ended
        pass
    return bootstrap.running_tracer()


def _join(tracer: RunningTracer, include: List[str], exclude: List[str]) -> Tracing:
    tracer.recorder.add_patterns(include, exclude)
    folder = tracer.recorder.session.folder
    own = _state.own_trace()
    config = own.config if own is not None else _config_of(folder)
    config.include = [*config.include, *(pattern for pattern in include if pattern not in config.include)]
    config.exclude = [*config.exclude, *(pattern for pattern in exclude if pattern not in config.exclude)]
    _state.config = config
    return Tracing(config, host.basename(folder), joined=True)


def _config_of(folder: str) -> BreadcrumbConfig:
    """Return the settings of a trace that another process began; its database is known only if that was a program."""
    config = BreadcrumbConfig()
    with host.open_file("%s/%s" % (folder, CONFIG_FILE), "rb") as file:
        settings = marshal.load(file)
    capture = settings.get("capture", {})
    config.include, config.exclude = list(settings["include"]), list(settings.get("exclude", ()))
    config.sample_rate = capture.get("sample_rate", DEFAULT_SAMPLE_RATE)
    config.mode = capture.get("mode", DEFAULT_MODE)
    config.max_repr_length = capture.get("max_value_chars", DEFAULT_MAX_VALUE_CHARS)
    config.backend = settings.get("backend", DEFAULT_BACKEND)
    spools = host.dirname(folder)
    config.db_path = spools[: -len(SPOOLS_SUFFIX)] if spools.endswith(SPOOLS_SUFFIX) else ""
    return config


def _program_frame(frame: FrameType) -> FrameType:
    """Return the innermost frame that is the program's."""
    while is_own(frame.f_code.co_filename) and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _warn_unsupported() -> None:
    warnings.warn(
        "breadcrumb.init() traces nothing: it needs Linux and the ordinary CPython, with the GIL",
        RuntimeWarning,
        stacklevel=4,
    )
