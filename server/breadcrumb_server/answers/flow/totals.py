"""Build the tree of a flow with too many calls to fetch, from totals of the calls of each function, level by level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from breadcrumb_server.answers.flow.limits import LIMITS
from breadcrumb_server.answers.flow.repetitions import EqualSteps, Part, Rounds, SequenceFolder, Symbols
from breadcrumb_server.answers.flow.tree import CallLoop, Folding, Group, Item, Lane
from breadcrumb_server.answers.flow.trivial import has_trivial_name
from breadcrumb_storage.queries.flow import totals as queries
from breadcrumb_storage.queries.flow.calls import FlowRoots
from breadcrumb_storage.queries.trace_reader import TraceReader


class FlowTotals:
    """The calls of a flow, in groups, for the same outlines as FlowTree.

    Calls are folded by function. Callees of a single call are in order unless they are many.

    Args:
        reader: the trace.
        roots: where to begin.
        names: the functions (module:function) by number.
        max_depth: levels of calls; None: a few, until they fill an outline.
    """

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
        self._folder = SequenceFolder(self._symbols)
        self._next_node = -1
        levels = queries.FlowLevels(reader, roots, LIMITS.max_lanes)
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
        imports = {node for node, group in groups.items() if group.is_import}  # with everything below them
        for _ in range(1, max_depth or LIMITS.totals_depth):
            # The next level would add even more lines.
            if not nodes or (shown > LIMITS.aim_lines and max_depth is None):
                break
            levels.descend()
            single = [node.node for node in nodes if node.calls == 1]
            in_order = self._ordered_callees(levels, single)
            loops = self._loops(levels, single)
            nodes = levels.nodes()
            self.calls += sum(node.calls for node in nodes)
            shown += sum(node.parent not in imports for node in nodes)
            groups = {node.node: self._group(node) for node in nodes}
            imports |= {node.node for node in nodes if node.parent in imports or groups[node.node].is_import}
            for node in nodes:
                if node.parent not in in_order:
                    self._items.setdefault(node.parent, []).append(groups[node.node])
            for parent, parts in in_order.items():
                self._items[parent] = [_item_of(part, groups) for part in parts]
            for parent, names_in_loop in loops.items():
                self._items[parent] = _with_loop(self._items[parent], names_in_loop)

    def lanes(self, _folding: Folding, _most: int) -> list[Lane]:
        """Return the roots by thread, or all in one lane if there are many threads."""
        return self._lanes

    def callees(self, group: Group, _folding: Folding) -> Sequence[Item]:
        """Return what the calls of a group called."""
        return self._items.get(group.members[0], [])

    def _ordered_callees(self, levels: queries.FlowLevels, single: Sequence[int]) -> dict[int, list[Part]]:
        """Fold the callees of single calls in order, and give equal steps a node, which becomes their only member."""
        found: dict[int, list[Part]] = {}
        call_ids: list[int] = []
        new: list[int] = []
        for parent, equal in groupby(levels.children_in_order(single) if single else [], key=lambda each: each.parent):
            calls = [*equal]
            parts = self._folder.fold([self._symbol(each) for each in calls], range(len(calls)))
            if len(parts) > LIMITS.max_in_order:
                continue
            for steps in _steps_of(parts):
                call_ids += [calls[at].call_id for at in steps.members]
                new += [self._next_node] * len(steps.members)
                steps.members = [self._next_node]
                self._next_node -= 1
            found[parent] = parts
        levels.renumber(call_ids, new)
        return found

    def _loops(self, levels: queries.FlowLevels, single: Sequence[int]) -> dict[int, list[str]]:
        """Find single calls that made many calls in a loop, and return the functions that each loop called."""
        found: dict[int, list[str]] = {}
        for parent, equal in groupby(levels.first_children(single) if single else [], key=lambda each: each.parent):
            calls = [*equal]
            parts = self._folder.fold([call.name_no for call in calls], range(len(calls)))
            rounds = next((part for part in parts if isinstance(part, Rounds)), None)
            if (
                rounds is None
                or len(parts) > LIMITS.max_parts_with_loop
                or not all(isinstance(p, EqualSteps) for p in rounds.parts)
            ):
                continue
            if sum(len(steps.members) for steps in _steps_of([rounds])) >= LIMITS.min_loop_share * len(calls):
                found[parent] = [self._names[calls[steps.members[0]].name_no] for steps in _steps_of([rounds])]
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
            trivial=(
                not (node.calling or node.raised or node.cancelled or node.unfinished)
                and has_trivial_name(self._names[node.name_no])
            ),
            members=[node.node],
        )


def _with_loop(items: list[Item], names: Sequence[str]) -> list[Item]:
    """Put the items of these functions into a loop, if they were called about equally often."""
    groups = {item.name: item for item in items if isinstance(item, Group)}
    inside = [groups[name] for name in names if name in groups]
    rounds = min(group.calls for group in inside)
    if len(set(names)) < len(names) or max(group.calls for group in inside) > rounds + LIMITS.max_calls_beside_loop:
        return items
    loop = CallLoop([*inside], rounds, queries.MAX_IN_ORDER)
    return [loop, *(item for item in items if item not in inside)]


def _steps_of(parts: Sequence[Part]) -> Iterator[EqualSteps]:
    for part in parts:
        if isinstance(part, EqualSteps):
            yield part
        else:
            yield from _steps_of(part.parts)


def _item_of(part: Part, groups: Mapping[int, Group]) -> Item:
    if isinstance(part, EqualSteps):
        return groups[part.members[0]]
    return CallLoop([_item_of(each, groups) for each in part.parts], part.rounds)
