"""Where a value came from and where it went."""

from __future__ import annotations

import pytest

from breadcrumb_server.answers.fit import MAX_ANSWER_CHARS, size_of
from breadcrumb_server.answers.value_search import COLUMNS, search_values
from breadcrumb_storage.errors import BreadcrumbError


@pytest.fixture
def trace(project):
    trace = project.trace()
    trace.process()
    return trace


def test_a_value_is_followed_in_the_order_of_time(project, trace) -> None:
    read, price, save = trace.function("read"), trace.function("price"), trace.function("save")
    late = trace.call(save, args={"row": {"sku": "SKU-4711"}}, at_ms=30)
    first = trace.call(read, args={"path": "a.csv"}, returns=["SKU-4711", "x"], at_ms=10)
    trace.call(read, args={"path": "b.csv"}, returns=["other"], at_ms=15)
    raised = trace.exception("KeyError", "'SKU-4711'")
    middle = trace.call(price, first, args={"sku": "SKU-4711"}, raises=raised, at_ms=20)
    answer = search_values(project.con, "shop", "SKU-4711")
    assert answer.columns == COLUMNS
    assert answer.rows == [
        [first, "shop.pricing:read", "result ['SKU-4711', 'x']", "returned", 10.0, ""],
        [middle, "shop.pricing:price", "sku='SKU-4711'; KeyError: 'SKU-4711'", "raised", 20.0, "shop.pricing:read"],
        [late, "shop.pricing:save", "row={'sku': 'SKU-4711'}", "returned", 30.0, ""],
    ]
    assert answer.first == f"call {first} shop.pricing:read has it in result ['SKU-4711', 'x']"
    assert answer.last == f"call {late} shop.pricing:save has it in row={{'sku': 'SKU-4711'}}"
    assert answer.functions == [
        "shop.pricing:read: 1 result", "shop.pricing:price: 1 argument, 1 exception", "shop.pricing:save: 1 argument",
    ]  # fmt: skip


def test_a_text_with_quotes_and_escapes_is_found_as_it_was(project, trace) -> None:
    call = trace.call(trace.function("f"), args={"text": 'say "hi"\n\u00e9'})
    for text in ('say "hi"', "\u00e9"):
        assert [row[0] for row in search_values(project.con, "shop", text).rows] == [call]


def test_a_long_value_is_shown_around_the_text(project, trace) -> None:
    trace.call(trace.function("f"), args={"text": "a" * 3000 + "needle" + "b" * 3000})
    (row,) = search_values(project.con, "shop", "needle").rows
    assert "aneedleb" in str(row[2]) and len(str(row[2])) < 200


def test_pages_go_on_where_the_last_one_ended(project, trace) -> None:
    f = trace.function("f")
    calls = [trace.call(f, args={"n": "needle"}) for _ in range(7)]
    found, cursor = [], None
    while True:
        page = search_values(project.con, "shop", "needle", limit=3, cursor=cursor)
        found += [row[0] for row in page.rows]
        assert page.total == 7
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == calls


def test_an_answer_stays_within_its_size_and_an_empty_text_is_refused(project, trace) -> None:
    f = trace.function("f")
    for _ in range(200):
        trace.call(f, args={"n": "needle" * 300, "m": ["needle"] * 50})
    assert size_of(search_values(project.con, "shop", "needle", limit=200)) <= MAX_ANSWER_CHARS
    with pytest.raises(BreadcrumbError, match="empty"):
        search_values(project.con, "shop", "")


def test_nothing_found_says_why_that_may_be(project, trace) -> None:
    trace.call(trace.function("f"))
    answer = search_values(project.con, "shop", "missing")
    assert (answer.total, answer.rows) == (0, [])
    assert "max_value_chars" in answer.message
