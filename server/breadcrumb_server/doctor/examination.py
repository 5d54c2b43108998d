"""Make all checks, one after the other; one that fails is a finding itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from breadcrumb_server.doctor.client_entries import check_clients
from breadcrumb_server.doctor.databases import check_databases
from breadcrumb_server.doctor.findings import Examination, Finding, problem
from breadcrumb_server.doctor.first_turn import check_first_turn
from breadcrumb_server.doctor.home_folder import check_home, check_rights, check_space
from breadcrumb_server.doctor.installation import check_namesake, check_programs, check_server, check_tracer
from breadcrumb_server.doctor.traced_python import check_python
from breadcrumb_server.failures import as_breadcrumb_error
from breadcrumb_server.projects.config import load_config
from breadcrumb_server.projects.home import Home

Check = Callable[[], Finding | Iterable[Finding]]
WORST_FIRST = ("problem", "warning", "ok")


def examine(home: Home, *, project: str | None, python: Path | None, folder: Path) -> Examination:
    """Make all checks.

    Args:
        home: The home folder.
        project: A project to examine; None means what is common to all.
        python: The Python to try the tracer in; None means the one that a run would use.
        folder: The folder of the code base, if no project names it.

    Raises:
        BreadcrumbError: The project is unknown, or its config is broken.
    """
    if project:
        folder = load_config(home, project).config.workspace_folder() or folder
    checks: list[tuple[str, Check]] = [
        ("server", check_server),
        ("tracer", check_tracer),
        ("namesake", check_namesake),
        ("programs", check_programs),
        ("home", partial(check_home, home)),
        ("rights", partial(check_rights, home)),
        ("space", partial(check_space, home)),
        ("databases", partial(check_databases, home, project)),
        ("python", partial(check_python, python, folder)),
        ("clients", partial(check_clients, folder)),
        ("first turn", check_first_turn),
    ]
    findings = [finding for name, check in checks for finding in _findings(name, check)]
    findings.sort(key=lambda finding: WORST_FIRST.index(finding.level))
    return Examination(
        problems=sum(finding.level == "problem" for finding in findings),
        warnings=sum(finding.level == "warning" for finding in findings),
        findings=findings,
    )


def _findings(name: str, check: Check) -> Iterator[Finding]:
    try:
        found = check()
        yield from [found] if isinstance(found, Finding) else found
    except Exception as error:
        failure = as_breadcrumb_error(error, f"The check {name!r}")
        yield problem(name, " ".join(part for part in (failure.what, failure.why) if part), failure.hint)
