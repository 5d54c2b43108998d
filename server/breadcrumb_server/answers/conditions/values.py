"""Parse the conditions on values in ``where`` of get_calls."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any, Literal

from breadcrumb_server.answers.common.parsed_json import is_object
from breadcrumb_server.answers.rendering.reverse_notation import recorded_form
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.calls.object_names import ObjectName
from breadcrumb_storage.queries.calls.value_conditions import ORDERS, Order, ValueCondition

COMPARISONS = '{">": 0.3, "<=": 1}, {"!=": null}, {"contains": "text"}, {"type": "list"}, {"len": 0}'
_OPERATORS = frozenset({*ORDERS, "==", "!=", "contains", "type", "len"})
# Operators of other query languages. Taken as a value to compare with, they would silently match nothing.
_FOREIGN = re.compile(r"\$?(?:gte?|lte?|neq?|eq|n?in)|\$(?:not|regex|exists|type|size)|[<>!=~]+")


def value_condition(key: str, value: Any, column: Literal["args", "return_value"], path: str) -> ValueCondition:
    """Parse ``where[key] = value``.

    Args:
        key: The key, for error messages.
        value: A dict that has only operators as keys; or else the value to be equal to.
        column: Column of the values.
        path: JSON path into the column.

    Raises:
        BreadcrumbError: An operator does not take its operand, or is one of another query language.
    """
    if not is_object(value) or not value:
        return _equal(column, path, value)
    if not value.keys() <= _OPERATORS:
        if all(_FOREIGN.fullmatch(each) for each in value):
            raise BreadcrumbError(
                f"where[{key!r}] cannot be compared by {', '.join(value)}.",
                hint=f'It takes {COMPARISONS}, or a value that it equals, {{"==": ...}} for one that looks like these.',
            )
        return _equal(column, path, value)
    same, other = _object_in(value.get("==")), _object_in(value.get("!="))
    orders: list[tuple[Order, float | str]] = [
        (order, _ordered(key, order, value[order])) for order in ORDERS if order in value
    ]
    return ValueCondition(
        column=column,
        path=path,
        equals=_json_spellings(value["=="]) if "==" in value and same is None else (),
        differs=_json_spellings(value["!="]) if "!=" in value and other is None else (),
        is_object=same,
        is_no_object=other,
        orders=tuple(orders),
        contains=_text(key, "contains", value),
        kind=_text(key, "type", value),
        length=_length(key, value),
    )


def _equal(column: Literal["args", "return_value"], path: str, value: Any) -> ValueCondition:
    named = _object_in(value)
    if named is not None:
        return ValueCondition(column=column, path=path, is_object=named)
    return ValueCondition(column=column, path=path, equals=_json_spellings(value))


def _object_in(value: Any) -> ObjectName | None:
    """Return the object that an operand names: Cart#1."""
    return ObjectName.parse(value) if isinstance(value, str) else None


def _ordered(key: str, order: Order, operand: Any) -> float | str:
    if isinstance(operand, bool) or not isinstance(operand, int | float | str):
        raise _refused(key, order, operand, "a number, or a text")
    try:
        return float(operand)
    except ValueError:
        return str(operand)
    except OverflowError:
        raise _refused(key, order, operand, "a number that a float can hold") from None


def _text(key: str, operator: str, operands: dict[str, Any]) -> str | None:
    operand = operands.get(operator)
    if operator in operands and (not isinstance(operand, str) or not operand):
        raise _refused(key, operator, operand, "a text" if operator == "contains" else "a type's name: list, NoneType")
    return "None" if operator == "type" and operand == "NoneType" else operand


def _length(key: str, operands: dict[str, Any]) -> int | None:
    operand = operands.get("len")
    if "len" in operands and (not isinstance(operand, int) or isinstance(operand, bool) or not 0 <= operand < 2**63):
        raise _refused(key, "len", operand, "a whole number")
    return operand


def _refused(key: str, operator: str, operand: object, takes: str) -> BreadcrumbError:
    return BreadcrumbError(f"where[{key!r}]: {operator} cannot take {str(operand)[:80]!r}.", hint=f"It takes {takes}.")


def _json_spellings(value: Any) -> tuple[str, ...]:
    """Return the minified JSON texts that count as a value.

    A text also stands for the value that it spells, such as "null" for None and "Color.RED" for a member of an
    enumeration, and 1 and 1.0 are alike.
    """
    values = [value]
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            values.append(json.loads(value))
        with suppress(ValueError):
            values.append(recorded_form(value))
    for number in list(values):
        if isinstance(number, int) and not isinstance(number, bool):
            values.append(float(number) if abs(number) < 2**53 else number)
        elif isinstance(number, float) and number.is_integer():
            values.append(int(number))
    return tuple(dict.fromkeys(json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in values))
