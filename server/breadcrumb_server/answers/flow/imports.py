"""Show imports in a flow as single lines, without what they called.

Readers seldom look for definitions and decorators, and those of a large package would fill the whole outline.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from breadcrumb_server.answers.flow.limits import LIMITS
from breadcrumb_server.answers.flow.outline import FindCallees, FindLanes, Outliner, Row
from breadcrumb_server.answers.flow.tree import MODULE_BODY, Folding, Group, Item


class OutlinerWithoutImports:
    """Outlines of a tree in which an import is a single line, unless there is nothing but imports.

    Args:
        lanes: see Outliner.
        callees: see Outliner.
        shown: id of a call that is shown with its callees even if it is an import.
    """

    def __init__(self, lanes: FindLanes, callees: FindCallees, shown: int | None) -> None:
        def without_imports(group: Group, folding: Folding) -> Sequence[Item]:
            return () if group.is_import and group.first_call_id != shown else callees(group, folding)

        self._without = Outliner(lanes, without_imports)
        self._with = Outliner(lanes, callees)

    def best(self, max_depth: int | None, lines: int = LIMITS.aim_lines) -> list[Row]:
        """Return the rows of the most detailed outline, see Outliner.best."""
        rows = self._without.best(max_depth, lines)
        return rows if _show_more_than_imports(rows) else self._with.best(max_depth, lines)


def _show_more_than_imports(rows: Iterable[Row]) -> bool:
    groups = [row.group for row in rows if row.group is not None]
    return any(not group.is_import and group.name != f"__main__:{MODULE_BODY}" for group in groups)
