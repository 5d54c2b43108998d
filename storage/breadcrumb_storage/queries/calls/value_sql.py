"""Build SQL for the Python type, the length and the number of a captured value.

Each function takes an SQL expression of a JSON value and returns one of its property. Values have the format of
`breadcrumb.value_format`.
"""

from __future__ import annotations

from breadcrumb.value_format import (
    BYTES_KEY,
    CHARS_CUT_PATTERN,
    CUT_MARK,
    ENTRIES_CUT_PATTERN,
    FROZENSET_KEY,
    OBJECT_KEY,
    OBJECT_KEY_PATTERN,
    OBJECT_MARK_PATTERN,
    REDACTED,
    SET_KEY,
    TUPLE_KEY,
    TYPE_KEY,
    VALUE_FIELD,
)


def without_numbers(stored: str) -> str:
    """Return SQL for a column of stored values without the numbers of objects: two objects may be equal."""
    return _without(stored, OBJECT_KEY_PATTERN)


def json_without_numbers(value: str) -> str:
    """Return SQL for the minified text of a JSON value without the numbers of objects."""
    return _without(f"({value})::VARCHAR", OBJECT_KEY_PATTERN.replace(" ", ""))


def _without(text: str, number: str) -> str:
    # Most values have neither. To look for it takes a tenth of the time of the regular expression.
    without_key = f"regexp_replace({text}, '{number}', '', 'g')"
    keyed = f"CASE WHEN contains({text}, '{OBJECT_KEY}') THEN {without_key} ELSE {text} END"
    return (
        f"CASE WHEN contains({text}, '#') "
        f"THEN regexp_replace({keyed}, '{OBJECT_MARK_PATTERN}', '>\"', 'g') ELSE {keyed} END"
    )


def text_of(value: str) -> str:
    """Return SQL for the text of a JSON string, and for the JSON of other values."""
    return f"json_extract_string({value}, '$')"


def content_of(value: str) -> str:
    """Return SQL for what a Decimal, a date, a NumPy scalar and the like are made from; for other values themselves."""
    return f"""CASE WHEN json_type({value}) = 'OBJECT' AND json_keys({value}) = ['{TYPE_KEY}', '{VALUE_FIELD}']
        THEN json_extract({value}, '$.{VALUE_FIELD}') ELSE {value} END"""


def number_of(value: str) -> str:
    """Return SQL for the value as a number, NULL if it is none; the content of a Decimal is a text."""
    return f"TRY_CAST({text_of(content_of(value))} AS DOUBLE)"


def kind_of(value: str) -> str:
    """Return SQL for the name of the value's type in Python."""
    text = text_of(value)
    return f"""CASE json_type({value})
        WHEN 'NULL' THEN 'None' WHEN 'BOOLEAN' THEN 'bool' WHEN 'DOUBLE' THEN 'float' WHEN 'ARRAY' THEN 'list'
        WHEN 'VARCHAR' THEN CASE WHEN {text} = '{REDACTED}' THEN {text} WHEN {_is_description(text)}
            THEN regexp_extract({text}, '^<(?:cycle: )?([^\\s.>#]*)', 1) ELSE 'str' END
        WHEN 'OBJECT' THEN coalesce(json_extract_string({value}, '$."{TYPE_KEY}"'),
            nullif(regexp_extract({value}::VARCHAR, '^."\\$(\\w+)":', 1), ''), 'dict')
        ELSE 'int' END"""


def length_of(value: str) -> str:
    """Return SQL for the number of characters or items before the value was cut, NULL if it has no length."""
    text = text_of(value)
    in_objects = ", ".join(f"""json_extract({value}, '$."{key}"')""" for key in (TUPLE_KEY, SET_KEY, FROZENSET_KEY))
    items = f"""coalesce(CASE WHEN json_type({value}) = 'ARRAY' THEN {value} END,
        {in_objects},
        CASE WHEN json_keys({value}) = ['{TYPE_KEY}', 'items'] THEN json_extract({value}, '$.items') END)"""
    size = f"TRY_CAST(json_extract_string({value}, '$.size') AS BIGINT)"
    content = f"json_extract_string({value}, '$.\"{BYTES_KEY}\"')"
    stated_length = _number_in(text, r" of (\d+)>$")
    of_text = f"CASE WHEN {_is_description(text)} THEN {stated_length} ELSE {_characters(text)} END"
    of_items = _plus_missing(f"json_array_length({items})", f"json_extract_string({items}, '$[#-1]')")
    of_keys = _plus_missing(f"len(json_keys({value}))", f"json_extract_string({value}, '$.\"{CUT_MARK}\"')")
    return f"""coalesce(
        CASE WHEN json_type({value}) = 'VARCHAR' THEN {of_text} END,
        CASE WHEN {content} IS NOT NULL THEN coalesce({size}, length({content})) END,
        {of_items},
        CASE WHEN json_type({value}) = 'OBJECT' AND {value}::VARCHAR NOT LIKE '{{"$%' THEN {of_keys} END)"""


def _is_description(text: str) -> str:
    """Return SQL that is true for descriptions, such as `<Color.RED>`, `<function shop.cart.total>`, `<list of 20>`."""
    return f"regexp_full_match({text}, '(?s)<.*>')"


def _characters(text: str) -> str:
    mark = f"{CHARS_CUT_PATTERN}$"
    return f"length(regexp_replace({text}, '{mark}', '')) + coalesce({_number_in(text, mark)}, 0)"


def _plus_missing(count: str, mark: str) -> str:
    """Return SQL for `count` plus the items that were cut off, as the container's last item or entry gives them."""
    missing = _number_in(mark, rf"^(?:{CUT_MARK}\()?{ENTRIES_CUT_PATTERN}\)?$")
    return f"{count}::BIGINT + coalesce({missing} - 1, 0)"


def _number_in(text: str, pattern: str) -> str:
    return f"TRY_CAST(regexp_extract({text}, '{pattern}', 1) AS BIGINT)"
