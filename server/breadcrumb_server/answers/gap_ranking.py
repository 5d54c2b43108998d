"""Which gaps are worth closing first, and with which include pattern."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from breadcrumb_server.answers.places import Origin, Places
from breadcrumb_server.answers.values import is_array
from breadcrumb_server.patterns import matches
from breadcrumb_storage.queries.gaps import GapRow

# From this many modules of a package on, the package is suggested in their place.
MODULES_FOR_PACKAGE = 3

ORIGINS: tuple[Origin, ...] = ("own", "third-party", "stdlib")
# What runs the user's tests and scripts: tracing it shows how they were run, not what they did.
_RUNNERS = frozenset(
    {
        "_pytest", "pytest", "unittest", "coverage", "pytest_cov", "xdist", "runpy",
        "_hypothesis_pytestplugin", "hypothesis", "pytest_asyncio", "tox", "nox",
    }
)  # fmt: skip
# But for __call__, which is how the objects of a library are used: a command of click, a layer of torch.
_DUNDER = re.compile(r"(?:.*\.)?__(?!call__)\w+__$")


@dataclass(frozen=True, slots=True)
class Gap:
    """A gap with whose code it is and the pattern that would have it traced, "" where nothing would."""

    row: GapRow
    origin: Origin
    suggested_include: str
    noise: bool


def rank_gaps(rows: Sequence[GapRow], places: Places, config: dict[str, Any]) -> list[Gap]:
    """The gaps, the one that would teach most first.

    Python before C, which cannot be traced; the user's own code before installed packages before the standard
    library; then by time, then by calls. Module bodies, dunder methods and test runners of others come last.
    """
    origins = _origins(rows, places)
    excluded = patterns_of(config, "exclude")
    noise = [_is_noise(row, origin) for row, origin in zip(rows, origins, strict=True)]
    packages = _packages(row.module for row, is_noise in zip(rows, noise, strict=True) if not is_noise)
    gaps = [
        Gap(row, origin, _include_for(row, origin, packages, places, excluded), is_noise)
        for row, origin, is_noise in zip(rows, origins, noise, strict=True)
    ]
    return sorted(
        gaps,
        key=lambda gap: (
            gap.noise,
            gap.row.kind == "c",
            ORIGINS.index(gap.origin),
            not gap.suggested_include,
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


def patterns_of(config: dict[str, Any], key: str) -> list[str]:
    """The patterns under a key of a trace's configuration."""
    given: object = config.get(key)
    return [str(pattern) for pattern in given] if is_array(given) else []


def _is_noise(row: GapRow, origin: Origin) -> bool:
    frozen = (row.file or "").startswith("<frozen ")
    runner = row.module.partition(".")[0] in _RUNNERS
    return origin != "own" and (frozen or runner or row.name == "<module>" or _DUNDER.match(row.name) is not None)


def _packages(modules: Iterable[str]) -> set[str]:
    """The packages of which many modules are named."""
    counts: Counter[str] = Counter()
    for module in set(modules):
        parts = module.split(".")
        counts.update(".".join(parts[:length]) for length in range(1, len(parts) + 1))
    return {package for package, count in counts.items() if package and count >= MODULES_FOR_PACKAGE}


def _include_for(row: GapRow, origin: Origin, packages: set[str], places: Places, excluded: Sequence[str]) -> str:
    if row.kind != "python" or (row.file or "").startswith("<frozen "):
        return ""
    if (row.file or "").startswith("<") and origin != "own":  # made by exec: no pattern means just this code
        return ""
    root = Path(places.roots[0]) if places.roots else None
    if any(matches(pattern, row.module or "", row.file or "", root) for pattern in excluded):
        return ""
    if not row.module:
        return places.path(row.file) if (row.file or "").endswith(".py") else ""
    if origin != "stdlib":
        parts = row.module.split(".")
        for length in range(len(parts), 0, -1):
            package = ".".join(parts[:length])
            if package in packages:
                return f"{package}.*"
    return row.module
