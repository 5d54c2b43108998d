"""Find the functions that closing a gap would show, and the include pattern for each.

If the gap is a wrapper in a library, such as a decorator, these are the functions that it wraps: tracing the wrapper
would show only how it forwards calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from breadcrumb_server.answers.common.code_origin import Origin, Places
from breadcrumb_server.answers.common.trace_config import patterns_of
from breadcrumb_server.workspace.patterns import matches
from breadcrumb_storage.queries.gaps import GapRow

# Called modules of a package: with this many, the whole package is suggested.
MODULES_FOR_PACKAGE = 3


@dataclass(frozen=True, slots=True)
class Target:
    """A function to trace."""

    module: str
    name: str
    file: str | None
    origin: Origin
    include: str = ""  # the pattern that includes it; "": none does, or not yet determined

    @property
    def full_name(self) -> str:
        """Return ``module:function``."""
        return f"{self.module}:{self.name}"


@dataclass(frozen=True, slots=True)
class Filter:
    """The include and exclude patterns of a trace."""

    include: Sequence[str]
    exclude: Sequence[str]
    root: Path | None

    @classmethod
    def of(cls, config: dict[str, Any], places: Places) -> Filter:
        """Read the patterns of a trace's configuration, with paths relative to the first of ``places``."""
        root = Path(places.roots[0]) if places.roots else None
        return cls(patterns_of(config, "include"), patterns_of(config, "exclude"), root)

    def excludes(self, module: str, file: str | None) -> bool:
        """Return whether an exclude pattern matches."""
        return self._match(self.exclude, module, file)

    def includes(self, module: str, file: str | None) -> bool:
        """Return whether an include pattern matches."""
        return self._match(self.include, module, file)

    def _match(self, patterns: Sequence[str], module: str, file: str | None) -> bool:
        return any(matches(pattern, module, file or "", self.root) for pattern in patterns)


def targets_of(row: GapRow, origin: Origin, places: Places, patterns: Filter) -> tuple[Target, ...]:
    """Return the functions that closing a gap would show, without patterns.

    For a wrapper in a library, these are the wrapped functions that are not included, or else the wrapper itself. For
    the user's own wrappers, they are the wrapper and then these functions.
    """
    itself = Target(row.module, row.name, row.file, origin)
    wrapped = [
        Target(module, name, file or None, places.origin(file or None, module))
        for module, name, file in row.wraps
        if not patterns.includes(module, file)
    ]
    if origin == "own":
        return itself, *wrapped
    return tuple(wrapped) or (itself,)


def large_packages(modules: Iterable[str]) -> set[str]:
    """Return the packages with MODULES_FOR_PACKAGE or more of these modules."""
    counts: Counter[str] = Counter()
    for module in set(modules):
        parts = module.split(".")
        counts.update(".".join(parts[:length]) for length in range(1, len(parts) + 1))
    return {package for package, count in counts.items() if package and count >= MODULES_FOR_PACKAGE}


def include_for(target: Target, packages: set[str], places: Places, patterns: Filter) -> str:
    """Choose the narrowest useful pattern that includes a function; "" if none does.

    Args:
        target: The function.
        packages: Packages to include as a whole.
        places: The folders of the trace.
        patterns: The present patterns: excluded code stays excluded.
    """
    module, file = target.module, target.file or ""
    if file.startswith("<frozen ") or patterns.excludes(module, file):
        return ""
    if file.startswith("<") and target.origin != "own":  # from exec: no pattern would match only this code
        return ""
    if not module:
        return places.path(file) if file.endswith(".py") else ""
    if target.origin != "stdlib":
        parts = module.split(".")
        for length in range(len(parts), 0, -1):
            package = ".".join(parts[:length])
            if package in packages:
                return f"{package}.*"
    return module
