"""Every answer fits into its size, and says what was cut for that."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from breadcrumb_server.answers.common.budget import (
    DEFAULT_ANSWER_CHARS,
    MAX_ANSWER_CHARS,
    ends_that_fit,
    first_texts,
    first_that_fits,
    fit,
    fit_table,
    items_that_fit,
    shares,
    size_of,
    squeeze,
    with_notes,
)
from breadcrumb_server.answers.common.model import Answer, Page, Table
from breadcrumb_server.answers.common.text import cut


class Numbered(Page):
    trace_id: str
    table: Table | None = None
    lines: list[str] = Field(default_factory=list)


# All characters that UTF-8 can encode, with controls and quotes, which are longer in JSON.
texts = st.text(st.characters(codec="utf-8"), max_size=60).flatmap(
    lambda text: st.integers(0, 10).map(lambda doublings: text * 2**doublings)
)


def numbered(rows: list[list[Any]], lines: list[str], follow_ups: list[str]) -> Numbered:
    return Numbered(
        project="shop",
        trace_id="20250110-120000-beef",
        total=len(rows),
        columns=["a", "b"],
        rows=rows,
        table=Table(columns=["a", "b"], rows=rows),
        lines=lines,
        next=follow_ups,
    )


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(texts, texts), max_size=8).flatmap(
        lambda rows: st.integers(1, 200).map(lambda times: [list(row) for row in rows * times])
    ),
    st.lists(texts, max_size=5),
    st.lists(texts, max_size=3),
)
@pytest.mark.slow
def test_any_answer_fits_after_squeezing(rows: list[list[Any]], lines: list[str], follow_ups: list[str]) -> None:
    squeezed = squeeze(numbered(rows, lines, follow_ups))

    assert size_of(squeezed) <= MAX_ANSWER_CHARS
    assert (squeezed.trace_id, squeezed.total) == ("20250110-120000-beef", len(rows))
    assert all(len(row) == len(squeezed.columns) for row in squeezed.rows)
    assert set(squeezed.next) <= set(follow_ups)


@settings(max_examples=30, deadline=None)
@given(st.lists(texts, min_size=1, max_size=30), st.integers(1, 100))
def test_a_table_of_any_size_fits_with_its_first_rows_in_order(cells: list[str], times: int) -> None:
    values = cells * times

    def build(rows: int, chars: int) -> Numbered:
        shown: list[list[Any]] = [[number, cut(text, chars)] for number, text in enumerate(values[:rows])]
        return numbered(shown, [], []).model_copy(update={"table": None, "total": len(values)})

    fitted = fit_table(build, len(values))

    assert size_of(fitted) <= MAX_ANSWER_CHARS
    assert [row[0] for row in fitted.rows] == list(range(len(fitted.rows)))
    assert fitted.rows


def test_cells_are_shortened_before_rows_are_dropped() -> None:
    def build(rows: int, chars: int) -> Numbered:
        return numbered([[number, cut("x" * 5_000, chars)] for number in range(rows)], [], []).model_copy(
            update={"table": None}
        )

    fitted = fit_table(build, 20)

    assert len(fitted.rows) == 20
    assert DEFAULT_ANSWER_CHARS / 2 < size_of(fitted) <= DEFAULT_ANSWER_CHARS


def test_the_first_candidate_that_fits_is_returned_and_no_more_are_built() -> None:
    def candidates() -> Any:
        yield Answer(project="shop", notes=["x" * 9_000])
        yield Answer(project="shop", notes=["short"])
        raise AssertionError("built for nothing")

    assert fit(candidates()).notes == ["short"]


def test_a_squeezed_answer_has_a_note_and_one_that_fits_is_unchanged() -> None:
    small = Answer(project="shop", notes=["all"])

    assert squeeze(small) is small
    assert "cut to fit into 8000 characters" in squeeze(Answer(project="shop", notes=["x" * 9_000])).notes[-1]


def test_a_text_that_fills_the_answer_is_cut_by_little_where_a_note_is_added() -> None:
    answer = with_notes(numbered([], ["x" * 7_600], []), ["y" * 300])

    assert len(answer.lines[0]) >= 7_000
    assert answer.notes[0] == "y" * 300


def test_a_follow_up_call_is_kept_whole_or_not_at_all() -> None:
    notes = ["x" * 9_000]
    long, too_long, short = "get_calls(" + "x" * 3_000 + ")", "get_calls(" + "x" * 8_000 + ")", "find_gaps()"

    assert squeeze(Answer(project="shop", notes=notes, next=[too_long, short])).next == [short]
    assert squeeze(Answer(project="shop", notes=notes, next=[long, short])).next == [long, short]


def test_an_answer_that_cannot_be_squeezed_is_an_error() -> None:
    with pytest.raises(ValueError, match="must not be cut"):
        squeeze(Answer(project="x" * 9_000))


@pytest.mark.parametrize(
    ("lengths", "room", "granted"),
    [
        ([5, 2_000, 50], 90, [5, 35, 50]),
        ([50, 50, 50], 90, [50, 20, 20]),
        ([2_000, 100], 200, [100, 100]),
        ([2_000, 2_000], 200, [100, 100]),
        ([2_000, 2_000], 2, [12, 12]),
        ([], 10, []),
    ],
)
def test_short_texts_get_their_room_before_long_ones(lengths: list[int], room: int, granted: list[int]) -> None:
    assert shares(lengths, room, least=12, short=60, mark=16) == granted


@given(st.lists(st.integers(0, 300), max_size=20), st.integers(-5, 1_000), st.booleans())
def test_shares_use_the_room_and_keep_within_it(lengths: list[int], room: int, even: bool) -> None:
    granted = shares(lengths, room, even=even)
    cut = [share for share, length in zip(granted, lengths, strict=True) if share < length]

    assert all(0 <= share <= length for share, length in zip(granted, lengths, strict=True))
    assert sum(granted) <= max(room, 0)
    assert not cut or sum(granted) > room - (len(cut) if even else 1)
    assert max(cut, default=0) - min(cut, default=0) <= (0 if even else 1)


def test_an_answer_may_exceed_its_aim_if_no_candidate_is_smaller() -> None:
    def candidates(*sizes: int) -> list[Answer]:
        return [Answer(project="shop", notes=["x" * size]) for size in sizes]

    assert len(fit(candidates(3_000, 900, 100), aim=1_000).notes[0]) == 900
    assert len(fit(candidates(5_000, 3_000), aim=1_000).notes[0]) == 3_000
    assert size_of(fit(candidates(50_000, 9_000), aim=1_000)) <= MAX_ANSWER_CHARS


def test_a_table_that_drops_rows_keeps_its_cells_readable() -> None:
    def build(rows: int, chars: int) -> Numbered:
        return numbered([[number, "x" * chars] for number in range(rows)], [], []).model_copy(update={"table": None})

    assert [len(str(row[1])) for row in fit_table(build, 5, cells=(500, 100, 10), least_cell=100).rows] == [500] * 5
    assert [len(str(row[1])) for row in fit_table(build, 200, cells=(500, 100, 10), least_cell=100).rows] == [10] * 200
    fewer = fit_table(build, 2_000, cells=(500, 100, 10), least_cell=100).rows
    assert len(fewer) < 100 and {len(str(row[1])) for row in fewer} == {100}


def test_items_are_selected_in_order_while_there_is_room() -> None:
    assert items_that_fit([3, 4, 5, 1], 8, size=int) == [3, 4]
    assert items_that_fit([3, 4, 5, 1], 8, size=int, skip=True) == [3, 4, 1]
    assert items_that_fit([9, 1], 8, size=int) == []
    assert items_that_fit([9, 1], 8, size=int, least=1) == [9]
    assert items_that_fit([9, 1], 8, size=int, least=1, skip=True) == [9]


def test_items_after_the_first_that_does_not_fit_are_not_built() -> None:
    items = iter([3, 9, 1])

    assert items_that_fit(items, 8, size=int) == [3]
    assert list(items) == [1]


def test_the_first_candidate_within_the_room_is_returned() -> None:
    assert first_that_fits(["long text", "text", "t"], 5, size=len) == "text"
    assert first_that_fits(["long text"], 5, size=len) is None


@pytest.mark.parametrize(
    ("sizes", "room", "begin", "end"),
    [
        ([1] * 9, 6, 4, 7),
        ([1] * 9, 20, 6, 6),
        ([5, 1, 1], 4, 0, 3),
        ([1, 1, 1, 9], 11, 2, 3),
        ([], 5, 0, 0),
    ],
)
def test_two_first_items_are_selected_for_each_last_one(sizes: list[int], room: int, begin: int, end: int) -> None:
    assert ends_that_fit(sizes, room) == (begin, end)


def test_omitted_items_are_counted() -> None:
    assert first_texts([1, 2, 3], 3) == ["1", "2", "3"]
    assert first_texts([1, 2, 3], 1, text=lambda number: f"#{number}") == ["#1", "… 2 more"]
    assert first_texts([], 1) == []
