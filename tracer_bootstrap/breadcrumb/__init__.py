"""Breadcrumb's tracer: what runs inside the traced process. Standard library only, Python 3.8 syntax.

``breadcrumb.init()`` traces the program that calls it; docs/python-api.md describes it. The names below are imported
when they are first used: the tracer is also started from outside, in programs that never ask for them.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List

    from .api import (
        BreadcrumbConfig,
        Tracing,
        get_backend,
        get_config,
        get_events,
        init,
        reset_config,
        shutdown,
        stop,
    )

__version__ = "0.1.0"

__all__ = [
    "BreadcrumbConfig",
    "Tracing",
    "get_backend",
    "get_config",
    "get_events",
    "init",
    "reset_config",
    "shutdown",
    "stop",
]


def __getattr__(name: str) -> "Any":
    if name not in __all__:
        raise AttributeError("module 'breadcrumb' has no attribute %r" % name)
    from .runtime import own_builtins

    own_builtins.find_own_modules()
    from . import api

    found = globals()[name] = getattr(api, name)
    return found


def __dir__() -> "List[str]":
    return sorted({*globals(), *__all__})
