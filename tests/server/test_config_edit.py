from __future__ import annotations

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from breadcrumb_server.projects.config_edit import edit_text

HAND_WRITTEN = """\
# my project
project: shop   # the name

include:        # what matters
  - __main__
  # prices
  - "shop.*"    # all of it
  - tests/**/*.py

exclude: [vendored.*]  # slow
capture:
    # deep data
    max_depth: 6   # levels
retention: {max_traces: 50}
"""


def test_a_changed_value_leaves_every_comment_where_it_was() -> None:
    assert edit_text(HAND_WRITTEN, {"capture.max_depth": 9}) == HAND_WRITTEN.replace("max_depth: 6 ", "max_depth: 9 ")


def test_a_pattern_is_added_after_the_last_one() -> None:
    wanted = ["__main__", "shop.*", "tests/**/*.py", "*.rates"]
    assert edit_text(HAND_WRITTEN, {"include": wanted}) == HAND_WRITTEN.replace(
        "  - tests/**/*.py\n", "  - tests/**/*.py\n  - '*.rates'\n"
    )


def test_removing_a_pattern_removes_only_its_line() -> None:
    assert edit_text(HAND_WRITTEN, {"include": ["__main__", "tests/**/*.py"]}) == HAND_WRITTEN.replace(
        '  - "shop.*"    # all of it\n', ""
    )


def test_a_list_in_brackets_is_replaced_and_its_comment_stays() -> None:
    edited = edit_text(HAND_WRITTEN, {"exclude": ["a.*", "b.*"]})
    assert edited == HAND_WRITTEN.replace("[vendored.*]", "[a.*, b.*]")


def test_a_reordered_list_is_rewritten_and_the_rest_stays() -> None:
    edited = edit_text(HAND_WRITTEN, {"include": ["shop.*", "__main__"]})
    assert edited is not None
    assert yaml.safe_load(edited)["include"] == ["shop.*", "__main__"]
    assert "# my project" in edited and "# slow" in edited and "# deep data" in edited


def test_an_emptied_list_is_valid_yaml() -> None:
    edited = edit_text(HAND_WRITTEN, {"include": []})
    assert edited is not None
    assert yaml.safe_load(edited)["include"] == []
    assert "# my project" in edited


def test_a_new_key_goes_into_its_section_or_to_the_end() -> None:
    edited = edit_text(HAND_WRITTEN, {"capture.mode": "full", "retention.max_db_mb": 10, "backend": "settrace"})
    assert edited is not None
    assert yaml.safe_load(edited)["capture"] == {"mode": "full", "max_depth": 6}
    assert yaml.safe_load(edited)["retention"] == {"max_traces": 50, "max_db_mb": 10}
    assert edited.endswith("\nbackend: settrace\n")
    assert "# deep data" in edited and "# levels" in edited


def test_a_missing_section_is_added() -> None:
    assert edit_text("project: shop", {"capture.mode": "full"}) == "project: shop\ncapture: {mode: full}\n"


def test_a_text_that_cannot_be_edited_in_place_gives_none() -> None:
    assert edit_text("project: shop\ninclude: &all [a.*]\nexclude: *all\n", {"include": ["b.*"]}) is None


NAMES = st.text("abc.*_/-#:'\" é", min_size=1, max_size=8)
LISTS = st.lists(NAMES, max_size=4, unique=True)


@settings(max_examples=150, deadline=None)
@given(before=LISTS, after=LISTS, block=st.booleans(), text=NAMES, number=st.integers(0, 99))
def test_parsing_the_edited_text_gives_the_requested_values(
    before: list[str], after: list[str], block: bool, text: str, number: int
) -> None:
    data = {"project": "shop", "include": before, "capture": {"mode": "full"}, "last": "x"}
    file = yaml.safe_dump(data, default_flow_style=not block, sort_keys=False, allow_unicode=True)
    edited = edit_text(file, {"include": after, "capture.mode": text, "capture.max_depth": number})
    assert edited is not None
    found = yaml.safe_load(edited)
    assert found["include"] == after
    assert found["capture"] == {"mode": text, "max_depth": number}
    assert found["project"] == "shop" and found["last"] == "x"
