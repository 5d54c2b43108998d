"""Write a project's file: whole and atomically, so that no reader ever sees half of it."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from breadcrumb_server.projects.config import ProjectConfig
from breadcrumb_server.projects.home import FILE_MODE
from breadcrumb_storage.errors import BreadcrumbError

_HEADER = """\
# Breadcrumb project. Change it by hand or with edit_config, which keeps your comments.
"""
_INCLUDE_HELP = """\
# What is traced. Module globs ("shop.*" is shop and everything below it) or path globs relative to
# the workspace (with a "/" or ending in ".py": "tests/**/*.py").
"""
_CAPTURE_HELP = """\
# mode "adaptive" records the first calls_per_function calls of each function in full, "full" all of them.
# lines names functions whose executed lines are recorded too (shop.pricing.total, Cart.*); better per run.
"""
_REDACT_HELP = """\
# Names whose values are secret, besides the built-in ones (password, token, ...): globs like my_secret_*.
"""


def render_config(config: ProjectConfig, home_database: str) -> str:
    """The text of a new file: every key with its value, so that a reader sees what can be set.

    Arguments:
        home_database: what to write as ``db_path`` where the config leaves it to the default.
    """
    data: dict[str, Any] = config.model_dump()
    data["db_path"] = data["db_path"] or home_database
    parts = [_HEADER]
    for key, value in data.items():
        parts.append({"include": _INCLUDE_HELP, "capture": _CAPTURE_HELP, "redact": _REDACT_HELP}.get(key, ""))
        parts.append(_entry(key, value))
    return "".join(parts)


def _entry(key: str, value: Any) -> str:
    from breadcrumb_server.projects.config_edit import flow  # imports yaml

    if isinstance(value, dict):
        section = cast("dict[str, Any]", value)
        return f"{key}:\n" + "".join(f"  {name}: {flow(inner)}\n" for name, inner in section.items())
    if isinstance(value, list) and value:
        return f"{key}:\n" + "".join(f"  - {flow(item)}\n" for item in cast("Sequence[Any]", value))
    return f"{key}: {flow(value)}\n"


def write_file(file: Path, text: str) -> None:
    """Put ``text`` into ``file`` at once: a new file (mode 0600) is written, synced and renamed over the old.

    A file that is a symbolic link stays one; what it points to is replaced.

    Raises:
        BreadcrumbError: It could not be written; the old file is as it was.
    """
    target = Path(os.path.realpath(file))
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        temporary = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), FILE_MODE)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise BreadcrumbError(f"Cannot write {file}.", why=str(error), hint="The file is as it was before.") from error
