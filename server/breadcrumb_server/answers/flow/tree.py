"""Build the call tree of a flow and fold equal calls.

Two calls have the same shape if they are calls of the same function, ended the same way, and their callees have the
same shapes in the same order, with repetitions folded. Calls of the same shape at the same place form one group. If
that leaves too many lines, calls of the same function do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from breadcrumb_server.answers.flow.limits import LIMITS
from breadcrumb_server.answers.flow.repetitions import EqualSteps, Part, SequenceFolder, Symbols, merge
from breadcrumb_server.answers.flow.trivial import has_trivial_name
from breadcrumb_storage.queries.flow.calls import UNFINISHED, FlowCalls

MODULE_BODY = "<module>"
RETURNED, RAISED, CANCELLED = 0, 1, 2


@dataclass(slots=True)
class Group:
    """Calls of one function at one place of the tree."""

    name: str  # module:function
    calls: int
    first_call_id: int
    last_call_id: int
    min_ns: int | None
    max_ns: int | None
    total_ns: int
    raised: int = 0
    cancelled: int = 0
    unfinished: int = 0
    late: int = 0
    tasks: int = 0  # asyncio tasks of these calls, other than those of their callers
    task: tuple[int, int] | None = None  # (process, task), if there is exactly one
    other_call_id: int = 0  # shown beside the first call: the last one with another result, or the last one
    results: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])  # (first call, calls); empty if many
    focus: bool = False  # the flow shows what happened around this call
    calling: bool = False  # has callees, whether or not they belong to this flow
    trivial: bool = False  # see trivial.py
    call_ids: Sequence[int] = ()  # empty in totals
    members: list[int] = field(default_factory=list[int])  # the calls, as the tree that made the group numbers them

    @property
    def is_import(self) -> bool:
        """Whether these are imports of modules, and nothing about them is notable."""
        module, _, name = self.name.rpartition(":")
        notable = self.raised or self.cancelled or self.unfinished or self.focus
        return name == MODULE_BODY and module != "__main__" and not notable


@dataclass(slots=True)
class CallLoop:
    """Calls that were repeated in the same order."""

    items: list[Item]
    rounds: int
    first_calls: int = 0  # if not 0, the order is that of so many first calls, and ``rounds`` is derived from counts


@dataclass(slots=True)
class LeftOut:
    """Calls that a flow around a call leaves out."""

    calls: int
    where: str  # "before" or "after"


Item = Group | CallLoop | LeftOut


@dataclass(frozen=True, slots=True)
class Lane:
    """Threads that did the same, shown once."""

    threads: list[tuple[int, int]]  # (process, thread)
    items: list[Item]


@dataclass(frozen=True, slots=True)
class Folding:
    """A degree of folding."""

    by_shape: bool  # False: by function, which leaves fewer lines
    min_rounds: int = 2  # of a repetition that is folded
    trivial: bool = True  # with trivial calls below the first level


class FlowTree:
    """The calls of a flow, in groups.

    Args:
        calls: the calls.
        names: the functions (module:function) by number.
        focus: ids of calls that are never folded, nor are the calls around them.
        left_out: by the id of a call (0: the roots), the number of its callees left out before and after these.
    """

    def __init__(
        self,
        calls: FlowCalls,
        names: Mapping[int, str],
        focus: Iterable[int] = (),
        left_out: Mapping[int, tuple[int, int]] | None = None,
    ) -> None:
        self._calls = calls
        self._names = names
        self._left_out = left_out or {}
        index = {call_id: at for at, call_id in enumerate(calls.ids)}
        # A parent begins before its children; anything else is no parent.
        self._parents = [
            -1 if (parent := index.get(each, -1)) >= at else parent for at, each in enumerate(calls.parents)
        ]
        self._children: list[list[int] | None] = [None] * len(calls.ids)
        for at, parent in enumerate(self._parents):
            if parent >= 0:
                below = self._children[parent]
                if below is None:
                    self._children[parent] = [at]
                else:
                    below.append(at)
        self._focus = {index[each] for each in focus if each in index}
        self._pinned = set(self._focus)
        for at in self._focus:
            while (at := self._parents[at]) >= 0:
                self._pinned.add(at)
        self._symbols = Symbols()
        self._folder = SequenceFolder(self._symbols)
        self._kinds = [
            self._symbols.of(("pinned", at) if at in self._pinned else (name, outcome))
            for at, (name, outcome) in enumerate(zip(calls.names, calls.outcomes, strict=True))
        ]
        self._shapes = self._shape_all(self._kinds)
        results = zip(self._kinds, calls.results, strict=True)
        self._exact = self._shape_all([self._symbols.of(("result", *each)) for each in results])
        self._trivial = self._find_trivial()

    def call_ids(self) -> list[int]:
        """Return the ids of all calls of the tree."""
        found: list[int] = []
        below = self._roots()
        while below:
            found += [self._calls.ids[at] for at in below]
            below = [child for at in below for child in self._children[at] or ()]
        return found

    def lanes(self, folding: Folding, most: int) -> list[Lane]:
        """Return the roots by thread, in at most ``most`` lanes; the last one takes all threads that are left."""
        by_thread: dict[tuple[int, int], list[int]] = {}
        for at in self._roots():
            by_thread.setdefault((self._calls.processes[at], self._calls.threads[at]), []).append(at)
        keys = self._shapes if folding.by_shape else self._kinds
        alike: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        for thread, roots in by_thread.items():
            parts = self._folder.fold([keys[at] for at in roots], roots)
            alike.setdefault(tuple(part.symbol for part in parts), []).append(thread)
        groups = [*alike.values()]
        if len(groups) > most:
            groups[most - 1 :] = [[thread for group in groups[most - 1 :] for thread in group]]
        return [Lane(sorted(group), self._lane_items([by_thread[each] for each in group], folding)) for group in groups]

    def callees(self, group: Group, folding: Folding) -> list[Item]:
        """Return what the calls of a group called."""
        children = [below for at in group.members if (below := self._children[at])]
        items = self._items(children, folding) if children else []
        return self._with_left_out(items, group.first_call_id if group.calls == 1 else -1)

    def _lane_items(self, roots: list[list[int]], folding: Folding) -> list[Item]:
        items = self._items(roots, folding)
        return self._with_left_out(items, 0) if len(roots) == 1 else items

    def _roots(self) -> list[int]:
        wanted = self._calls.roots
        if wanted is None:
            return [at for at, parent in enumerate(self._parents) if parent < 0]
        # A recursion is shown once, from its outermost call on.
        inside = [False] * len(self._parents)
        roots: list[int] = []
        for at, parent in enumerate(self._parents):
            inside[at] = parent >= 0 and inside[parent]
            if not inside[at] and self._calls.ids[at] in wanted:
                roots.append(at)
                inside[at] = True
        return roots

    def _find_trivial(self) -> list[bool]:
        """Return of each call whether it is trivial."""
        calls = self._calls
        by_name = {number: has_trivial_name(name) for number, name in self._names.items()}
        found = [
            children is None and not calling and outcome == RETURNED and (truth or getter or by_name[name])
            for children, calling, outcome, truth, getter, name in zip(
                self._children, calls.calling, calls.outcomes, calls.truths, calls.getters, calls.names, strict=True
            )
        ]
        for children in self._children:
            seen: set[tuple[int, int, int]] = set()
            for at in children or ():
                arguments = calls.arguments[at]
                if self._children[at] is None and calls.outcomes[at] == RETURNED and arguments is not None:
                    call = (calls.names[at], arguments, calls.results[at])
                    found[at] |= call in seen and not calls.calling[at]
                    seen.add(call)
        for at in self._pinned:
            found[at] = False
        return found

    def _shape_all(self, kinds: Sequence[int]) -> list[int]:
        """Return the symbol of the shape of each call. Calls come after their parents, so the last ones are first.

        Args:
            kinds: symbols of the calls without their callees.
        """
        shapes = list(kinds)
        symbol = self._symbols.of
        folded: dict[tuple[int, ...], int] = {}
        for at in range(len(shapes) - 1, -1, -1):
            children = self._children[at]
            if children is None:
                continue
            raw = tuple([shapes[child] for child in children])
            below = folded.get(raw)
            if below is None:
                parts = self._folder.fold(raw, children)
                below = folded[raw] = symbol(("below", *(part.symbol for part in parts)))
            shapes[at] = symbol(("calling", shapes[at], below))
        return shapes

    def _items(self, sequences: list[list[int]], folding: Folding) -> list[Item]:
        keys = self._shapes if folding.by_shape else self._kinds
        # The callees of several calls are folded fully: only then do their parts become equal, and can be merged.
        min_rounds = folding.min_rounds if len(sequences) == 1 else 2
        merged: list[Part] | None = None
        for members in sequences:
            parts = self._folder.fold([keys[at] for at in members], members, min_rounds)
            if min_rounds > 2:
                parts = self._join_equal(parts)
            if merged is None:
                merged = parts
            elif [part.symbol for part in parts] == [part.symbol for part in merged]:
                for mine, theirs in zip(merged, parts, strict=True):
                    merge(mine, theirs)  # rounds below different calls add up
            else:
                return self._by_function(sequences)
        if merged is None:
            return []
        most = LIMITS.max_in_order_by_shape if folding.by_shape else LIMITS.max_in_order
        if len(merged) > most and not self._pinned:
            return self._by_function(sequences)
        return [self._item(part) for part in merged]

    def _join_equal(self, parts: Sequence[Part]) -> list[Part]:
        """Join calls of which there are few if not only their shapes, but also all results are equal."""
        joined: list[Part] = []
        for _, equal in groupby(parts, key=self._exactly):
            several = [*equal]
            if len(several) >= LIMITS.min_equal:
                for part in several[1:]:
                    merge(several[0], part)
                joined.append(several[0])
            else:
                joined += several
        return joined

    def _exactly(self, part: Part) -> tuple[bool, int]:
        """Return a key that calls share if their shapes and all results are equal, and rounds never share."""
        if isinstance(part, EqualSteps):
            return True, self._exact[part.members[0]]
        return False, id(part)

    def _by_function(self, sequences: list[list[int]]) -> list[Item]:
        groups: dict[int, list[int]] = {}
        for members in sequences:
            for at in members:
                groups.setdefault(self._kinds[at], []).append(at)
        return [self._group(members) for members in groups.values()]

    def _item(self, part: Part) -> Item:
        if isinstance(part, EqualSteps):
            return self._group(part.members)
        return CallLoop([self._item(each) for each in part.parts], part.rounds)

    def _group(self, members: list[int]) -> Group:
        calls = self._calls
        members.sort()
        durations = [ns for at in members if (ns := calls.durations[at]) is not None]
        outcomes = Counter([calls.outcomes[at] for at in members])
        tasks = {task for at in members if (task := self._own_task(at)) is not None}
        return Group(
            name=self._names[calls.names[members[0]]],
            calls=len(members),
            first_call_id=calls.ids[members[0]],
            last_call_id=calls.ids[members[-1]],
            min_ns=min(durations, default=None),
            max_ns=max(durations, default=None),
            total_ns=sum(durations),
            raised=outcomes[RAISED],
            cancelled=outcomes[CANCELLED],
            unfinished=outcomes[UNFINISHED],
            late=sum(calls.late[at] for at in members),
            tasks=len(tasks),
            task=next(iter(tasks)) if len(tasks) == 1 else None,
            other_call_id=self._other_result_call(members),
            results=self._results(members),
            focus=members[0] in self._focus,
            calling=any(self._children[at] is not None or calls.calling[at] for at in members),
            trivial=all(self._trivial[at] for at in members),
            call_ids=[calls.ids[at] for at in members],
            members=members,
        )

    def _own_task(self, at: int) -> tuple[int, int] | None:
        task, parent = self._calls.tasks[at], self._parents[at]
        if task is None or (parent >= 0 and self._calls.tasks[parent] == task):
            return None
        return self._calls.processes[at], task

    def _other_result_call(self, members: Sequence[int]) -> int:
        """Return the id of the last call whose result differs from that of the first, or of the last call."""
        results = self._calls.results
        first = results[members[0]]
        other = next((at for at in reversed(members) if results[at] != first), members[-1])
        return self._calls.ids[other]

    def _results(self, members: Sequence[int]) -> list[tuple[int, int]]:
        """Return the first call with each result and the number of such calls, the most frequent first.

        Empty if there are too many different results.
        """
        calls = self._calls
        first: dict[int, int] = {}
        counts: Counter[int] = Counter()
        for at in members:
            if calls.outcomes[at] == RETURNED:
                result = calls.results[at]
                counts[result] += 1
                if result not in first:
                    if len(first) == LIMITS.max_results:
                        return []
                    first[result] = calls.ids[at]
        return [(first[result], count) for result, count in counts.most_common()]

    def _with_left_out(self, items: list[Item], call_id: int) -> list[Item]:
        before, after = self._left_out.get(call_id, (0, 0))
        return [
            *([LeftOut(before, "before")] if before else []),
            *items,
            *([LeftOut(after, "after")] if after else []),
        ]
