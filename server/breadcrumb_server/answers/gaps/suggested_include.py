"""Suggest include patterns that close the gaps of a trace in the next run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from breadcrumb.globs import is_path_pattern
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.next_calls import MAX_CALL_CHARS, call
from breadcrumb_server.answers.common.trace_config import patterns_of
from breadcrumb_server.answers.gaps.ranking import ORIGINS, RUNNERS, RankedGap
from breadcrumb_server.answers.gaps.targets import Target
from breadcrumb_server.workspace.discover import MAIN, discover_include, workspace_code
from breadcrumb_server.workspace.patterns import matches
from breadcrumb_storage.queries.traces import TraceRow

# Patterns to add at once. Own code gets more: it most likely has the bug, and is cheap to trace.
MAX_OWN_INCLUDES = 5
MAX_FOREIGN_INCLUDES = 3


@dataclass(frozen=True, slots=True)
class Expansion:
    """Patterns to add to the include patterns of a project, the most instructive first."""

    patterns: Sequence[str] = ()
    workspace: str | None = None  # to set as well, if the project has none
    only_main: bool = False  # no code was traced but __main__ and runners
    is_foreign: bool = False  # nothing of it is own code

    @property
    def price(self) -> str:
        """Say what it costs to trace whole packages of others; "" if none is suggested."""
        whole = [pattern for pattern in self.patterns if pattern.endswith(".*")] if self.is_foreign else []
        if not whole:
            return ""
        return (
            f"{' and '.join(whole)}: a whole package that is not yours can make a run more than 10 times slower; "
            "a single module costs less"
        )

    def edit_config_call(self, project: str) -> str:
        """Return the call that adds them, with fewer patterns if it gets too long; "" if there are none."""
        patterns = list(self.patterns)
        settings = {"workspace": self.workspace} if self.workspace else None
        while patterns:
            text = call("edit_config", project=project, add_include=patterns, set=settings)
            if len(text) <= MAX_CALL_CHARS:
                return text
            patterns.pop()
        return ""


def next_expansion(trace: TraceRow, gaps: Sequence[RankedGap], traced: Collection[tuple[str, str]]) -> Expansion:
    """Suggest to include all code next to the traced code, and nothing beyond it.

    A first suggestion for a package takes the modules that were called, a second one the whole package, so that all of
    it is reached in two steps. If a framework or a test runner stands between the traced code and the user's, no gap
    leads to the user's code: then patterns for untraced files of the workspace are added.

    Args:
        trace: The trace with the gaps.
        gaps: As ranked by ``rank_gaps``.
        traced: Module and file of each traced function.
    """
    places = Places.of(trace)
    gaps = [gap for gap in gaps if not gap.wraps_traced] or gaps
    own = [module for module, file in traced if places.origin(file, module) == "own"]
    own_is_main = all(module == MAIN for module in own)
    only_main = own_is_main and not any(_is_package(module, file, places) for module, file in traced)
    by_origin = {origin: _includes(trace, places, (gap for gap in gaps if gap.origin == origin)) for origin in ORIGINS}
    if by_origin["own"]:
        return Expansion(by_origin["own"][:MAX_OWN_INCLUDES], None, only_main)
    unseen = _unseen_code(trace, {file for _, file in traced}) if own_is_main else []
    foreign = by_origin["third-party"] or ([] if unseen else by_origin["stdlib"])
    if not (unseen or foreign or own):  # a program of others, with its launcher
        foreign = _includes(trace, places, (gap for gap in gaps if gap.launched), launched=True)
    if unseen and not own:  # only a runner was traced, and its other calls show nothing of the user's code
        foreign = []
    workspace = trace.cwd if unseen and not trace.config.get("workspace") else None
    return Expansion([*unseen, *foreign[:MAX_FOREIGN_INCLUDES]], workspace, only_main, is_foreign=not unseen)


def _is_package(module: str, file: str, places: Places) -> bool:
    """Return whether it is code of an installed package, other than a runner."""
    return module != MAIN and module.partition(".")[0] not in RUNNERS and places.origin(file, module) == "third-party"


def _includes(trace: TraceRow, places: Places, gaps: Iterable[RankedGap], *, launched: bool = False) -> list[str]:
    present = patterns_of(trace.config, "include")
    gaps = [gap for gap in gaps if launched or not gap.noise]
    called_at_run_time = [gap for gap in gaps if not gap.row.importing]
    targets = (target for gap in called_at_run_time or gaps for target in gap.targets)
    patterns = (_include_for(target, present, places) for target in targets if target.include)
    return [pattern for pattern in dict.fromkeys(patterns) if pattern not in present]


def _include_for(target: Target, present: Sequence[str], places: Places) -> str:
    """Return the pattern of the target, or of its whole package or folder if some of that is included already."""
    modules = [pattern for pattern in present if pattern != MAIN and not is_path_pattern(pattern)]
    top = target.module.partition(".")[0]
    if target.origin == "stdlib" or not top:
        return target.include
    if any(pattern.partition(".")[0] == top for pattern in modules):
        return f"{top}.*"
    file = places.path(target.file)
    single_modules = [pattern for pattern in modules if "." not in pattern]
    if target.origin == "own" and file.endswith(f"{top}.py") and not file.startswith("/") and single_modules:
        return str(Path(file).with_name("*.py"))
    return target.include


def _unseen_code(trace: TraceRow, seen: Collection[str]) -> list[str]:
    """Return new patterns for files of the workspace, or else of the working directory, without traced functions."""
    folder = Path(str(trace.config.get("workspace") or trace.cwd or "/")).expanduser()
    if not folder.is_dir() or folder == folder.parent:
        return []
    present = patterns_of(trace.config, "include")
    new = [pattern for pattern in discover_include(folder) if pattern not in present]
    code = [each for each in workspace_code(folder) if each[1] not in seen] if new else []
    return [pattern for pattern in new if any(matches(pattern, module, file, folder) for module, file in code)]
