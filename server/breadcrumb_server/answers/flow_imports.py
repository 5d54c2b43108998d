"""Imports in a flow: that they happened is shown, and not what they did.

Definitions and decorators at work are seldom what is looked for, and of a large package they would be all that there is
room for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from breadcrumb_server.answers.flow_outline import AIM_LINES, Below, Lanes, Outliner, Row
from breadcrumb_server.answers.flow_tree import MODULE_BODY, Folding, Group, Item


def outline_without_imports(
    lanes: Lanes, below: Below, max_depth: int | None, shown: int | None, lines: int = AIM_LINES
) -> list[Row]:
    """The outline of a tree in which imports are single lines, but where there is nothing besides them.

    Args:
        lanes, below, max_depth, lines: see Outliner.
        shown: a call that is shown with what it did, even if it is an import.
    """

    def folded(group: Group, folding: Folding) -> Sequence[Item]:
        return () if group.is_import and group.first_call_id != shown else below(group, folding)

    rows = Outliner(lanes, folded, lines).best(max_depth)
    return rows if _show_more_than_imports(rows) else Outliner(lanes, below, lines).best(max_depth)


def _show_more_than_imports(rows: Iterable[Row]) -> bool:
    groups = [row.group for row in rows if row.group is not None]
    return any(not group.is_import and group.name != f"__main__:{MODULE_BODY}" for group in groups)
