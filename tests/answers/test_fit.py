"""No answer is larger than it may be, and what it gave up for that is said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from breadcrumb_server.answers.common.budget import MAX_ANSWER_CHARS, fit, fit_table, size_of, squeeze
from breadcrumb_server.answers.common.model import Answer, Page, Table
from breadcrumb_server.answers.common.text import cut


class Numbered(Page):
    trace_id: str
    table: Table | None = None
    lines: list[str] = Field(default_factory=list)


# Quotes, controls and lone planes: characters that take up to twelve in JSON, and none that JSON cannot carry.
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
def test_whatever_is_in_an_answer_it_fits_after_squeezing(
    rows: list[list[Any]], lines: list[str], follow_ups: list[str]
) -> None:
    squeezed = squeeze(numbered(rows, lines, follow_ups))

    assert size_of(squeezed) <= MAX_ANSWER_CHARS
    assert (squeezed.trace_id, squeezed.total) == ("20250110-120000-beef", len(rows))
    assert all(len(row) == len(squeezed.columns) for row in squeezed.rows)
    assert set(squeezed.next) <= set(follow_ups)


@settings(max_examples=30, deadline=None)
@given(st.lists(texts, min_size=1, max_size=30), st.integers(1, 100))
def test_a_table_of_any_size_fits_and_its_rows_are_the_first_ones_in_order(cells: list[str], times: int) -> None:
    values = cells * times

    def build(rows: int, chars: int) -> Numbered:
        shown: list[list[Any]] = [[number, cut(text, chars)] for number, text in enumerate(values[:rows])]
        return numbered(shown, [], []).model_copy(update={"table": None, "total": len(values)})

    fitted = fit_table(build, len(values))

    assert size_of(fitted) <= MAX_ANSWER_CHARS
    assert [row[0] for row in fitted.rows] == list(range(len(fitted.rows)))
    assert fitted.rows


def test_all_rows_are_kept_by_shortening_cells_before_any_row_is_given_up() -> None:
    def build(rows: int, chars: int) -> Numbered:
        return numbered([[number, cut("x" * 5_000, chars)] for number in range(rows)], [], []).model_copy(
            update={"table": None}
        )

    fitted = fit_table(build, 20)

    assert len(fitted.rows) == 20
    assert size_of(fitted) > MAX_ANSWER_CHARS / 2


def test_the_first_candidate_that_fits_is_taken_and_the_others_are_never_built() -> None:
    def candidates() -> Any:
        yield Answer(project="shop", notes=["x" * 9_000])
        yield Answer(project="shop", notes=["short"])
        raise AssertionError("built for nothing")

    assert fit(candidates()).notes == ["short"]


def test_what_was_squeezed_says_so_and_what_fits_is_left_alone() -> None:
    small = Answer(project="shop", notes=["all"])

    assert squeeze(small) is small
    assert "cut to fit into 8000 characters" in squeeze(Answer(project="shop", notes=["x" * 9_000])).notes[-1]


def test_a_follow_up_call_is_kept_whole_or_not_at_all() -> None:
    calls = ["get_calls(" + "x" * 3_000 + ")", "find_gaps()"]

    assert squeeze(Answer(project="shop", notes=["x" * 9_000], next=calls)).next == ["find_gaps()"]


def test_an_answer_that_cannot_be_made_to_fit_is_an_error_and_not_a_large_answer() -> None:
    with pytest.raises(ValueError, match="must not be cut"):
        squeeze(Answer(project="x" * 9_000))
