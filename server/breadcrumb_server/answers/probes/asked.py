"""Read which probes a trace was recorded with."""

from __future__ import annotations

from dataclasses import dataclass

from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_storage.queries.traces import TraceRow


@dataclass(frozen=True, slots=True)
class AskedProbe:
    """A probe as it was asked for; texts are redacted. Of ``module``, ``file`` and ``function`` one is given."""

    place: str
    kind: str
    condition: str
    expressions: tuple[str, ...]
    module: str
    file: str
    line: int
    function: str

    @property
    def heading(self) -> str:
        """Return the place with its condition."""
        return f"{self.place} if {self.condition}" if self.condition else self.place


def asked_probes(trace: TraceRow) -> list[AskedProbe]:
    """Return the probes of a trace in their order; none if it was recorded without."""
    given: object = trace.config.get("probes")
    return [_asked(each) for each in given if is_object(each)] if is_array(given) else []


def _asked(each: dict[str, object]) -> AskedProbe:
    def text(name: str) -> str:
        value = each.get(name)
        return value if isinstance(value, str) else ""

    line, expressions = each.get("line"), each.get("expressions")
    return AskedProbe(
        place=text("place"),
        kind=text("kind"),
        condition=text("condition"),
        expressions=tuple(str(value) for value in expressions) if is_array(expressions) else (),
        module=text("module"),
        file=text("file"),
        line=line if isinstance(line, int) else 0,
        function=text("function"),
    )
