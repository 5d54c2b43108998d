"""Test the change of one member of a JSON text: the rest stays as it is, to the character."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breadcrumb_server.clients.json_text import NotEditable, lookup, parse, with_member, without_member

PATH = ("mcpServers", "breadcrumb")
ENTRY = {"command": "/opt/b", "args": []}

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_documents = st.dictionaries(st.text() | st.just("mcpServers"), _values, max_size=4)
_servers = st.dictionaries(st.sampled_from(["breadcrumb", "other", 'a"b', "}"]), _values, max_size=4)


def _expected(document: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    expected = deepcopy(document)
    table = expected
    for key in path[:-1]:
        table = table.setdefault(key, {})
    table[path[-1]] = ENTRY
    return expected


@given(
    document=_documents,
    servers=_servers | st.none(),
    indent=st.sampled_from([None, 1, 2, 4, "\t"]),
    ascii_only=st.booleans(),
    newline=st.sampled_from(["\n", "\r\n"]),
    path=st.sampled_from([PATH, ("projects", "/a/b", *PATH)]),
)
def test_only_the_member_changes_whatever_else_is_there(document, servers, indent, ascii_only, newline, path) -> None:
    document.pop("projects", None)
    document.pop("mcpServers", None)
    if servers is not None:
        document["mcpServers"] = servers
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only).replace("\n", newline)
    changed = with_member(text, path, ENTRY)
    assert list(parse(changed).items()) == list(_expected(document, path).items())
    assert with_member(changed, path, ENTRY) == changed
    removed = parse(without_member(changed, path))
    assert lookup(removed, path) is None
    expected = _expected(document, path)
    del lookup(expected, path[:-1])[path[-1]]
    assert removed == expected


def test_the_text_around_the_member_stays_to_the_character() -> None:
    text = '{\n    "n": 1.50,   "u": "\\u00e9",\n    "mcpServers": {\n        "x": {"command": "x"}\n    },\n    "z": [1,\n2]\n}\n'
    changed = with_member(text, PATH, ENTRY)
    added = ',\n        "breadcrumb": {\n            "command": "/opt/b",\n            "args": []\n        }'
    assert changed == text.replace('"x"}', '"x"}' + added)
    assert without_member(changed, PATH) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", '{\n  "mcpServers": {\n    "breadcrumb": {\n      "command": "/opt/b",\n      "args": []\n    }\n  }\n}\n'),
        ('{"a": 1}', '{"a": 1, "mcpServers": {"breadcrumb": {"command": "/opt/b", "args": []}}}'),
        ('{"mcpServers": {"breadcrumb": 1, "b": 2}}', '{"mcpServers": {"breadcrumb": {"command": "/opt/b", "args": []}, "b": 2}}'),
        ("{\n\t\"mcpServers\": {}\n}", '{\n\t"mcpServers": {\n\t\t"breadcrumb": {\n\t\t\t"command": "/opt/b",\n\t\t\t"args": []\n\t\t}\n\t}\n}'),
    ],
)  # fmt: skip
def test_the_member_is_written_as_its_neighbours_are(text: str, expected: str) -> None:
    assert with_member(text, PATH, ENTRY) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("// servers\n{}", "not plain JSON"),
        ('{"a": 1,}', "not plain JSON"),
        ('{"mcpServers": {', "not plain JSON"),
        ('{"a": 1, "a": 2}', "a key stands twice"),
        ("[]", "not an object"),
        ('{"mcpServers": null}', "'mcpServers' is not an object"),
        ('{"mcpServers": [1]}', "'mcpServers' is not an object"),
        ("[" * 100_000, "not plain JSON"),
    ],
)
def test_what_cannot_be_edited_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(NotEditable, match=why):
        with_member(text, PATH, ENTRY)
