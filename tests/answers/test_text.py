"""Values, calls, durations and times are text that an agent can read and write."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breadcrumb_server.answers.common.next_calls import call, first_few
from breadcrumb_server.answers.common.text import command_text, counted, cut, cut_middle, last_lines, milliseconds
from breadcrumb_server.answers.common.time_argument import parse_since
from breadcrumb_server.answers.rendering.layout import arguments_text, cut_value, pairs_text, value_text
from breadcrumb_server.answers.rendering.notation import Node, read_value, value_tree
from breadcrumb_storage.errors import BreadcrumbError


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ({"a": None, "b": [True, 1.5, "it's"]}, "{'a': None, 'b': [True, 1.5, \"it's\"]}"),
        ({"$tuple": [1]}, "(1,)"),
        ({"$tuple": [1, "…(+42 items)"]}, "(1, …(+42 items))"),
        ({"$set": [1, 2]}, "{1, 2}"),
        ({"$frozenset": [1]}, "frozenset({1})"),
        ({"$key:1": 1, "1": 2, '$key:{"$tuple": [1, "a"]}': 3}, "{1: 1, '1': 2, (1, 'a'): 3}"),
        ({"$type": "Counter", "$key:1": 2, "b": 1}, "Counter({1: 2, 'b': 1})"),
        ([{"$float": "-inf"}, "inf"], "[-inf, 'inf']"),
        ({'$key:"$key:1"': 1, '$key:{"$tup': 2}, "{'$key:1': 1, '$key:{\"$tup': 2}"),
        ({"$bytes": "ab", "size": 4000}, "b'ab'…(4,000 bytes in all)"),
        ({"$type": "Cart", "owner": "ann", "lines": []}, "Cart(owner='ann', lines=[])"),
        ({"$type": "Color", "value": 3}, "Color(3)"),
        ({"$type": "Bag", "items": [1]}, "Bag([1])"),
        ({"$type": "KeyError", "args": ["rate"]}, "KeyError('rate')"),
        ({"$type": "Empty"}, "Empty()"),
        ({"password": "[REDACTED]", "…": "+7 items"}, "{'password': [REDACTED], …(+7 items)}"),
    ],
)
def test_a_recorded_value_is_shown_as_python_would_write_it(stored: object, shown: str) -> None:
    assert value_text(json.dumps(stored), 500) == shown


def test_a_value_that_is_not_json_is_shown_as_it_is() -> None:
    assert value_text("{broken", 500) == "{broken"
    assert value_text("[" * 100_000, 30).endswith("[…(+99,987 chars)")


def test_a_lone_surrogate_in_a_value_can_be_sent() -> None:
    value_text('"\\ud800"', 100).encode()


def test_a_cut_text_says_how_many_characters_are_missing() -> None:
    shown = cut("x" * 1_000, 50)

    kept = shown.count("x")
    assert shown == "x" * kept + f"…(+{1_000 - kept:,} chars)"
    assert 40 < len(shown) <= 50


@given(st.text(max_size=300), st.integers(20, 400))
def test_a_cut_text_is_never_longer_than_allowed(text: str, chars: int) -> None:
    assert len(cut(text, chars)) <= chars


@given(st.text(max_size=300), st.integers(40, 400))
def test_a_text_cut_in_its_middle_keeps_both_ends_and_is_never_longer_than_allowed(text: str, chars: int) -> None:
    shown = cut_middle(text, chars)
    assert len(shown) <= chars
    assert (shown[:5], shown[-10:]) == (text[:5], text[-10:])


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["/usr/bin/python3", "held.py", "a b"], "/usr/bin/python3 held.py 'a b'"),
        (
            ["/tmp/environments-46PXMg/oldest/bin/python3", "held.py", "/tmp/of-root/286/popen-gw1/not_loaded_3/gate"],
            "…/oldest/bin/python3 held.py …/not_loaded_3/gate",
        ),
        (["python3", "/srv/" + "x" * 60 + ".py", "--all"], "python3 …/" + "x" * 60 + ".py --all"),
    ],
    ids=["short", "long folders", "long name"],
)
def test_a_long_command_loses_the_folders_of_its_paths_before_its_words(words: list[str], shown: str) -> None:
    assert command_text(words, 80) == shown


@given(st.lists(st.text(max_size=60)), st.integers(40, 200))
def test_the_text_of_a_command_is_never_longer_than_allowed(words: list[str], chars: int) -> None:
    assert len(command_text(words, chars)) <= chars


def test_long_arguments_are_cut_so_that_all_are_named() -> None:
    stored = json.dumps({"items": ["x" * 2_000], "rate": None, "note": "y" * 2_000})

    shown = arguments_text(stored, 120)

    assert shown.startswith("items=['xx")
    assert ", rate=None, note='yy" in shown
    assert len(shown) <= 120


def test_a_short_argument_is_whole_before_a_long_one_gets_any_room() -> None:
    stored = json.dumps({"sheet": "x" * 2_000, "style": [0, 0, 0, 2, 0, 0, 0, 0, 0], "name": "y" * 70})

    shown = arguments_text(stored, 100)

    assert "style=[0, 0, 0, 2, 0, 0, 0, 0, 0], name=" in shown
    assert len(shown) <= 100


def test_values_of_low_priority_are_short_even_if_there_is_room() -> None:
    pairs = [("self", "z" * 90), ("sheet", "short"), ("style", "y" * 90)]
    assert pairs_text(pairs, 1_000, {"self", "sheet"}) == f"self={'z' * 28}…(+62 chars), sheet=short, style={'y' * 90}"


LARGE = {"$type": "Config", "table": {"row 0": "x" * 300, "row 1": "b"}, "name": "shop", "rate": None, "items": [1, 2]}


@pytest.mark.parametrize(
    ("value", "chars", "shown"),
    [
        (
            LARGE,
            100,
            "Config(table={'row 0': 'xxxxxxxxxxxxxxxxx…, 'row 1': 'b'}, name='shop', rate=None, items=[1, 2])",
        ),
        (
            {"a": "it's, (", "b": {"c": "y" * 200}, "d": 2},
            60,
            "{'a': \"it's, (\", 'b': {'c': 'yyyyyyyyyyyyyyyy…}, 'd': 2}",
        ),
        ({"long": "z" * 99, "…": "+7 items"}, 50, "{'long': 'zzzzzzzzzzz…(+89 chars), …(+7 items)}"),
        (
            {"$type": "Counter", "$key:1": "z" * 99, '$key:{"$tuple": [1, "a"]}': 2},
            50,
            "Counter({1: 'zzzzzzzzzzzzzzzzzzz…, (1, 'a'): 2})",
        ),
        ({"$type": "Box[int]", "long": "z" * 99, "n": 1}, 50, "Box[int](long='zzzzzzzzzzzzzz…(+86 chars), n=1)"),
        # Cut as text: no fields, or too many.
        (list(range(30)), 30, "[0, 1, 2, 3, 4, 5…(+93 chars)"),
        ({f"key {n}": n for n in range(30)}, 30, "{'key 0': 0, 'key…(+383 chars)"),
        ("(a=1, b=2" * 9, 30, "'(a=1, b=2(a=1, b=…(+65 chars)"),
        ("…(+2 Cart(a=1, b='" + "z" * 99 + "')", 40, "…(+2 Cart(a=1, b='zzzzzzzzz…(+92 chars)"),
    ],
)
def test_every_field_of_a_large_object_is_named(value: object, chars: int, shown: str) -> None:
    assert value_text(json.dumps(value), chars) == shown


def test_a_text_that_looks_like_an_object_is_cut_as_a_text() -> None:
    assert value_text("{a: 1, b: " + "x" * 99 + "}", 30) == "{a: 1, b: xxxxxxx…(+93 chars)"


def test_values_are_equal_if_their_texts_are() -> None:
    assert read_value('{"a": 1}') == read_value('{"$key:\\"a\\"": 1}')
    assert read_value('{"a": 1}') != read_value('{"a": 2}')


def test_a_tree_has_the_parts_of_dicts_and_objects_only() -> None:
    tree = value_tree({"$type": "Cart", "lines": [{"a": 1}], "owner": {"id": 7}, "…": "+2 items"})

    assert tree == Node.of(
        "Cart(",
        [("lines=", "[{'a': 1}]"), ("owner=", Node.of("{", [("'id': ", "7")], "}")), ("", "…(+2 items)")],
        ")",
    )
    assert isinstance(tree, Node)
    assert [(name, str(part)) for name, part in tree.parts] == [
        ("lines=", "[{'a': 1}]"),
        ("owner=", "{'id': 7}"),
        ("", "…(+2 items)"),
    ]
    assert str(tree) == "Cart(lines=[{'a': 1}], owner={'id': 7}, …(+2 items))"


@given(
    st.recursive(
        st.none() | st.integers() | st.text("ab', (){}[]=:\"\\…", max_size=40),
        lambda inner: (
            st.lists(inner, max_size=5) | st.dictionaries(st.text("ab', (:=\"", max_size=5), inner, max_size=5)
        ),
        max_leaves=20,
    ),
    st.integers(25, 200),
)
def test_a_cut_value_is_never_longer_than_its_room(value: object, chars: int) -> None:
    whole = read_value(json.dumps(value))
    shown = cut_value(whole, chars)
    assert len(shown) <= chars
    assert shown == str(whole) if len(whole) <= chars else "…" in shown


@pytest.mark.parametrize(
    ("chars", "shown"),
    [
        (80, "Rate#2(name='a name that is long', of=Shop#1)"),
        (23, "Rate#2(…)"),
        (12, "Rate#2(…)"),
        (9, "Rate#2(…)"),
        (8, "Rate#2(…"),
    ],
)
def test_an_object_whose_fields_have_no_room_is_named(chars: int, shown: str) -> None:
    value = {"$type": "Rate", "$object": 2, "name": "a name that is long", "of": {"$type": "Shop", "$object": 1}}
    assert cut_value(value_tree(value), chars) == shown


@pytest.mark.parametrize(
    ("ns", "ms"), [(1, 1e-06), (1_234_567, 1.23), (99_960_000, 100.0), (123_456_789, 123), (1_234_567_890_123, 1234568)]
)
def test_durations_have_three_significant_digits_and_no_fraction_from_100_on(ns: int, ms: float) -> None:
    assert milliseconds(ns) == ms


def test_the_end_of_an_output_has_whole_lines_and_counts_the_characters_before() -> None:
    assert last_lines("one\ntwo\nthree\n", 100, 2) == "(4 characters before)\ntwo\nthree"
    assert last_lines("one\n", 100, 2) == "one"


def test_counts_read_as_english() -> None:
    assert [counted(1, "call"), counted(2_000, "call"), counted(2, "process")] == [
        "1 call",
        "2,000 calls",
        "2 processes",
    ]


def test_follow_up_calls_can_be_made_as_they_stand() -> None:
    text = call("get_calls", project="shop", function='a"b', trace_id=None, where={"call_id": 1})

    assert text == 'get_calls(project="shop", function="a\\"b", where={"call_id": 1})'


def test_at_most_three_different_short_calls_follow() -> None:
    assert first_few(["a()", None, "a()", "x" * 1_000, "b()", "c()", "d()"]) == ["a()", "b()", "c()"]


NOW = datetime(2025, 1, 10, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "moment"),
    [
        ("1h", datetime(2025, 1, 10, 11)),
        ("30m", datetime(2025, 1, 10, 11, 30)),
        (" 2D ", datetime(2025, 1, 8, 12)),
        ("1w", datetime(2025, 1, 3, 12)),
        ("2025-01-09", datetime(2025, 1, 9)),
        ("2025-01-09T10:30", datetime(2025, 1, 9, 10, 30)),
        ("2025-01-09T10:30:00+02:00", datetime(2025, 1, 9, 8, 30)),
        ("2025-01-09T10:30:00Z", datetime(2025, 1, 9, 10, 30)),
    ],
)
def test_a_time_can_be_an_age_a_date_or_an_iso_time(since: str, moment: datetime) -> None:
    assert parse_since(since, NOW) == moment


@pytest.mark.parametrize("since", ["", "yesterday", "1x", "-1h", "2025-13-01", "999999w"])
def test_an_invalid_time_is_refused_with_valid_ones(since: str) -> None:
    with pytest.raises(BreadcrumbError, match=r"30m, 1h, 2d"):
        parse_since(since, NOW)
