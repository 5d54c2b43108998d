"""Trace a command with the settings, variables and pipes with which the server starts it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from breadcrumb_server.projects.config import ProjectConfig
from breadcrumb_server.runs.launcher import child_environment, make_spool, write_tracer_config
from breadcrumb_server.runs.request import make_request


@contextmanager
def launched(
    config: ProjectConfig, python: str, spools: Path, inherited: Mapping[str, str]
) -> Iterator[tuple[Path, dict[str, str]]]:
    """Make a spool for one run of a program without tests; yield it, and the variables of the command.

    Args:
        config: The project.
        python: The interpreter of the command.
        spools: The folder in which the spool is made.
        inherited: The variables that the command has anyway.
    """
    request = make_request(config, [python], 60)
    trace_id, spool = make_spool(spools)
    write_tracer_config(spool, trace_id, config, request, program_lines=True)
    # In a run the server reads the pipe of secrets. Without a reader the tracer's open() would fail, and cost less.
    reader = os.open(spool / "secrets.fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield spool, child_environment(request, spool, inherited)
    finally:
        os.close(reader)
