"""The tree of a flow with too many calls to fetch: totals of what each function called, level by level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from breadcrumb_server.answers.flow.outline import AIM_LINES, FEW_LANES
from breadcrumb_server.answers.flow.repetitions import Folder, Part, Rounds, Run, Symbols
from breadcrumb_server.answers.flow.tree import MAX_IN_ORDER, Folding, Group, Item, Lane, Loop
from breadcrumb_storage.queries.flow import totals as queries
from breadcrumb_storage.queries.flow.calls import FlowRoots
from breadcrumb_storage.queries.trace_reader import TraceReader

# Levels where no depth is asked for: each takes another look at all calls.
USUAL_DEPTH = 5
# The first calls of many are a loop where they are hardly anything else; what a function is called besides, it is
# called before or after the loop.
_MAX_AROUND_LOOP = 10
_MIN_LOOP_SHARE = 0.9
_MAX_EXTRA_CALLS = 10


class FlowTotals:
    """As FlowTree, for the same outlines; calls are folded by function, and in no order where they are many."""

    def __init__(
        self,
        reader: TraceReader,
        roots: FlowRoots,
        names: Mapping[int, str],
        max_depth: int | None,
    ) -> None:
        self._names = names
        self._items: dict[int, list[Item]] = {}
        self._symbols = Symbols()
        self._folder = Folder(self._symbols)
        self._next_node = -1
        levels = queries.FlowLevels(reader, roots, FEW_LANES)
        nodes = levels.nodes()
        self.calls = sum(node.calls for node in nodes)
        by_thread: dict[tuple[int, int], list[Item]] = {}
        groups = {node.node: self._group(node) for node in nodes}
        for node in nodes:
            by_thread.setdefault((node.process_id, node.thread_id), []).append(groups[node.node])
        self._lanes = [Lane([thread], items) for thread, items in by_thread.items()]
        if nodes and not levels.by_thread:
            self._lanes = [Lane(levels.threads(), [item for lane in self._lanes for item in lane.items])]
        shown = len(nodes)
        imports = {node for node, group in groups.items() if group.is_import}  # and what is below them
        for _ in range(1, max_depth or USUAL_DEPTH):
            # Each level has more lines than the one before it.
            if not nodes or (shown > AIM_LINES and max_depth is None):
                break
            levels.descend()
            single = [node.node for node in nodes if node.calls == 1]
            in_order = self._fold(levels, single)
            patterns = self._patterns(levels, single)
            nodes = levels.nodes()
            self.calls += sum(node.calls for node in nodes)
            shown += sum(node.parent not in imports for node in nodes)
            groups = {node.node: self._group(node) for node in nodes}
            imports |= {node.node for node in nodes if node.parent in imports or groups[node.node].is_import}
            for node in nodes:
                if node.parent not in in_order:
                    self._items.setdefault(node.parent, []).append(groups[node.node])
            for parent, parts in in_order.items():
                self._items[parent] = [_item(part, groups) for part in parts]
            for parent, names_in_order in patterns.items():
                self._items[parent] = _in_rounds(self._items[parent], names_in_order)

    def lanes(self, _folding: Folding, _most: int) -> list[Lane]:
        return self._lanes

    def below(self, group: Group, _folding: Folding) -> Sequence[Item]:
        return self._items.get(group.members[0], [])

    def _fold(self, levels: queries.FlowLevels, single: Sequence[int]) -> dict[int, list[Part]]:
        """What single calls called, in its order and folded: each run has its node as its only member."""
        found: dict[int, list[Part]] = {}
        call_ids: list[int] = []
        new: list[int] = []
        for parent, equal in groupby(levels.children_in_order(single) if single else [], key=lambda each: each.parent):
            calls = [*equal]
            parts = self._folder.fold([self._symbol(each) for each in calls], range(len(calls)))
            if len(parts) > MAX_IN_ORDER:
                continue
            for run in _runs(parts):
                call_ids += [calls[at].call_id for at in run.members]
                new += [self._next_node] * len(run.members)
                run.members = [self._next_node]
                self._next_node -= 1
            found[parent] = parts
        levels.renumber(call_ids, new)
        return found

    def _patterns(self, levels: queries.FlowLevels, single: Sequence[int]) -> dict[int, list[str]]:
        """The functions that those with many calls below them called again and again in the same order."""
        found: dict[int, list[str]] = {}
        for parent, equal in groupby(levels.first_children(single) if single else [], key=lambda each: each.parent):
            calls = [*equal]
            parts = self._folder.fold([call.name_no for call in calls], range(len(calls)))
            rounds = next((part for part in parts if isinstance(part, Rounds)), None)
            if rounds is None or len(parts) > _MAX_AROUND_LOOP or not all(isinstance(p, Run) for p in rounds.parts):
                continue
            if sum(len(run.members) for run in _runs([rounds])) >= _MIN_LOOP_SHARE * len(calls):
                found[parent] = [self._names[calls[run.members[0]].name_no] for run in _runs([rounds])]
        return found

    def _symbol(self, each: queries.OrderedCall) -> int:
        return self._symbols.of((each.name_no, each.outcome))

    def _group(self, node: queries.FlowNode) -> Group:
        return Group(
            name=self._names[node.name_no],
            calls=node.calls,
            first_call_id=node.first_call_id,
            last_call_id=node.last_call_id,
            other_call_id=node.last_call_id,
            min_ns=node.min_ns,
            max_ns=node.max_ns,
            total_ns=node.total_ns,
            raised=node.raised,
            cancelled=node.cancelled,
            unfinished=node.unfinished,
            late=node.late,
            calling=node.calling,
            members=[node.node],
        )


def _in_rounds(items: list[Item], names: Sequence[str]) -> list[Item]:
    """The items with those of a pattern as a loop, if they were called equally often."""
    groups = {item.name: item for item in items if isinstance(item, Group)}
    inside = [groups[name] for name in names if name in groups]
    rounds = min(group.calls for group in inside)
    if len(set(names)) < len(names) or max(group.calls for group in inside) > rounds + _MAX_EXTRA_CALLS:
        return items
    loop = Loop([*inside], rounds, queries.MAX_IN_ORDER)
    return [loop, *(item for item in items if item not in inside)]


def _runs(parts: Sequence[Part]) -> Iterator[Run]:
    for part in parts:
        if isinstance(part, Run):
            yield part
        else:
            yield from _runs(part.parts)


def _item(part: Part, groups: Mapping[int, Group]) -> Item:
    if isinstance(part, Run):
        return groups[part.members[0]]
    return Loop([_item(each, groups) for each in part.parts], part.rounds)
