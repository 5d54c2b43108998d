"""Read the configuration that a trace was recorded with."""

from __future__ import annotations

from typing import Any

from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_storage.queries.traces import TraceRow


def patterns_of(config: dict[str, Any], key: str) -> list[str]:
    """Return the patterns under a key of a configuration, or of a section of one."""
    given: object = config.get(key)
    return [str(pattern) for pattern in given] if is_array(given) else []


def line_patterns(trace: TraceRow) -> list[str]:
    """Return the patterns of functions whose lines the run was to record, ``capture.lines``."""
    capture: object = trace.config.get("capture")
    return patterns_of(capture, "lines") if is_object(capture) else []
