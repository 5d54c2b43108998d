"""Find the module of a library whose tracing makes a run too slow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.next_calls import call
from breadcrumb_server.answers.common.text import bounded_text
from breadcrumb_server.workspace.discover import MAIN
from breadcrumb_storage.queries.functions import FunctionTime
from breadcrumb_storage.queries.traces import TraceRow

# Calls of a run. Tracing fewer takes a fraction of a second: then the program itself is slow, or waits.
MIN_CALLS = 100_000
# Share of these calls: leaving out a module with fewer would gain little.
MIN_SHARE = 0.2
# Milliseconds that a program runs before its run counts as too long.
MIN_RUNNING_MS = 20_000


def is_slowed_down(trace: TraceRow, functions: Sequence[FunctionTime]) -> bool:
    """Return whether a run takes or took too long, and the tracing of its many calls may be the reason."""
    too_long = trace.status == "timeout" or (trace.status == "running" and (trace.duration_ms or 0) >= MIN_RUNNING_MS)
    return too_long and sum(each.started for each in functions) >= MIN_CALLS


@dataclass(frozen=True, slots=True)
class BusyModule:
    """The module of a library with the most calls of a run that takes too long."""

    module: str
    calls: int
    of_calls: int
    exact: bool

    @classmethod
    def of(cls, trace: TraceRow, functions: Sequence[FunctionTime], places: Places) -> BusyModule | None:
        """Find the module; None if the run is not slowed down, or no library has a large share of its calls."""
        if not is_slowed_down(trace, functions):
            return None
        calls: Counter[str] = Counter()
        for each in functions:
            if each.module != MAIN and places.origin(each.file, each.module) != "own":
                calls[each.module] += each.started
        of_calls = sum(each.started for each in functions)
        module, most = calls.most_common(1)[0] if calls else ("", 0)
        exact = all(each.exact for each in functions)
        return cls(module, most, of_calls, exact) if module and most >= MIN_SHARE * of_calls else None

    def edit_config_call(self, project: str) -> str:
        """Propose to exclude the module."""
        return call("edit_config", project=project, add_exclude=[self.module])

    @property
    def note(self) -> str:
        """Explain the proposal."""
        return (
            f"{bounded_text(self.calls, exact=self.exact)} of the {bounded_text(self.of_calls, exact=self.exact)} "
            f"calls are of {self.module}: "
            "tracing them takes time, which a run without that module saves"
        )
