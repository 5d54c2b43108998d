"""Which gaps are worth closing first, and with which include pattern."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from breadcrumb_server.answers.common.code_origin import Origin, Places
from breadcrumb_server.answers.common.text import one_line
from breadcrumb_server.answers.gaps.targets import Filter, Target, include_for, large_packages, targets_of
from breadcrumb_storage.queries.gaps import GapRow

ORIGINS: tuple[Origin, ...] = ("own", "third-party", "stdlib")
# What runs the user's tests and scripts: tracing it shows how they were run, not what they did.
RUNNERS = frozenset(
    {
        "_pytest", "pytest", "unittest", "coverage", "pytest_cov", "xdist", "runpy",
        "_hypothesis_pytestplugin", "hypothesis", "pytest_asyncio", "tox", "nox",
    }
)  # fmt: skip
# But for those that are how the objects of a library are used: a command of click is called, a stream iterated over.
_DUNDER = re.compile(r"(?:.*\.)?__(?!call__|next__|anext__)\w+__$")


@dataclass(frozen=True, slots=True)
class Gap:
    """A gap with what including it would show, the most instructive first; never empty."""

    row: GapRow
    targets: tuple[Target, ...]
    noise: bool

    @property
    def origin(self) -> Origin:
        return min(self.targets, key=lambda target: ORIGINS.index(target.origin)).origin

    @property
    def suggested_include(self) -> str:
        return self.targets[0].include

    @property
    def full_name(self) -> str:
        """What was called: for a wrapper, the function that it wraps."""
        return self.targets[0].full_name

    def called_by(self, chars: int) -> str:
        """Who called it most, cut to so many characters, and how many others did."""
        others = f" and {self.row.callers - 1:,} more" if self.row.callers > 1 else ""
        return one_line(self.row.caller, chars) + others

    @property
    def is_passed_over(self) -> bool:
        """Whether it is a wrapper that hides what it was called for."""
        return self.full_name != f"{self.row.module}:{self.row.name}"

    @property
    def passes_on(self) -> bool:
        """Whether it is a wrapper of what is traced already: including it would only show how it passes calls on."""
        return bool(self.row.wraps) and self.origin != "own" and not self.is_passed_over


def rank_gaps(rows: Sequence[GapRow], places: Places, config: dict[str, Any]) -> list[Gap]:
    """The gaps, the one that would teach most first.

    Python before C, which cannot be traced; the user's own code before installed packages before the standard
    library; what is called at run time before what only the import of modules called; then by time, then by calls.
    Wrappers of what is traced already, and module bodies, dunder methods and test runners of others come last.
    """
    patterns = Filter.of(config, places)
    gaps = [
        Gap(row, targets_of(row, origin, places, patterns), _is_noise(row, origin))
        for row, origin in zip(rows, _origins(rows, places), strict=True)
    ]
    packages = large_packages(target.module for gap in gaps if not gap.noise for target in gap.targets)
    gaps = [replace(gap, targets=_with_includes(gap, packages, places, patterns)) for gap in gaps]
    return sorted(
        gaps,
        key=lambda gap: (
            gap.noise,
            gap.row.kind == "c",
            gap.passes_on,
            ORIGINS.index(gap.origin),
            not gap.suggested_include,
            gap.row.importing,
            gap.row.name == "<module>",
            -gap.row.time_ns,
            -gap.row.call_count,
            gap.row.module,
            gap.row.name,
        ),
    )


def _origins(rows: Sequence[GapRow], places: Places) -> list[Origin]:
    origins: list[Origin] = [places.origin(row.file, row.module) for row in rows]
    own = {row.module.partition(".")[0] for row, origin in zip(rows, origins, strict=True) if origin == "own"}
    # Code from exec (a dataclass's __init__, say) has no file; it belongs to the module that it was made for.
    for index, row in enumerate(rows):
        if row.kind == "python" and (row.file or "<").startswith("<") and row.module.partition(".")[0] in own:
            origins[index] = "own"
    return origins


def _with_includes(gap: Gap, packages: set[str], places: Places, patterns: Filter) -> tuple[Target, ...]:
    if gap.row.kind != "python":
        return gap.targets
    return tuple(replace(each, include=include_for(each, packages, places, patterns)) for each in gap.targets)


def _is_noise(row: GapRow, origin: Origin) -> bool:
    frozen = (row.file or "").startswith("<frozen ")
    runner = row.module.partition(".")[0] in RUNNERS
    return origin != "own" and (frozen or runner or row.name == "<module>" or _DUNDER.match(row.name) is not None)
