"""Finds where two runs parted: what happened differently, in the order in which it happened.

The n-th thing that differs is often a consequence of the first. So everything is put in the order of time, where a call
given other arguments differs from its beginning on, and one with another result from its end on. What comes first then
had nothing different before it: neither its arguments nor what it called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from breadcrumb_server.answers.compare.ends import first_other_yield, same_end
from breadcrumb_server.answers.compare.noise import same_value
from breadcrumb_server.answers.compare.tree_diff import Alone, Pair, align
from breadcrumb_storage.queries.calls.records import CallRow, calls_by_id
from breadcrumb_storage.queries.compare import aligned_calls as queries
from breadcrumb_storage.queries.compare.alignment import Selection, align_calls, trace_start_ns
from breadcrumb_storage.queries.trace_reader import TraceReader

# Pairs of calls whose texts are read, to see whether they differ by more than noise.
MAX_READ = 1_500
READ_AT_ONCE = 250
# More than this is not shown, so it need not be found.
ENOUGH = 60
# Strands that are followed beyond the place where their trees part, and the calls of each.
MAX_STRANDS = 6
MAX_STRAND_CALLS = 1_500
MAX_LONE = 40

_LAST = 1 << 62


@dataclass(frozen=True, slots=True)
class Divergence:
    """Something that went differently: of a pair of calls, or a call that only one of the traces has."""

    base: CallRow | None
    this: CallRow | None
    args: bool  # the arguments differ
    end: bool  # outcome, yields, result or exception differ
    at_ns: int
    around: tuple[int, int] | None = None  # of a call that only one has: the pair of calls that it was made in

    @property
    def call(self) -> CallRow:
        call = self.this or self.base
        assert call is not None
        return call

    @property
    def lone(self) -> bool:
        return self.base is None or self.this is None


@dataclass(slots=True)
class Findings:
    """What was found, and how far the search went."""

    divergences: list[Divergence] = field(default_factory=list[Divergence])  # in the order in which they came about
    compared: tuple[int, int] = (0, 0)  # calls of the base and of this trace
    noise: set[int] = field(default_factory=set[int])  # calls of this trace: only noise in them differs
    complete: bool = True  # False: there are more differences than were looked at


def find_divergences(
    base: TraceReader,
    this: TraceReader,
    selection: Selection,
    is_counted: Callable[[str], bool],
) -> Findings:
    """Align the selected calls of both traces, and tell what differs.

    Args:
        is_counted: whether a call of this function that only one trace has is one that the other did not make. (A
            function that was sampled may just not have been recorded at that call.)
    """
    found = Findings(compared=align_calls(base, this, selection))
    search = _Search(base, this, found)
    search.along_the_strands()
    broken, count = queries.broken_strands(this.con, MAX_STRANDS)
    for strand, place in broken:
        search.beyond(strand, search.first_other_arguments(strand, place), is_counted)
    lone, lone_count = queries.lone_strands(base, this, MAX_LONE)
    search.lone_strands([each for each in lone if is_counted(each.name)])
    found.complete = found.complete and count <= MAX_STRANDS and lone_count <= MAX_LONE
    found.divergences.sort(key=lambda each: (each.at_ns, each.lone, -each.call.call_id))
    return found


class _Search:
    def __init__(self, base: TraceReader, this: TraceReader, found: Findings) -> None:
        self._base = base
        self._this = this
        self._found = found
        self._placed: list[tuple[queries.AlignedCall, Divergence]] = []

    def along_the_strands(self) -> None:
        """Where the trees are the same: values only."""
        for offset in range(0, MAX_READ, READ_AT_ONCE):
            calls = queries.differing_calls(self._this.con, offset=offset, limit=READ_AT_ONCE)
            differing = self._compare((c.base_id, c.this_id, c.started_ns, c.ended_ns) for c in calls)
            self._placed += [(call, each) for call, each in zip(calls, differing, strict=True) if each]
            if len(calls) < READ_AT_ONCE:
                return
            if len(self._found.divergences) >= ENOUGH:
                break
        self._found.complete = False

    def first_other_arguments(self, strand: int, place: int) -> int:
        """Where to begin with the tree of a strand that parts at ``place``, and forget what was found after that.

        One call more among calls of the same function moves all that follow by one: they are held against the wrong
        ones until another function is called. So it may have begun with the first that has other arguments.
        """
        here = [(call.n, each) for call, each in self._placed if call.strand == strand]
        begin = min((n for n, each in here if each.args), default=place)
        forgotten = {id(each) for n, each in here if n >= begin}
        self._found.divergences = [each for each in self._found.divergences if id(each) not in forgotten]
        return begin

    def beyond(self, strand: int, place: int, is_counted: Callable[[str], bool]) -> None:
        """Where the tree of one strand is not the same any more."""
        base, this = queries.strand_calls(self._this, strand, place, MAX_STRAND_CALLS + 1)
        cut = max(len(base), len(this)) > MAX_STRAND_CALLS
        found = align(base[:MAX_STRAND_CALLS], this[:MAX_STRAND_CALLS], cut=cut)
        self._found.complete = self._found.complete and not cut
        differing = [
            pair
            for pair in found.pairs
            if pair.base.end_hash != pair.this.end_hash or pair.base.args_hash != pair.this.args_hash
            if not _are_other_calls(pair)
        ]
        if len(differing) > MAX_READ:
            self._found.complete = False
        self._compare(
            (pair.base.call_id, pair.this.call_id, pair.this.started_ns, pair.this.ended_ns)
            for pair in differing[:MAX_READ]
        )
        alone = [each for each in found.alone if is_counted(each.call.name)]
        if len(alone) > ENOUGH:
            self._found.complete = False
        self._add_alone(strand, alone[:ENOUGH])

    def lone_strands(self, strands: Sequence[queries.LoneStrand]) -> None:
        base = calls_by_id(self._base, [each.call_id for each in strands if not each.in_this])
        this = calls_by_id(self._this, [each.call_id for each in strands if each.in_this])
        for each in strands:
            row = (this if each.in_this else base)[each.call_id]
            self._found.divergences.append(_lone(row, each.started_ns, in_this=each.in_this, around=None))

    def _compare(self, pairs: Iterable[tuple[int, int, int, int | None]]) -> list[Divergence | None]:
        """Read pairs of calls (of the base, of this trace, with its begin and end), and keep what really differs."""
        wanted = list(pairs)
        base = calls_by_id(self._base, [each[0] for each in wanted])
        this = calls_by_id(self._this, [each[1] for each in wanted])
        found: list[Divergence | None] = []
        for base_id, this_id, started_ns, ended_ns in wanted:
            one, other = base[base_id], this[this_id]
            args = not same_value(one.args, other.args) and not (one.late or other.late)
            end = not same_end(one, other)
            at_ns = started_ns if args else self._end_ns(one, other, ended_ns)
            found.append(Divergence(one, other, args, end, at_ns) if args or end else None)
            if not (args or end):
                self._found.noise.add(this_id)
        self._found.divergences += [each for each in found if each]
        return found

    def _end_ns(self, base: CallRow, this: CallRow, ended_ns: int | None) -> int:
        """When it showed what came of a call: with the first value that it yielded differently, or at its end.

        What never ended comes after all that did, the innermost first.
        """
        position = first_other_yield(base, this)
        if position is not None and this.yielded is not None and position < len(this.yielded.at_ns):
            return this.yielded.at_ns[position] - trace_start_ns(self._this)
        return ended_ns if ended_ns is not None else _LAST

    def _add_alone(self, strand: int, alone: Sequence[Alone]) -> None:
        base = calls_by_id(self._base, [each.call.call_id for each in alone if not each.in_this])
        this = calls_by_id(self._this, [each.call.call_id for each in alone if each.in_this])
        places = queries.strand_places(
            self._this.con, strand, [each.parent for each in alone if isinstance(each.parent, int)]
        )
        for each in alone:
            row = (this if each.in_this else base)[each.call.call_id]
            place = places.get(each.parent) if isinstance(each.parent, int) else None
            around = (place.base_id, place.this_id) if place else _around(each.parent)
            at_ns = each.at_ns if each.at_ns is not None else place.ended_ns if place else None
            self._found.divergences.append(
                _lone(row, _LAST if at_ns is None else at_ns, in_this=each.in_this, around=around)
            )


def _are_other_calls(pair: Pair) -> bool:
    """Whether they are paired up only because those between them were not recorded."""
    return pair.base.args_hash != pair.this.args_hash and (pair.base.sampled or pair.this.sampled)


def _around(parent: Pair | int) -> tuple[int, int] | None:
    return (parent.base.call_id, parent.this.call_id) if isinstance(parent, Pair) else None


def _lone(row: CallRow, at_ns: int, *, in_this: bool, around: tuple[int, int] | None) -> Divergence:
    return Divergence(None if in_this else row, row if in_this else None, False, False, at_ns, around)
