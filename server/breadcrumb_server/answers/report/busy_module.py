"""A run that takes too long because more of a library is traced than it needs: what to leave out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.next_calls import call
from breadcrumb_server.workspace.discover import MAIN
from breadcrumb_storage.queries.functions import FunctionTime
from breadcrumb_storage.queries.traces import TraceRow

# Fewer calls take a fraction of a second to trace, whatever they do: the program itself is slow then, or waits.
MIN_CALLS = 100_000
# A module with a smaller share of them is not what the run would be quicker without.
MIN_SHARE = 0.2
# A run that goes on for less than this is no trouble yet.
MIN_RUNNING_MS = 20_000


def is_slowed_down(trace: TraceRow, functions: Sequence[FunctionTime]) -> bool:
    """Whether a run takes too long, or took too long, and tracing its many calls may be why."""
    too_long = trace.status == "timeout" or (trace.status == "running" and (trace.duration_ms or 0) >= MIN_RUNNING_MS)
    return too_long and sum(each.started for each in functions) >= MIN_CALLS


@dataclass(frozen=True, slots=True)
class BusyModule:
    """The module of a library that most of the calls of a run belong to."""

    module: str
    calls: int
    of_calls: int

    @classmethod
    def of(cls, trace: TraceRow, functions: Sequence[FunctionTime], places: Places) -> BusyModule | None:
        """None where the run is not slowed down, or by the user's own code: that is not to be left out."""
        if not is_slowed_down(trace, functions):
            return None
        calls: Counter[str] = Counter()
        for each in functions:
            if each.module != MAIN and places.origin(each.file, each.module) != "own":
                calls[each.module] += each.started
        of_calls = sum(each.started for each in functions)
        module, most = calls.most_common(1)[0] if calls else ("", 0)
        return cls(module, most, of_calls) if module and most >= MIN_SHARE * of_calls else None

    def edit_config_call(self, project: str) -> str:
        return call("edit_config", project=project, add_exclude=[self.module])

    @property
    def note(self) -> str:
        return (
            f"{self.calls:,} of the {self.of_calls:,} calls are of {self.module}: tracing them takes time that a run "
            "without that module does not need"
        )
