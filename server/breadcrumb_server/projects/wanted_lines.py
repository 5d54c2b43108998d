"""Remember the functions of a project whose executed lines the next run records, since they were asked for.

Blocking: call it in a worker thread.
"""

import json
from collections.abc import Sequence

from pydantic import TypeAdapter

from breadcrumb_server.projects.atomic_file import write_file
from breadcrumb_server.projects.home import Home

# Functions that are remembered, the last ones asked for: each makes the runs slower.
MAX_FUNCTIONS = 20


def wanted_lines(home: Home, project: str) -> list[str]:
    """Return the functions as ``module:function``, the one asked for last at the end; none if the file is damaged."""
    try:
        return TypeAdapter(list[str]).validate_json(home.wanted_lines_file(project).read_bytes())
    except (OSError, ValueError):
        return []


def want_lines(home: Home, project: str, functions: Sequence[str]) -> None:
    """Remember functions.

    Args:
        home: The home folder.
        project: Name of the project, which must exist.
        functions: Each as ``module:function``.

    Raises:
        BreadcrumbError: The file cannot be written.
    """
    with home.locked():
        known = wanted_lines(home, project)
        kept = [each for each in known if each not in functions]
        wanted = [*kept, *dict.fromkeys(functions)][-MAX_FUNCTIONS:]
        if wanted != known:
            write_file(home.wanted_lines_file(project), json.dumps(wanted, indent=1) + "\n")
