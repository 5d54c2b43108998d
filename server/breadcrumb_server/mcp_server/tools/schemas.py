"""Shorten the JSON schemas of tools: clients send those of arguments to a model, in every session.

What pydantic generates repeats the names of fields as titles, and says of an argument that may be left out that it may
be null too. Null is still accepted, see ``registration``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from breadcrumb_server.answers.common.parsed_json import is_array, is_object

Schema = dict[str, Any]

# The keys whose values are schemas by name.
_NAMED = ("properties", "$defs")
_NULL = {"type": "null"}


def arguments_schema(schema: Schema) -> Schema:
    """Return a schema of arguments without titles and nulls, nor that others are refused: the refusal says it."""
    return _without_nulls(_without(schema, ("title",)))


def answer_schema(schema: Schema) -> Schema:
    """Return the schema of an answer with its types alone. Models do not see it; docs/tools.md has the descriptions."""
    return {"title": schema["title"], **_without(schema, ("title", "description", "default"))}


def _without(schema: Schema, keys: tuple[str, ...]) -> Schema:
    """Return a schema without some keys, at all of its levels. A field may have the name of a key."""
    return {name: _inner(name, value, keys) for name, value in schema.items() if name not in keys}


def _inner(name: str, value: Any, keys: tuple[str, ...]) -> Any:
    if is_array(value):
        return [_inner("", each, keys) for each in value]
    if not is_object(value) or name == "default":
        return value
    if name in _NAMED:
        return {field: _inner("", each, keys) for field, each in value.items()}
    return _without(value, keys)


def _without_nulls(schema: Schema) -> Schema:
    properties = {name: _argument(each) for name, each in schema["properties"].items()}
    return {**{key: value for key, value in schema.items() if key != "additionalProperties"}, "properties": properties}


def _argument(schema: Mapping[str, Any]) -> Schema:
    """Return the schema of an argument, its type first, without the default null."""
    kinds: list[Schema] = [_plain(each) for each in schema.get("anyOf", ()) if each != _NULL]
    kind: Schema = kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {}
    rest = {key: value for key, value in schema.items() if key != "anyOf" and (key, value) != ("default", None)}
    return {**kind, **_plain(rest)}


def _plain(schema: Mapping[str, Any]) -> Schema:
    """Drop that an object may have any members, which it may anyway."""
    return {key: value for key, value in schema.items() if (key, value) != ("additionalProperties", True)}
