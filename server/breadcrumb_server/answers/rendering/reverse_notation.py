"""Convert values in the notation of Python, as answers show them, to the JSON in which they are recorded."""

from __future__ import annotations

import ast
import datetime
import json
import re
from typing import Any

from breadcrumb.value_format import (
    BYTES_KEY,
    FLOAT_KEY,
    FROZENSET_KEY,
    KEY_MARK,
    REPR_KEY,
    SET_KEY,
    TUPLE_KEY,
    TYPE_KEY,
    VALUE_FIELD,
)
from breadcrumb_server.answers.common.parsed_json import is_array

# Classes of the standard library that Python's own notation makes from several numbers.
_DATES = {"date": datetime.date, "time": datetime.time, "datetime": datetime.datetime, "timedelta": datetime.timedelta}
_EMPTY = {"set": SET_KEY, "frozenset": FROZENSET_KEY}
# The number of an object before its fields: values are compared without it.
_NUMBER = re.compile(r"(?<=\w)#\d+(?=\()")
# A path is recorded by the class of the system that it is for.
_CLASSES = {"Path": "PosixPath", "PurePath": "PurePosixPath"}


def recorded_form(text: str) -> Any:
    """Return the parsed JSON that records a value.

    Args:
        text: The value in the notation of answers: ``Decimal('1.20')``, ``Color.RED``, ``(1, None)``, ``Item(id=3)``.

    Raises:
        ValueError: The text is no such value.
    """
    try:
        return _form(ast.parse(_NUMBER.sub("", text.strip()), mode="eval").body)
    except (SyntaxError, TypeError, MemoryError, RecursionError, OverflowError) as error:
        raise ValueError(text) from error


def _form(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        return _constant(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        number = ast.literal_eval(node)
        return _constant(number)
    if isinstance(node, ast.List):
        return [_form(each) for each in node.elts]
    if isinstance(node, ast.Tuple):
        return {TUPLE_KEY: [_form(each) for each in node.elts]}
    if isinstance(node, ast.Set):
        return {SET_KEY: [_form(each) for each in node.elts]}
    if isinstance(node, ast.Dict):
        return {_key(key): _form(value) for key, value in zip(node.keys, node.values, strict=True)}
    if isinstance(node, ast.Attribute):
        name = ast.unparse(node)
        return {TYPE_KEY: name.rpartition(".")[0], REPR_KEY: name}
    if isinstance(node, ast.Call):
        return _call(node)
    raise ValueError(ast.unparse(node))


def _constant(value: object) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else {FLOAT_KEY: repr(value)}
    if isinstance(value, bytes):
        return {BYTES_KEY: value.decode("utf-8", "backslashreplace")}
    if isinstance(value, complex):
        return {TYPE_KEY: "complex", VALUE_FIELD: repr(value)}
    raise ValueError(value)


def _key(node: ast.expr | None) -> str:
    form = None if node is None else _form(node)
    if isinstance(form, str):
        return form
    return KEY_MARK + json.dumps(form, ensure_ascii=False)


def _call(node: ast.Call) -> Any:
    name = ast.unparse(node.func)
    short = name.rpartition(".")[2] if name.startswith(("datetime.", "decimal.", "uuid.", "pathlib.")) else name
    if short == "frozenset" and len(node.args) == 1 and isinstance(node.args[0], ast.Set):
        return {FROZENSET_KEY: [_form(each) for each in node.args[0].elts]}
    if short in _EMPTY and not node.args and not node.keywords:
        return {_EMPTY[short]: []}
    if short == "range":
        return {TYPE_KEY: "range", REPR_KEY: ast.unparse(node)}
    kind = _CLASSES.get(short, short)
    if len(node.args) == 1 and not node.keywords:
        content: object = _form(node.args[0])
        if not (kind in _DATES and isinstance(content, int)):
            return {TYPE_KEY: kind, "items" if is_array(content) else VALUE_FIELD: content}
    if kind in _DATES:
        arguments = [ast.literal_eval(each) for each in node.args]
        named = {each.arg or "": ast.literal_eval(each.value) for each in node.keywords}
        made: Any = _DATES[kind](*arguments, **named)
        return {TYPE_KEY: kind, VALUE_FIELD: str(made) if kind == "timedelta" else made.isoformat()}
    if node.args or any(each.arg is None for each in node.keywords):
        raise ValueError(ast.unparse(node))
    return {TYPE_KEY: kind, **{str(each.arg): _form(each.value) for each in node.keywords}}
