"""Check the databases of projects: can they be opened, and if not, who has them."""

from __future__ import annotations

from collections.abc import Iterator

from breadcrumb_server.doctor.findings import Finding, ok, problem, warning
from breadcrumb_server.projects.config import load_config
from breadcrumb_server.projects.home import Home
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError, DatabaseBusy

# Longer than a running command's writes take, each of which has the file for some 50 ms.
LOCK_SECONDS = 1.0


def check_databases(home: Home, project: str | None) -> Iterator[Finding]:
    """Check the database of a project, or of all.

    Args:
        home: The home folder.
        project: Name of the project; None means all.
    """
    names = [project] if project else home.project_names()
    if not names:
        yield ok("databases", "there are no projects yet")
    for name in names:
        yield _check(home, name)


def _check(home: Home, name: str) -> Finding:
    check = f"database of {name}"
    try:
        file = load_config(home, name).config.database_file(home)
        if not file.exists():
            return ok(check, f"{file} does not exist yet; the first run makes it")
        with Database(file, lock_timeout_seconds=LOCK_SECONDS).read() as con:
            found = con.execute("SELECT count(*) FROM traces").fetchone()
        return ok(check, f"{file} can be opened; {found[0] if found else 0} runs")
    except DatabaseBusy as error:
        return warning(
            check,
            f"{error.what} {error.why}",
            "A run or a query may have it for a moment: try again. If it stays so, end that process, or close its "
            "connection to the file; what is recorded meanwhile is kept in the spool.",
        )
    except BreadcrumbError as error:
        return problem(check, " ".join(part for part in (error.what, error.why) if part), error.hint)
