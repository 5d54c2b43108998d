"""What closing a gap would show, and with which include pattern: the function itself, or what a wrapper was called for.

To include a library's decorators shows how they pass calls on. What they pass them on to is what was called for.
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

# From this many modules of a package on, the package is suggested in their place.
MODULES_FOR_PACKAGE = 3


@dataclass(frozen=True, slots=True)
class Target:
    """A function that is to be seen, whose code it is, and the pattern that takes it, "" where none does."""

    module: str
    name: str
    file: str | None
    origin: Origin
    include: str = ""

    @property
    def full_name(self) -> str:
        return f"{self.module}:{self.name}"


@dataclass(frozen=True, slots=True)
class Filter:
    """The include and exclude patterns of a trace."""

    include: Sequence[str]
    exclude: Sequence[str]
    root: Path | None

    @classmethod
    def of(cls, config: dict[str, Any], places: Places) -> Filter:
        root = Path(places.roots[0]) if places.roots else None
        return cls(patterns_of(config, "include"), patterns_of(config, "exclude"), root)

    def excludes(self, module: str, file: str | None) -> bool:
        return self._match(self.exclude, module, file)

    def includes(self, module: str, file: str | None) -> bool:
        return self._match(self.include, module, file)

    def _match(self, patterns: Sequence[str], module: str, file: str | None) -> bool:
        return any(matches(pattern, module, file or "", self.root) for pattern in patterns)


def targets_of(row: GapRow, origin: Origin, places: Places, patterns: Filter) -> tuple[Target, ...]:
    """What is to be seen behind a gap, without patterns yet.

    Of a wrapper what it was called for, as far as that is not included: the user's own wrappers stand before it, those
    of others are passed over. Where all of that is included, the wrapper itself.
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
    """The packages of which many modules are named."""
    counts: Counter[str] = Counter()
    for module in set(modules):
        parts = module.split(".")
        counts.update(".".join(parts[:length]) for length in range(1, len(parts) + 1))
    return {package for package, count in counts.items() if package and count >= MODULES_FOR_PACKAGE}


def include_for(target: Target, packages: set[str], places: Places, patterns: Filter) -> str:
    """The narrowest useful pattern that takes the function; "" where none does."""
    module, file = target.module, target.file or ""
    if file.startswith("<frozen ") or patterns.excludes(module, file):
        return ""
    if file.startswith("<") and target.origin != "own":  # made by exec: no pattern means just this code
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
