"""In trees of any form, every call is in one group, and an outline can be read at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from breadcrumb_server.answers.flow.limits import LIMITS
from breadcrumb_server.answers.flow.outline import Outliner, Row
from breadcrumb_server.answers.flow.tree import CallLoop, FlowTree, Folding, Group, Item, LeftOut
from breadcrumb_storage.queries.flow.calls import FlowCalls

NAMES = {number: f"shop:f{number}" for number in range(4)}
FOLDINGS = [Folding(by_shape=True, min_rounds=4), Folding(by_shape=True), Folding(by_shape=False)]

# A call: how far back its parent is (0: it has none), its function, its outcome, its thread.
CALLS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 3), st.sampled_from([0, 0, 0, 1, 3]), st.integers(0, 2)), max_size=150
)


def tree_of(calls: list[tuple[int, int, int, int]], **more: object) -> FlowTree:
    parents: list[int] = []
    threads: list[int] = []
    for at, (back, _, _, thread) in enumerate(calls):
        parent = at + 1 - back if 0 < back <= at else 0
        parents.append(parent)
        threads.append(threads[parent - 1] if parent else thread)
    size = len(calls)
    return FlowTree(
        FlowCalls(
            ids=range(1, size + 1),
            parents=parents,
            names=[name for _, name, _, _ in calls],
            outcomes=[outcome for _, _, outcome, _ in calls],
            durations=[None if outcome == 3 else 1_000 for _, _, outcome, _ in calls],
            processes=[0] * size,
            threads=threads,
            tasks=[None] * size,
            late=[False] * size,
            calling=[False] * size,
            results=[at % 3 for at in range(size)],
            arguments=[at % 5 for at in range(size)],
            truths=[at % 7 == 0 for at in range(size)],
            getters=[at % 11 == 0 for at in range(size)],
            roots=None,
        ),
        NAMES,
        **more,  # type: ignore[arg-type]
    )


def groups(tree: FlowTree, items: list[Item], folding: Folding) -> Iterator[Group]:
    for item in items:
        if isinstance(item, CallLoop):
            yield from groups(tree, item.items, folding)
        elif not isinstance(item, LeftOut):
            yield item
            yield from groups(tree, tree.callees(item, folding), folding)


@settings(deadline=None)
@given(CALLS)
def test_every_call_is_in_one_group_in_every_folding(calls) -> None:
    tree = tree_of(calls)
    assert sorted(tree.call_ids()) == [*range(1, len(calls) + 1)]
    for folding in FOLDINGS:
        lanes = tree.lanes(folding, most=2)
        found = [group for lane in lanes for group in groups(tree, lane.items, folding)]
        assert sorted(at for group in found for at in group.members) == list(range(len(calls)))
        assert all(group.calls == len(group.members) for group in found)
        assert all(NAMES[calls[at][1]] == group.name for group in found for at in group.members)


@settings(deadline=None)
@given(CALLS)
def test_an_outline_can_be_read_at_once_and_marks_what_it_hides(calls) -> None:
    tree = tree_of(calls)
    rows = Outliner(tree.lanes, tree.callees).best(None)
    assert len(rows) <= LIMITS.aim_lines * 1.5
    shown = sum(row.group.calls for row in rows if row.group is not None)
    assert shown == len(calls) or any(row.deeper or "…" in row.text for row in rows)


@settings(deadline=None)
@given(CALLS, st.integers(1, 6))
def test_an_outline_of_a_given_depth_shows_all_calls_down_to_it(calls, depth) -> None:
    tree = tree_of(calls)
    rows = Outliner(tree.lanes, tree.callees).best(depth)
    parents = {at + 1: at + 1 - back if 0 < back <= at else 0 for at, (back, _, _, _) in enumerate(calls)}
    levels: dict[int, int] = {0: 0}
    for call_id, parent in parents.items():
        levels[call_id] = levels[parent] + 1
    assert sum(row.group.calls for row in rows if row.group is not None) >= sum(
        level <= depth for call_id, level in levels.items() if call_id
    ) - hidden_in_chains(rows)


def hidden_in_chains(rows: list[Row]) -> int:
    """Count the calls of chains that have no row: all but the first and the last one."""
    hidden = 0
    for before, row in pairwise(rows):
        if "levels of it" in row.text and before.group is not None:
            hidden += before.group.calls * int(row.text.split()[1].replace(",", ""))
    return hidden


@settings(deadline=None)
@given(CALLS.filter(bool), st.data())
def test_a_call_to_look_around_has_its_own_line(calls, data) -> None:
    focus = data.draw(st.integers(1, len(calls)))
    tree = tree_of(calls, focus=[focus])
    rows = Outliner(tree.lanes, tree.callees).best(None)
    (here,) = [row.group for row in rows if row.group is not None and row.group.focus]
    assert (here.calls, here.first_call_id) == (1, focus)
