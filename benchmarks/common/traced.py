"""Trace a program into a folder as `run` does, without a server that reads it."""

from __future__ import annotations

import importlib.util
import marshal
import os
from collections.abc import Sequence
from pathlib import Path

from breadcrumb import record_format


def inject_folder() -> str:
    """Return the folder that is put on the path of a program to trace it."""
    spec = importlib.util.find_spec("breadcrumb")
    assert spec is not None and spec.origin is not None
    return str(Path(spec.origin).parent / "_inject")


def write_settings(spool: Path, workspace: Path, include: Sequence[str], **settings: object) -> None:
    """Write the settings of a traced run.

    Args:
        spool: The folder in which they are read and everything is recorded.
        workspace: The folder of the program.
        include: The patterns of what is traced.
        settings: Further settings of the tracer, such as `capture`; those that are missing have their defaults.
    """
    written = {
        "format": record_format.FORMAT_VERSION,
        "workspace": str(workspace),
        "include": list(include),
        "exclude": [],
        "capture": {},
        "redact": [],
        "backend": "auto",
        **settings,
    }
    (spool / record_format.CONFIG_FILE).write_bytes(marshal.dumps(written, 2))


def untraced_environment() -> dict[str, str]:
    """Return the variables of a program that is not traced, whatever traces this one."""
    ours = ("PYTHONPATH", record_format.ENV_TRACE)
    return {key: value for key, value in os.environ.items() if key not in ours}


def traced_environment(spool: Path, core: str | None = None) -> dict[str, str]:
    """Return the variables that trace a program into a folder with settings.

    Args:
        spool: The folder.
        core: The core that records; None: the one of this environment, or the default.
    """
    variables = {**untraced_environment(), "PYTHONPATH": inject_folder(), record_format.ENV_TRACE: str(spool)}
    return variables if core is None else {**variables, record_format.ENV_CORE: core}


def core_in(spool: Path) -> str:
    """Return the core that recorded into a folder."""
    events = b"".join(file.read_bytes() for file in spool.glob("*" + record_format.EVENTS_SUFFIX))
    return record_format.CORE_C if b'"core": "c"' in events else record_format.CORE_PURE
