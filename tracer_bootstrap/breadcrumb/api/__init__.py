"""Trace a program from within: ``breadcrumb.init()``, as docs/python-api.md describes it.

The way of the data: ``settings`` checks the arguments, ``program_trace`` makes the ``spool_folder`` and starts the same
tracer that ``breadcrumb run`` injects, and at the end ``storing`` starts the process that writes the database.
"""

from __future__ import annotations

from .settings import BreadcrumbConfig
from .tracing import Tracing, get_backend, get_config, get_events, init, reset_config, shutdown, stop

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
