"""Find what happened differently in two runs, in the order of time.

Later differences are often consequences of the first one. A call with other arguments differs from its begin on, and a
call with another result from its end on. So before the first difference nothing differed, neither the arguments of that
call nor its callees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from breadcrumb_server.answers.compare.ends import first_other_yield, same_end
from breadcrumb_server.answers.compare.limits import LIMITS
from breadcrumb_server.answers.compare.noise import same_value
from breadcrumb_server.answers.compare.tree_diff import LoneCall, Pair, align
from breadcrumb_storage.queries.calls.records import CallRow, calls_by_id
from breadcrumb_storage.queries.compare import aligned_calls as queries
from breadcrumb_storage.queries.compare.alignment import Selection, align_calls, trace_start_ns
from breadcrumb_storage.queries.trace_reader import TraceReader

# Later than any time of a trace, in nanoseconds.
_LAST = 1 << 62


@dataclass(frozen=True, slots=True)
class CallPair:
    """The same call in both traces, and whether it differs; for a lone call, one of the two is None."""

    base: CallRow | None
    this: CallRow | None
    args_differ: bool
    end_differs: bool  # outcome, yields, result or exception

    @property
    def call(self) -> CallRow:
        """The call of this trace, or else of the base."""
        call = self.this or self.base
        assert call is not None
        return call


@dataclass(frozen=True, slots=True)
class Divergence(CallPair):
    """A pair of calls that differ, or a lone call."""

    at_ns: int
    parent_ids: tuple[int, int] | None = None  # the pair of calls in which a lone call was made

    @property
    def is_lone(self) -> bool:
        """Whether only one of the traces has the call."""
        return self.base is None or self.this is None


@dataclass(slots=True)
class Findings:
    """The divergences found, and the extent of the search."""

    divergences: list[Divergence] = field(default_factory=list[Divergence])  # in the order of time
    compared: tuple[int, int] = (0, 0)  # calls of the base and of this trace
    noise: set[int] = field(default_factory=set[int])  # ids of calls of this trace that differ by noise only
    complete: bool = True  # False: there are more differences than were read


def find_divergences(
    base: TraceReader,
    this: TraceReader,
    selection: Selection,
    trusts_lone_calls: Callable[[str], bool],
) -> Findings:
    """Align the selected calls of both traces, and find those that differ.

    Args:
        base: the trace to compare with.
        this: the other trace.
        selection: the calls to align.
        trusts_lone_calls: returns whether lone calls of a function are differences. The partner of a call of a sampled
            function may just not have been recorded.
    """
    found = Findings(compared=align_calls(base, this, selection))
    search = _Search(base, this, found)
    search.compare_equal_trees()
    broken, count = queries.broken_strands(this.con, LIMITS.max_strands)
    for strand, place in broken:
        search.compare_different_trees(strand, search.rewind(strand, place), trusts_lone_calls)
    lone, lone_count = queries.lone_strands(base, this, LIMITS.max_lone_strands)
    search.add_lone_strands([each for each in lone if trusts_lone_calls(each.name)])
    found.complete = found.complete and count <= LIMITS.max_strands and lone_count <= LIMITS.max_lone_strands
    found.divergences.sort(key=lambda each: (each.at_ns, each.is_lone, -each.call.call_id))
    return found


class _Search:
    """The search for divergences in two traces whose calls are aligned."""

    def __init__(self, base: TraceReader, this: TraceReader, found: Findings) -> None:
        self._base = base
        self._this = this
        self._found = found
        self._aligned: list[tuple[queries.AlignedCall, Divergence]] = []

    def compare_equal_trees(self) -> None:
        """Compare the values of calls in the parts of equal trees."""
        for offset in range(0, LIMITS.max_pairs, LIMITS.pairs_at_once):
            calls = queries.differing_calls(self._this.con, offset=offset, limit=LIMITS.pairs_at_once)
            differing = self._compare((c.base_id, c.this_id, c.started_ns, c.ended_ns, c.sampled) for c in calls)
            self._aligned += [(call, each) for call, each in zip(calls, differing, strict=True) if each]
            if len(calls) < LIMITS.pairs_at_once:
                return
            if len(self._found.divergences) >= LIMITS.max_divergences:
                break
        self._found.complete = False

    def rewind(self, strand: int, place: int) -> int:
        """Choose where to begin with the different trees of a strand, and drop its divergences from there on.

        An additional call among calls of one function shifts those that follow: they form the wrong pairs until another
        function is called. So the trees may differ from the first pair with other arguments on, not from ``place``.
        """
        here = [(call.n, each) for call, each in self._aligned if call.strand == strand]
        begin = min((n for n, each in here if each.args_differ), default=place)
        forgotten = {id(each) for n, each in here if n >= begin}
        self._found.divergences = [each for each in self._found.divergences if id(each) not in forgotten]
        return begin

    def compare_different_trees(self, strand: int, place: int, trusts_lone_calls: Callable[[str], bool]) -> None:
        """Align the calls of a strand from ``place`` on, and compare them."""
        base, this = queries.strand_calls(self._this, strand, place, LIMITS.max_strand_calls + 1)
        more = max(len(base), len(this)) > LIMITS.max_strand_calls
        found = align(base[: LIMITS.max_strand_calls], this[: LIMITS.max_strand_calls], more=more)
        self._found.complete = self._found.complete and not more
        differing = [
            pair
            for pair in found.pairs
            if pair.base.end_hash != pair.this.end_hash or pair.base.args_hash != pair.this.args_hash
            if not _may_be_other_calls(pair)
        ]
        if len(differing) > LIMITS.max_pairs:
            self._found.complete = False
        self._compare(
            (pair.base.call_id, pair.this.call_id, pair.this.started_ns, pair.this.ended_ns, _is_sampled(pair))
            for pair in differing[: LIMITS.max_pairs]
        )
        lone_calls = [each for each in found.lone_calls if trusts_lone_calls(each.call.name)]
        if len(lone_calls) > LIMITS.max_divergences:
            self._found.complete = False
        self._add_lone_calls(strand, lone_calls[: LIMITS.max_divergences])

    def add_lone_strands(self, strands: Sequence[queries.LoneStrand]) -> None:
        base = calls_by_id(self._base, [each.call_id for each in strands if not each.in_this])
        this = calls_by_id(self._this, [each.call_id for each in strands if each.in_this])
        for each in strands:
            row = (this if each.in_this else base)[each.call_id]
            self._found.divergences.append(
                _lone_divergence(row, each.started_ns, in_this=each.in_this, parent_ids=None)
            )

    def _compare(self, pairs: Iterable[tuple[int, int, int, int | None, bool]]) -> list[Divergence | None]:
        """Read pairs of calls, and keep those that differ by more than noise.

        Args:
            pairs: id of the base's call, id of this trace's call, begin and end of the latter, and whether values of
                one may have been cut shorter.

        Returns:
            A divergence for each pair; None if only noise differs.
        """
        wanted = list(pairs)
        base = calls_by_id(self._base, [each[0] for each in wanted])
        this = calls_by_id(self._this, [each[1] for each in wanted])
        found: list[Divergence | None] = []
        for base_id, this_id, started_ns, ended_ns, cut in wanted:
            one, other = base[base_id], this[this_id]
            args = not same_value(one.args, other.args, cut=cut) and not (one.late or other.late)
            end = not same_end(one, other, cut=cut)
            at_ns = started_ns if args else self._end_ns(one, other, ended_ns)
            found.append(Divergence(one, other, args, end, at_ns) if args or end else None)
            if not (args or end):
                self._found.noise.add(this_id)
        self._found.divergences += [each for each in found if each]
        return found

    def _end_ns(self, base: CallRow, this: CallRow, ended_ns: int | None) -> int:
        """Return when a different end became visible: at the first other yield, or at the end of the call.

        Calls that never ended come after all others.
        """
        position = first_other_yield(base, this)
        if position is not None and this.yielded is not None and position < len(this.yielded.at_ns):
            return this.yielded.at_ns[position] - trace_start_ns(self._this)
        return ended_ns if ended_ns is not None else _LAST

    def _add_lone_calls(self, strand: int, lone_calls: Sequence[LoneCall]) -> None:
        base = calls_by_id(self._base, [each.call.call_id for each in lone_calls if not each.in_this])
        this = calls_by_id(self._this, [each.call.call_id for each in lone_calls if each.in_this])
        places = queries.strand_places(
            self._this.con, strand, [each.parent for each in lone_calls if isinstance(each.parent, int)]
        )
        for each in lone_calls:
            row = (this if each.in_this else base)[each.call.call_id]
            place = places.get(each.parent) if isinstance(each.parent, int) else None
            parent_ids = (place.base_id, place.this_id) if place else _parent_ids(each.parent)
            at_ns = each.at_ns if each.at_ns is not None else place.ended_ns if place else None
            self._found.divergences.append(
                _lone_divergence(row, _LAST if at_ns is None else at_ns, in_this=each.in_this, parent_ids=parent_ids)
            )


def _may_be_other_calls(pair: Pair) -> bool:
    """Return whether two calls with other arguments may not belong together, as the function was sampled."""
    return pair.base.args_hash != pair.this.args_hash and _is_sampled(pair)


def _is_sampled(pair: Pair) -> bool:
    return pair.base.sampled or pair.this.sampled


def _parent_ids(parent: Pair | int) -> tuple[int, int] | None:
    return (parent.base.call_id, parent.this.call_id) if isinstance(parent, Pair) else None


def _lone_divergence(row: CallRow, at_ns: int, *, in_this: bool, parent_ids: tuple[int, int] | None) -> Divergence:
    return Divergence(None if in_this else row, row if in_this else None, False, False, at_ns, parent_ids)
