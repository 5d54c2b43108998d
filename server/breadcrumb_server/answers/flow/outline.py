"""Choose the rows of a flow: as much of its tree as can be read at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from breadcrumb_server.answers.common.budget import first_that_fits, shares
from breadcrumb_server.answers.common.text import counted
from breadcrumb_server.answers.flow.limits import LIMITS
from breadcrumb_server.answers.flow.tree import CallLoop, Folding, Group, Item, Lane, LeftOut
from breadcrumb_server.answers.flow.trivial import left_out_line

FindLanes = Callable[[Folding, int], Sequence[Lane]]
FindCallees = Callable[[Group, Folding], Sequence[Item]]


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a group, a text, or the heading of a lane."""

    indent: int
    group: Group | None = None
    text: str = ""
    lane: Lane | None = None
    parent: Group | None = None
    deeper: bool = False  # the group has callees that are not shown
    left_out: Mapping[str, int] | None = None  # trivial calls below the group that are not shown, by function


_WHOLE = Folding(by_shape=True, min_rounds=7)
_ESSENTIAL = Folding(by_shape=True, min_rounds=7, trivial=False)
_UNFOLDED = Folding(by_shape=True, min_rounds=4, trivial=False)  # except for long repetitions
_BY_SHAPE = Folding(by_shape=True, trivial=False)
_BY_FUNCTION = Folding(by_shape=False, trivial=False)
# The most detailed first.
_FOLDINGS = (_WHOLE, _ESSENTIAL, _UNFOLDED, _BY_SHAPE, _BY_FUNCTION)
_SHORT_FOLDINGS = _FOLDINGS[1:]


@dataclass(frozen=True, slots=True)
class _Callees:
    """What is shown below a group."""

    group: Group  # keeps it alive, as another one could get its id
    items: Sequence[Item]
    left_out: Mapping[str, int]  # trivial calls, by function


class Outliner:
    """The outlines of a tree, from which the most detailed that can be read at once is chosen.

    Args:
        lanes: finds the lanes of the tree, see FlowTree.lanes.
        callees: finds the items below a group, see FlowTree.callees.
    """

    def __init__(self, lanes: FindLanes, callees: FindCallees) -> None:
        self._lines = LIMITS.aim_lines
        self._find_lanes = lanes
        self._known_lanes: dict[Folding, Sequence[Lane]] = {}
        self._find_callees = callees
        self._known_callees: dict[tuple[int, Folding], _Callees] = {}
        self._whole: set[int] = set()  # the groups whose callees are all shown: those at which the tree begins

    def best(self, max_depth: int | None, lines: int = LIMITS.aim_lines) -> list[Row]:
        """Return the rows of the most detailed outline.

        Args:
            max_depth: levels of calls; None: as many as can be read at once.
            lines: the rows to aim at. A given depth may take more.
        """
        self._lines = lines
        foldings = _FOLDINGS if max_depth else _FOLDINGS[:-1]
        outlines = (self._rows(folding, max_depth or LIMITS.max_depth, self._lines) for folding in foldings)
        found = first_that_fits(outlines, self._lines, size=len)
        if found is not None:
            return found
        if max_depth is None:
            return _with_left_out([*self._shortened()])
        rows = self._rows(_BY_FUNCTION, max_depth, LIMITS.max_lines)
        if len(rows) > LIMITS.max_lines:
            rows[LIMITS.max_lines :] = [Row(0, text="… more: begin further in, with root_call_id or function")]
        return rows

    def _rows(self, folding: Folding, depth: int, limit: int) -> list[Row]:
        """Return all rows, or the first ones if there are more than ``limit``: one more than that."""
        return _with_left_out([*islice(self._all_rows(folding, depth), limit + 1)])

    def _all_rows(self, folding: Folding, depth: int) -> Iterator[Row]:
        lanes = self._lanes(folding)
        for lane in lanes:
            headed = _has_heading(lane, lanes)
            if headed:
                yield Row(0, lane=lane)
            yield from self._items(lane.items, None, folding, int(headed), depth)

    def _items(
        self, items: Sequence[Item], parent: Group | None, folding: Folding, indent: int, depth: int
    ) -> Iterator[Row]:
        """Yield the rows of items and their callees, at most ``depth`` levels."""
        for item in items:
            if isinstance(item, Group):
                yield from self._group(item, parent, folding, indent, depth)
            else:
                yield _text_row(item, indent)
                if isinstance(item, CallLoop):
                    yield from self._items(item.items, parent, folding, indent + 1, depth)

    def _group(self, group: Group, parent: Group | None, folding: Folding, indent: int, depth: int) -> Iterator[Row]:
        if depth <= 1:
            yield Row(indent, group, parent=parent, deeper=group.calling)
            return
        rows, last = self._head(group, parent, folding, indent)
        yield from rows
        callees = self._callees(last, folding)
        yield from self._items(callees, last, folding, rows[-1].indent + 1, depth - len(rows))

    def _head(self, group: Group, parent: Group | None, folding: Folding, indent: int) -> tuple[list[Row], Group]:
        """Return the rows of a group and the group whose callees come next.

        A chain, in which a function calls nothing but itself, has three rows: its first call, the number of levels
        between, and its last call.
        """
        chain = [group]
        while (only := self._only_callee(chain[-1], folding)) is not None:
            chain.append(only)
        if len(chain) < LIMITS.min_chain:
            return [self._expanded(indent, group, parent, folding)], group
        between = Row(indent + 1, text=f"… {len(chain) - 2:,} levels of it, each called by the one above")
        last = self._expanded(indent + 2, chain[-1], group, folding)
        return [Row(indent, group, parent=parent), between, last], chain[-1]

    def _only_callee(self, group: Group, folding: Folding) -> Group | None:
        callees = self._callees(group, folding)
        only = callees[0] if len(callees) == 1 else None
        alike = isinstance(only, Group) and (only.name, only.calls) == (group.name, group.calls)
        return only if isinstance(only, Group) and alike and not only.focus and not group.focus else None

    def _expanded(self, indent: int, group: Group, parent: Group | None, folding: Folding) -> Row:
        """Return the row of a group whose callees are on the next rows."""
        below = self._below(group, folding)
        deeper = group.calling and not below.items and not below.left_out
        return Row(indent, group, parent=parent, deeper=deeper, left_out=below.left_out)

    def _lanes(self, folding: Folding) -> Sequence[Lane]:
        if folding not in self._known_lanes:
            lanes = self._known_lanes[folding] = self._find_lanes(folding, LIMITS.max_lanes)
            roots = [item for lane in lanes for item in lane.items]
            if len(roots) == 1:
                self._whole.add(id(roots[0]))
        return self._known_lanes[folding]

    def _callees(self, group: Group, folding: Folding) -> Sequence[Item]:
        return self._below(group, folding).items

    def _below(self, group: Group, folding: Folding) -> _Callees:
        """Return what is below a group, without what is trivial, except below the calls at which the tree begins."""
        known = self._known_callees.get((id(group), folding))
        if known is not None:
            return known
        items = self._find_callees(group, folding)
        left_out: Counter[str] = Counter()
        if id(group) in self._whole:
            # A program's body that only calls main says nothing itself: main begins the tree.
            calling = [item for item in items if not isinstance(item, Group) or (item.calling and not item.is_import)]
            if len(calling) == 1 and isinstance(calling[0], Group):
                self._whole.add(id(calling[0]))
        elif not folding.trivial:
            items = _essential(items, left_out)
        found = self._known_callees[id(group), folding] = _Callees(group, items, left_out)
        return found

    def _shortened(self) -> Iterator[Row]:
        """Yield rows for part of the tree: lines are distributed over its lanes and items."""
        lanes = self._lanes(_BY_SHAPE)
        if len(lanes) > LIMITS.max_lanes_by_shape:
            lanes = self._lanes(_BY_FUNCTION)
        sizes = [self._size(lane.items, self._lines) for lane in lanes]
        granted = shares(sizes, self._lines - len(lanes), even=True)
        for lane, share in zip(lanes, granted, strict=True):
            headed = _has_heading(lane, lanes)
            if headed:
                yield Row(0, lane=lane)
            yield from self._shortened_items([lane.items], None, int(headed), max(share, LIMITS.min_lane_lines))

    def _shortened_items(
        self, items: Sequence[Sequence[Item]], parent: Group | None, indent: int, lines: int
    ) -> Iterator[Row]:
        """Yield about ``lines`` rows for siblings.

        Args:
            items: the siblings for each of _SHORT_FOLDINGS, or folded in one way.
            parent: their caller.
            indent: of their rows.
            lines: the rows to aim at.
        """
        outlines = (
            [*islice(self._items(siblings, parent, folding, indent, LIMITS.max_depth), lines + 1)]
            for folding, siblings in zip(_SHORT_FOLDINGS, items, strict=False)
        )
        rows = first_that_fits(outlines, lines, size=len)
        if rows is not None:
            yield from rows
            return
        fitting = next((each for each in items if len(each) * 3 <= lines), items[-1])
        is_whole = parent is not None and id(parent) in self._whole and len(fitting) <= lines
        shown, left = _split(fitting, len(fitting) if is_whole else max(lines * 2 // 3, 2))
        sizes = [self._size([item], lines) - 1 for item in shown]
        granted = shares(sizes, lines - len(shown), even=True)
        for item, share in zip(shown, granted, strict=True):
            yield from self._shortened_item(item, parent, indent, share)
        if left:
            yield Row(
                indent,
                text=f"… {len(left):,} more, {counted(sum(map(_calls, left)), 'call')}: {_arguments_for_all(parent)}",
            )

    def _shortened_item(self, item: Item, parent: Group | None, indent: int, lines: int) -> Iterator[Row]:
        """Yield the row of an item, and about ``lines`` rows below it."""
        if not isinstance(item, Group):
            yield _text_row(item, indent)
            if isinstance(item, CallLoop):
                yield from self._shortened_items([item.items], parent, indent + 1, max(lines, len(item.items)))
            return
        if lines < 1:
            yield Row(indent, item, parent=parent, deeper=item.calling)
            return
        rows, last = self._head(item, parent, _BY_FUNCTION, indent)
        yield from rows
        ways = [self._callees(last, folding) for folding in _SHORT_FOLDINGS]
        yield from self._shortened_items(ways, last, rows[-1].indent + 1, max(lines - len(rows) + 1, 1))

    def _size(self, items: Sequence[Item], limit: int) -> int:
        """Count the rows of items and everything below them, up to ``limit``."""
        return sum(1 for _ in islice(self._items(items, None, _BY_FUNCTION, 0, LIMITS.max_depth), limit))


def _essential(items: Sequence[Item], left_out: Counter[str]) -> list[Item]:
    """Return items without the trivial ones, which are counted by function."""
    kept: list[Item] = []
    for item in items:
        if isinstance(item, Group) and item.trivial:
            left_out[item.name] += item.calls
        elif not isinstance(item, CallLoop):
            kept.append(item)
        elif inside := _essential(item.items, left_out):
            kept.append(CallLoop(inside, item.rounds, item.first_calls))
    return kept


def _with_left_out(rows: list[Row]) -> list[Row]:
    """Add a row that counts the trivial calls that the others leave out."""
    left_out: Counter[str] = Counter()
    for row in rows:
        left_out.update(row.left_out or {})
    return [*rows, Row(0, text=left_out_line(left_out))] if left_out else rows


def _has_heading(lane: Lane, lanes: Sequence[Lane]) -> bool:
    return len(lanes) > 1 or len(lane.threads) > 1


def _text_row(item: CallLoop | LeftOut, indent: int) -> Row:
    if isinstance(item, CallLoop):
        sure = f" (in the order of the first {item.first_calls:,} calls)" if item.first_calls else ""
        return Row(indent, text=f"{item.rounds:,} rounds of{sure}:")
    return Row(indent, text=f"… {counted(item.calls, 'call')} {item.where}")


def _split(items: Sequence[Item], most: int) -> tuple[list[Item], list[Item]]:
    """Divide items into the ``most`` that matter, and the others."""
    by_weight = sorted(range(len(items)), key=lambda at: -_weight(items[at]))
    kept = set(by_weight[:most])
    return [items[at] for at in sorted(kept)], [item for at, item in enumerate(items) if at not in kept]


def _calls(item: Item) -> int:
    return sum(map(_calls, item.items)) if isinstance(item, CallLoop) else item.calls


def _arguments_for_all(parent: Group | None) -> str:
    """Name the arguments of get_flow that show all callees of a group, in pages."""
    if parent is None:
        return "max_depth=1 shows all"
    if parent.calls == 1:
        return f"root_call_id={parent.first_call_id}, max_depth=2 shows all"
    return f'function="{parent.name}", max_depth=2 shows all'


def _weight(item: Item) -> float:
    """Rank an item: infinite if it must not be left out, else by its time, with imports last."""
    if isinstance(item, LeftOut):
        return float("inf")
    if isinstance(item, CallLoop):
        return sum(_weight(each) for each in item.items)
    notable = item.raised or item.unfinished or item.focus
    return float("inf") if notable else float(item.total_ns) * (not item.is_import)
