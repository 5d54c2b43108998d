"""Render a project's config file."""

from collections.abc import Sequence
from typing import Any, cast

from breadcrumb_server.projects.config import ProjectConfig

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
_SUSPECTS_HELP = """\
# off: no other tests of a file are run before a command that selects single tests, and no lines are compared.
"""
_HELP = {"include": _INCLUDE_HELP, "capture": _CAPTURE_HELP, "redact": _REDACT_HELP, "suspects": _SUSPECTS_HELP}


def render_config(config: ProjectConfig, home_database: str) -> str:
    """Return the text of a new config file, with every key, so that a user sees what can be set.

    Args:
        config: The settings.
        home_database: The ``db_path`` to write if the config has none.
    """
    data: dict[str, Any] = config.model_dump()
    data["db_path"] = data["db_path"] or home_database
    parts = [_HEADER]
    for key, value in data.items():
        parts.append(_HELP.get(key, ""))
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
