"""Check the arguments of ``init``, and let the environment override them."""

from __future__ import annotations

import sys

from ..globs import is_path_pattern
from ..record_format import DEFAULT_BACKEND, DEFAULT_MAX_VALUE_CHARS, DEFAULT_MODE, DEFAULT_SAMPLE_RATE
from ..runtime.system import system
from .host import host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Mapping, Optional

ENV_ENABLED = "BREADCRUMB_ENABLED"
ENV_DB_PATH = "BREADCRUMB_DB_PATH"
ENV_SAMPLE_RATE = "BREADCRUMB_SAMPLE_RATE"

DEFAULT_DB_PATH = ".breadcrumb/traces.duckdb"

# The program's own code: its main module, and what is below the current folder.
DEFAULT_INCLUDE = ("__main__", "**/*.py")
# What may be below the current folder and is not the program's own, or is the main module and is not.
_NOT_OWN = ("**/site-packages/**", "**/dist-packages/**", "/**/site-packages/**", "/**/dist-packages/**")

# Each name that is accepted, and what it means. "pep669" and "sqlite" are what an older Breadcrumb called them.
_BACKENDS = {
    "auto": "auto",
    "monitoring": "monitoring",
    "pep669": "monitoring",
    "settrace": "settrace",
    "sqlite": "settrace",
}
_MODES = ("adaptive", "full")

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")

# Of a DuckDB file, after the checksum of its first block.
_DUCKDB_MARK, _DUCKDB_MARK_AT = b"DUCK", 8


class BreadcrumbConfig:
    """The settings of a trace, checked.

    Args:
        enabled: Whether anything is traced.
        include: Patterns of the code to trace: module globs (``shop.*``), or path globs with a slash or the ending
            ``.py``, relative to the current folder (``src/**/*.py``). None: the main module, and what is below the
            current folder except for installed packages.
        exclude: Patterns of code not to trace; they win over *include*.
        sample_rate: The share of calls that may be recorded, 0 to 1.
        db_path: The DuckDB file that the trace is written to.
        backend: ``auto``, ``monitoring`` (or ``pep669``) or ``settrace``.
        max_repr_length: Characters of a recorded value.
        label: A name for the trace.
        mode: ``adaptive``, which records the first calls of each function and samples later ones, or ``full``.

    Raises:
        ValueError: A value is not among those that are allowed, which the message names.
        TypeError: A value has the wrong type.
    """

    def __init__(
        self,
        enabled: bool = True,
        include: Optional[Iterable[str]] = None,
        exclude: Optional[Iterable[str]] = None,
        sample_rate: float = DEFAULT_SAMPLE_RATE,
        db_path: Any = DEFAULT_DB_PATH,
        backend: str = DEFAULT_BACKEND,
        max_repr_length: int = DEFAULT_MAX_VALUE_CHARS,
        label: Optional[str] = None,
        mode: str = DEFAULT_MODE,
    ) -> None:
        self.enabled = _checked_enabled(enabled)
        self.include = list(DEFAULT_INCLUDE) if include is None else _checked_patterns("include", include)
        self.exclude = [] if exclude is None else _checked_patterns("exclude", exclude)
        self.sample_rate = _checked_rate(sample_rate)
        self.db_path = _checked_path(db_path)
        self.backend = _checked_backend(backend)
        self.max_repr_length = _checked_length(max_repr_length)
        self.label = _checked_label(label)
        self.mode = _checked_mode(mode)

    def to_dict(self) -> Dict[str, Any]:
        """Return the settings by the names of the arguments."""
        names = ("enabled", "include", "exclude", "sample_rate", "db_path", "backend", "max_repr_length")
        return {name: getattr(self, name) for name in (*names, "label", "mode")}

    def summary(self) -> str:
        """Return the settings in one line."""
        settings = self.to_dict()
        enabled = "enabled" if settings.pop("enabled") else "disabled"
        return "Breadcrumb %s: %s" % (enabled, ", ".join("%s=%r" % item for item in settings.items()))

    def __repr__(self) -> str:
        return "%s(%s)" % (type(self).__name__, ", ".join("%s=%r" % item for item in self.to_dict().items()))


def with_environment(arguments: Dict[str, Any], environment: Mapping[str, str]) -> BreadcrumbConfig:
    """Return the settings of a trace.

    Args:
        arguments: The arguments that ``init`` was given, by name; None stands for the default.
        environment: The variables ``BREADCRUMB_ENABLED``, ``BREADCRUMB_DB_PATH`` and ``BREADCRUMB_SAMPLE_RATE`` win
            over arguments; an empty one counts as not set.

    Raises:
        ValueError: A value is not allowed.
        TypeError: A value has the wrong type.
    """
    config = BreadcrumbConfig(**{name: value for name, value in arguments.items() if value is not None})
    text = environment.get(ENV_ENABLED, "").strip().lower()
    if text:
        if text not in _TRUE and text not in _FALSE:
            raise ValueError(
                "the environment variable %s is %r: write one of %s"
                % (ENV_ENABLED, environment[ENV_ENABLED], ", ".join((*_TRUE, *_FALSE)))
            )
        config.enabled = text in _TRUE
    text = environment.get(ENV_SAMPLE_RATE, "").strip()
    if text:
        try:
            config.sample_rate = _checked_rate(float(text))
        except ValueError:
            raise ValueError(
                "the environment variable %s is %r: write a number from 0 to 1" % (ENV_SAMPLE_RATE, text)
            ) from None
    if environment.get(ENV_DB_PATH):
        config.db_path = _checked_path(environment[ENV_DB_PATH])
    return config


def tracer_settings(config: BreadcrumbConfig) -> Dict[str, Any]:
    """Return the settings in the form that the tracer reads: ``include``, ``exclude``, ``workspace`` and the like."""
    include = list(config.include)
    exclude = list(config.exclude)
    if "**/*.py" in include:
        exclude += _NOT_OWN
        exclude.append(system.standard_library + "/**")
        folder = _main_folder()
        if folder and include == list(DEFAULT_INCLUDE):
            include.append(folder + "/**/*.py")
    return {
        "workspace": host.getcwd(),
        "include": include,
        "exclude": exclude,
        "capture": {
            "mode": config.mode,
            "sample_rate": config.sample_rate,
            "max_value_chars": config.max_repr_length,
        },
        "redact": [],
        "backend": config.backend,
    }


def _main_folder() -> str:
    """Return the folder of the program's script, for one that is started from another folder; empty if it has none."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    if type(file) is not str:
        return ""
    folder = host.dirname(host.abspath(file))
    is_own = not any(part in folder + "/" for part in ("/site-packages/", "/dist-packages/", "/bin/"))
    return folder if is_own and not folder.startswith(system.standard_library) and folder != "/" else ""


def _checked_enabled(enabled: Any) -> bool:
    if callable(enabled):
        raise TypeError("breadcrumb.init was given a function: to decorate it, write @breadcrumb.init()")
    if type(enabled) is not bool:
        raise TypeError("enabled must be True or False, not %r" % (enabled,))
    return enabled


def _checked_patterns(name: str, patterns: Any) -> List[str]:
    if not isinstance(patterns, (list, tuple, set, frozenset)):
        shown = '%s=["%s"]' % (name, patterns) if isinstance(patterns, str) else '%s=["shop.*", "src/**/*.py"]' % name
        raise TypeError("%s must be a list of patterns, not %r: write %s" % (name, patterns, shown))
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise TypeError("%s holds %r: a pattern is a text, such as 'shop.*' or 'src/**/*.py'" % (name, pattern))
        if not pattern.strip():
            raise ValueError("%s holds an empty pattern: write one such as 'shop.*' or 'src/**/*.py'" % name)
        if "\\" in pattern and not is_path_pattern(pattern):
            raise ValueError("%s holds %r: write paths with slashes, as in 'src/**/*.py'" % (name, pattern))
    if name == "include" and not patterns:
        raise ValueError("include is empty, so nothing would be traced: leave it out, or give enabled=False")
    return list(patterns)


def _checked_rate(rate: Any) -> float:
    if isinstance(rate, bool) or not isinstance(rate, (int, float)):
        raise TypeError("sample_rate must be a number from 0 to 1, not %r" % (rate,))
    if not 0 <= rate <= 1:
        raise ValueError("sample_rate must be from 0 to 1, not %r" % (rate,))
    return float(rate)


def _checked_path(path: Any) -> str:
    try:
        text = host.fspath(path)
    except TypeError:
        raise TypeError("db_path must be the path of a file, not %r" % (path,)) from None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError("db_path must be the path of a file as a text, such as %r, not %r" % (DEFAULT_DB_PATH, path))
    text = host.expanduser(text)
    if text.endswith("/") or host.isdir(text):
        raise ValueError(
            "db_path is a folder: %r. Name a file in it, such as %r" % (text, text.rstrip("/") + "/traces.duckdb")
        )
    if host.isfile(text) and not _may_be_database(text):
        raise ValueError("db_path is a file of another kind: %r is not a DuckDB database. Name another file" % text)
    return text


def _may_be_database(path: str) -> bool:
    try:
        with host.open_file(path, "rb") as file:
            start = file.read(_DUCKDB_MARK_AT + len(_DUCKDB_MARK))
    except OSError:  # not readable: whoever stores the trace will say so
        return True
    return not start or start[_DUCKDB_MARK_AT:] == _DUCKDB_MARK


def _checked_backend(backend: Any) -> str:
    if backend == "memory":
        raise ValueError("backend 'memory' does not exist: traces are kept in the file db_path. Leave backend out")
    if not isinstance(backend, str) or backend not in _BACKENDS:
        allowed = "'auto', 'monitoring' (or 'pep669', sys.monitoring), 'settrace' (sys.settrace)"
        raise ValueError("backend is %r: write one of %s" % (backend, allowed))
    return _BACKENDS[backend]


def _checked_length(length: Any) -> int:
    if isinstance(length, bool) or not isinstance(length, int):
        raise TypeError("max_repr_length must be a number of characters, not %r" % (length,))
    if length <= 0:
        raise ValueError("max_repr_length must be 1 or more characters, not %r" % length)
    return length


def _checked_label(label: Any) -> Optional[str]:
    if label is not None and not isinstance(label, str):
        raise TypeError("label must be a text, not %r" % (label,))
    return label


def _checked_mode(mode: Any) -> str:
    if mode not in _MODES:
        raise ValueError("mode is %r: write 'adaptive' or 'full'" % (mode,))
    return mode  # type: ignore[no-any-return]
