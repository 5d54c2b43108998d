"""Rank gaps by how much including them would show, and suggest an include pattern for each."""

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
# Packages that run the user's tests and scripts: tracing them shows how these were run, not what they did.
RUNNERS = frozenset(
    {
        "_pytest", "pytest", "unittest", "coverage", "pytest_cov", "xdist", "runpy",
        "_hypothesis_pytestplugin", "hypothesis", "pytest_asyncio", "tox", "nox",
    }
)  # fmt: skip
# Packages that start workers and notebooks, with code of their own in __main__.
LAUNCHERS = frozenset({"execnet", "ipykernel", "ipykernel_launcher"})
# Without those by which objects of a library are used: a click command is called, a stream is iterated over.
_DUNDER = re.compile(r"(?:.*\.)?__(?!call__|next__|anext__)\w+__$")


@dataclass(frozen=True, slots=True)
class RankedGap:
    """A gap, and the functions that including it would show."""

    row: GapRow
    targets: tuple[Target, ...]  # at least one; the most instructive first
    noise: bool
    launched: bool = False  # no gap: it is a launcher's, or only one called it, such as a console script

    @property
    def origin(self) -> Origin:
        """Return the best origin of its targets: own code before packages before the standard library."""
        return min(self.targets, key=lambda target: ORIGINS.index(target.origin)).origin

    @property
    def suggested_include(self) -> str:
        """Return the pattern that includes the first target; "" if there is none."""
        return self.targets[0].include

    @property
    def full_name(self) -> str:
        """Return the name of the first target: of the called function, or of one that it wraps."""
        return self.targets[0].full_name

    def called_by(self, chars: int) -> str:
        """Render the most frequent caller, cut to ``chars`` characters, and the number of others."""
        others = f" and {self.row.callers - 1:,} more" if self.row.callers > 1 else ""
        return one_line(self.row.caller, chars) + others

    @property
    def wraps_targets(self) -> bool:
        """Return whether it is a wrapper whose targets are the functions that it wraps."""
        return self.full_name != f"{self.row.module}:{self.row.name}"

    @property
    def wraps_traced(self) -> bool:
        """Return whether it wraps only traced functions: including it would show no more than forwarded calls."""
        return bool(self.row.wraps) and self.origin != "own" and not self.wraps_targets


def rank_gaps(rows: Sequence[GapRow], places: Places, config: dict[str, Any]) -> list[RankedGap]:
    """Sort gaps, the most instructive first.

    Python functions come before C functions, which cannot be traced; own code before installed packages before the
    standard library; functions called at run time before those called only by imports; then the order is by time, then
    by calls. Wrappers of traced functions follow, and last noise: module bodies, dunder methods, test runners and what
    a launcher calls, outside of own code.
    """
    patterns = Filter.of(config, places)
    gaps = [
        RankedGap(row, targets_of(row, origin, places, patterns), noise, launched)
        for row, origin in zip(rows, _origins(rows, places), strict=True)
        for launched in [origin != "own" and _is_launched(row, places)]
        for noise in [launched or _is_noise(row, origin)]
    ]
    # An installed package costs too much to be traced whole where its modules do.
    packages = large_packages(
        target.module for gap in gaps if not gap.noise for target in gap.targets if target.origin == "own"
    )
    gaps = [replace(gap, targets=_with_includes(gap, packages, places, patterns)) for gap in gaps]
    return sorted(
        gaps,
        key=lambda gap: (
            gap.noise,
            gap.row.kind == "c",
            gap.wraps_traced,
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
    # Code from exec, such as __init__ of a dataclass, has no file, but the module that it was generated for.
    for index, row in enumerate(rows):
        if row.kind == "python" and (row.file or "<").startswith("<") and row.module.partition(".")[0] in own:
            origins[index] = "own"
    return origins


def _with_includes(gap: RankedGap, packages: set[str], places: Places, patterns: Filter) -> tuple[Target, ...]:
    if gap.row.kind != "python":
        return gap.targets
    return tuple(replace(each, include=include_for(each, packages, places, patterns)) for each in gap.targets)


def _is_launched(row: GapRow, places: Places) -> bool:
    """Return whether it belongs to the start of a program, by which traced code has not called anything yet."""
    is_launcher = row.module.partition(".")[0] in LAUNCHERS
    return is_launcher or all(file and places.is_launcher("__main__", "<module>", file) for file in row.main_files)


def _is_noise(row: GapRow, origin: Origin) -> bool:
    frozen = (row.file or "").startswith("<frozen ")
    runner = row.module.partition(".")[0] in RUNNERS
    return origin != "own" and (frozen or runner or row.name == "<module>" or _DUNDER.match(row.name) is not None)
