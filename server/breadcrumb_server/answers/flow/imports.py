"""Imports in a flow: that they happened is shown, and not what they did.

Definitions and decorators at work are seldom what is looked for, and of a large package they would be all that there is
room for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from breadcrumb_server.answers.flow.outline import AIM_LINES, Below, Lanes, Outliner, Row
from breadcrumb_server.answers.flow.tree import MODULE_BODY, Folding, Group, Item


class OutlinerWithoutImports:
    """Outlines of a tree in which imports are single lines, but where there is nothing besides them.

    Args:
        lanes, below: see Outliner.
        shown: a call that is shown with what it did, even if it is an import.
    """

    def __init__(self, lanes: Lanes, below: Below, shown: int | None) -> None:
        def folded(group: Group, folding: Folding) -> Sequence[Item]:
            return () if group.is_import and group.first_call_id != shown else below(group, folding)

        self._without = Outliner(lanes, folded)
        self._with = Outliner(lanes, below)

    def best(self, max_depth: int | None, lines: int = AIM_LINES) -> list[Row]:
        """As Outliner.best."""
        rows = self._without.best(max_depth, lines)
        return rows if _show_more_than_imports(rows) else self._with.best(max_depth, lines)


def _show_more_than_imports(rows: Iterable[Row]) -> bool:
    groups = [row.group for row in rows if row.group is not None]
    return any(not group.is_import and group.name != f"__main__:{MODULE_BODY}" for group in groups)
