"""Which groups of a flow's tree are shown, and in which order: as much of the tree as can be read at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from breadcrumb_server.answers.common.budget import first_that_fits, shares
from breadcrumb_server.answers.common.text import counted
from breadcrumb_server.answers.flow.tree import Folding, Group, Item, Lane, LeftOut, Loop

# Lines that a page has room for: beyond them, more is folded and less deep shown.
AIM_LINES = 80
MAX_LINES = 2_000
MAX_DEPTH = 50
# Threads that are shown one by one.
FEW_LANES = 12
_FEW_LANES_BY_SHAPE = 6
# Of a thread, where there are many.
_LEAST_LINES = 4
# A function that does nothing but call itself, so deep at least, is shown by its first and its last call.
MIN_CHAIN = 5

Below = Callable[[Group, Folding], Sequence[Item]]
Lanes = Callable[[Folding, int], Sequence[Lane]]


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a group, or a text; or the threads whose calls come below."""

    indent: int
    group: Group | None = None
    text: str = ""
    lane: Lane | None = None
    parent: Group | None = None
    deeper: bool = False  # what the group called is not shown


_BY_SHAPE = Folding(by_shape=True)
_BY_FUNCTION = Folding(by_shape=False)
_UNFOLDED = Folding(by_shape=True, min_rounds=4)  # but for what is long
_FOLDINGS = (_UNFOLDED, _BY_SHAPE, _BY_FUNCTION)


class Outliner:
    """Finds the most detailed outline that can be read at once.

    Args:
        lanes, below: the tree, see FlowTree.
    """

    def __init__(self, lanes: Lanes, below: Below) -> None:
        self._lines = AIM_LINES
        self._find_lanes = lanes
        self._known_lanes: dict[Folding, Sequence[Lane]] = {}
        self._find_below = below
        self._known: dict[tuple[int, Folding], tuple[Group, Sequence[Item]]] = {}

    def best(self, max_depth: int | None, lines: int = AIM_LINES) -> list[Row]:
        """The rows of ``max_depth`` levels; where that is None, of what can be read at once.

        Args:
            lines: that there is room for.
        """
        self._lines = lines
        foldings = _FOLDINGS if max_depth else (_UNFOLDED, _BY_SHAPE)
        outlines = (self._rows(folding, max_depth or MAX_DEPTH, self._lines) for folding in foldings)
        found = first_that_fits(outlines, self._lines, size=len)
        if found is not None:
            return found
        if max_depth is None:
            return [*self._most_of_it()]
        rows = self._rows(_BY_FUNCTION, max_depth, MAX_LINES)
        if len(rows) > MAX_LINES:
            rows[MAX_LINES:] = [Row(0, text="… more: begin further in, with root_call_id or function")]
        return rows

    def _rows(self, folding: Folding, depth: int, limit: int) -> list[Row]:
        """All rows, or the first of them, one more than ``limit``."""
        return [*islice(self._all(folding, depth), limit + 1)]

    def _all(self, folding: Folding, depth: int) -> Iterator[Row]:
        lanes = self._lanes(folding)
        for lane in lanes:
            headed = _has_heading(lane, lanes)
            if headed:
                yield Row(0, lane=lane)
            yield from self._items(lane.items, None, folding, int(headed), depth)

    def _items(
        self, items: Sequence[Item], parent: Group | None, folding: Folding, indent: int, depth: int
    ) -> Iterator[Row]:
        """The items and what is below them, at most ``depth`` levels."""
        for item in items:
            if isinstance(item, Group):
                yield from self._group(item, parent, folding, indent, depth)
            else:
                yield _text_row(item, indent)
                if isinstance(item, Loop):
                    yield from self._items(item.items, parent, folding, indent + 1, depth)

    def _group(self, group: Group, parent: Group | None, folding: Folding, indent: int, depth: int) -> Iterator[Row]:
        if depth <= 1:
            yield Row(indent, group, parent=parent, deeper=group.calling)
            return
        rows, last = self._head(group, parent, folding, indent)
        yield from rows
        below = self._below(last, folding)
        yield from self._items(below, last, folding, rows[-1].indent + 1, depth - len(rows))

    def _head(self, group: Group, parent: Group | None, folding: Folding, indent: int) -> tuple[list[Row], Group]:
        """The row of a group; of a chain of calls, each all that the one before called, the first and the last."""
        chain = [group]
        while (only := self._only_child(chain[-1], folding)) is not None:
            chain.append(only)
        if len(chain) < MIN_CHAIN:
            return [Row(indent, group, parent=parent, deeper=self._hides(group, folding))], group
        between = Row(indent + 1, text=f"… {len(chain) - 2:,} levels of it, each called by the one above")
        last = Row(indent + 2, chain[-1], parent=group, deeper=self._hides(chain[-1], folding))
        return [Row(indent, group, parent=parent), between, last], chain[-1]

    def _only_child(self, group: Group, folding: Folding) -> Group | None:
        below = self._below(group, folding)
        only = below[0] if len(below) == 1 else None
        alike = isinstance(only, Group) and (only.name, only.calls) == (group.name, group.calls)
        return only if isinstance(only, Group) and alike and not only.focus and not group.focus else None

    def _hides(self, group: Group, folding: Folding) -> bool:
        return group.calling and not self._below(group, folding)

    def _lanes(self, folding: Folding) -> Sequence[Lane]:
        if folding not in self._known_lanes:
            self._known_lanes[folding] = self._find_lanes(folding, FEW_LANES)
        return self._known_lanes[folding]

    def _below(self, group: Group, folding: Folding) -> Sequence[Item]:
        known = self._known.get((id(group), folding))
        if known is None:  # with the group itself, lest another one gets its id
            known = self._known[id(group), folding] = group, self._find_below(group, folding)
        return known[1]

    def _most_of_it(self) -> Iterator[Row]:
        """The rows where not all can be shown: every part has its share of the lines."""
        lanes = self._lanes(_BY_SHAPE)
        if len(lanes) > _FEW_LANES_BY_SHAPE:
            lanes = self._lanes(_BY_FUNCTION)
        sizes = [self._size(lane.items, self._lines) for lane in lanes]
        granted = shares(sizes, self._lines - len(lanes), even=True)
        for lane, share in zip(lanes, granted, strict=True):
            headed = _has_heading(lane, lanes)
            if headed:
                yield Row(0, lane=lane)
            yield from self._part([lane.items], None, int(headed), max(share, _LEAST_LINES))

    def _part(self, items: Sequence[Sequence[Item]], parent: Group | None, indent: int, lines: int) -> Iterator[Row]:
        """Siblings in about so many lines.

        Args:
            items: in the ways in which they can be folded, as _FOLDINGS, or just one.
        """
        outlines = (
            [*islice(self._items(siblings, parent, folding, indent, MAX_DEPTH), lines + 1)]
            for folding, siblings in zip(_FOLDINGS, items, strict=False)
        )
        rows = first_that_fits(outlines, lines, size=len)
        if rows is not None:
            yield from rows
            return
        shown, left = _split(
            next((each for each in items if len(each) * 3 <= lines), items[-1]), max(lines * 2 // 3, 2)
        )
        sizes = [self._size([item], lines) - 1 for item in shown]
        granted = shares(sizes, lines - len(shown), even=True)
        for item, share in zip(shown, granted, strict=True):
            yield from self._share(item, parent, indent, share)
        if left:
            yield Row(
                indent,
                text=f"… {len(left):,} more, {counted(sum(map(_calls, left)), 'call')}: {_how_to_see_all(parent)}",
            )

    def _share(self, item: Item, parent: Group | None, indent: int, below: int) -> Iterator[Row]:
        """An item, and so many lines below it."""
        if not isinstance(item, Group):
            yield _text_row(item, indent)
            if isinstance(item, Loop):
                yield from self._part([item.items], parent, indent + 1, max(below, len(item.items)))
            return
        if below < 1:
            yield Row(indent, item, parent=parent, deeper=item.calling)
            return
        rows, last = self._head(item, parent, _BY_FUNCTION, indent)
        yield from rows
        ways = [self._below(last, folding) for folding in _FOLDINGS]
        yield from self._part(ways, last, rows[-1].indent + 1, max(below - len(rows) + 1, 1))

    def _size(self, items: Sequence[Item], limit: int) -> int:
        """The lines of all that is below, but not more than ``limit``."""
        return sum(1 for _ in islice(self._items(items, None, _BY_FUNCTION, 0, MAX_DEPTH), limit))


def _has_heading(lane: Lane, lanes: Sequence[Lane]) -> bool:
    return len(lanes) > 1 or len(lane.threads) > 1


def _text_row(item: Loop | LeftOut, indent: int) -> Row:
    if isinstance(item, Loop):
        sure = f" (in the order of the first {item.looked_at:,} calls)" if item.looked_at else ""
        return Row(indent, text=f"{item.rounds:,} rounds of{sure}:")
    return Row(indent, text=f"… {counted(item.calls, 'call')} {item.where}")


def _split(items: Sequence[Item], most: int) -> tuple[list[Item], list[Item]]:
    """What is shown of the items; the rest takes the least time."""
    by_weight = sorted(range(len(items)), key=lambda at: -_weight(items[at]))
    kept = set(by_weight[:most])
    return [items[at] for at in sorted(kept)], [item for at, item in enumerate(items) if at not in kept]


def _calls(item: Item) -> int:
    return sum(map(_calls, item.items)) if isinstance(item, Loop) else item.calls


def _how_to_see_all(parent: Group | None) -> str:
    """The arguments that show all that was called at a place, in pages."""
    if parent is None:
        return "max_depth=1 shows all"
    if parent.calls == 1:
        return f"root_call_id={parent.first_call_id}, max_depth=2 shows all"
    return f'function="{parent.name}", max_depth=2 shows all'


def _weight(item: Item) -> float:
    """What must not be left out, then what took long; imports last."""
    if isinstance(item, LeftOut):
        return float("inf")
    if isinstance(item, Loop):
        return sum(_weight(each) for each in item.items)
    notable = item.raised or item.unfinished or item.focus
    return float("inf") if notable else float(item.total_ns) * (not item.is_import)
