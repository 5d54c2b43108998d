"""Translate conditions on arguments and return values, and on parts of them, into SQL."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from breadcrumb_storage.queries.calls.object_names import ObjectName
from breadcrumb_storage.queries.calls.value_sql import (
    content_of,
    json_without_numbers,
    kind_of,
    length_of,
    number_of,
    text_of,
)

# JSON that is stored in exactly this form: without spaces, escapes, or another form of the same number.
_PLAIN_JSON = re.compile(r'null|true|false|-?\d{1,15}(?:\.0)?|"[A-Za-z0-9_.: -]*"')

Order = Literal["<", "<=", ">", ">="]
ORDERS: tuple[Order, ...] = ("<", "<=", ">", ">=")


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueCondition:
    """Conditions on one value, all of which must hold; a missing value meets none."""

    column: Literal["args", "return_value"]
    path: str  # as in DuckDB's json_extract; "$" for the whole column
    # Minified JSON. A Decimal, a date and the like are equal to what they are made from too,
    # and objects are compared without their numbers.
    equals: tuple[str, ...] = ()  # the value is one of these
    differs: tuple[str, ...] = ()  # the value is none of these
    is_object: ObjectName | None = None  # the value is this object
    is_no_object: ObjectName | None = None  # the value is another one
    orders: tuple[tuple[Order, float | str], ...] = ()  # with a text, the value is compared as text: dates, for example
    contains: str | None = None  # text anywhere in the value's JSON
    kind: str | None = None  # the name of the value's type
    length: int | None = None  # as value_sql.length_of counts it

    def sql(self) -> tuple[list[str], list[Any]]:
        """Return SQL conditions over `call_records c`, to be joined by AND, and their parameters."""
        where: list[str] = []
        parameters: list[Any] = []
        # TRY: a value that is not JSON does not match; without it, the query would fail.
        value = f"TRY(json_extract(c.{self.column}, ?))"
        spellings = f"[{json_without_numbers(value)}, ({content_of(value)})::VARCHAR]"

        def add(condition: str, *operands: Any) -> None:
            where.append(condition)
            parameters.extend([self.path] * condition.count(value))
            parameters.extend(operands)  # they follow the value in each condition

        if self.is_object is not None:
            add(f"regexp_matches({value}::VARCHAR, ?)", self.is_object.pattern(inside=False))
        if self.is_no_object is not None:
            pattern = self.is_no_object.pattern(inside=False)
            add(f"{value} IS NOT NULL AND NOT regexp_matches({value}::VARCHAR, ?)", pattern)
        if self.equals:
            if all(_PLAIN_JSON.fullmatch(text) for text in self.equals):
                # Searching for the text first avoids most of the parsing.
                texts = list(dict.fromkeys(text.removesuffix(".0") for text in self.equals))
                where.append("(" + " OR ".join(f"contains(c.{self.column}, ?)" for _ in texts) + ")")
                parameters.extend(texts)
            add(f"list_has_any({spellings}, ?)", list(self.equals))
        if self.differs:
            add(f"{value} IS NOT NULL AND NOT list_has_any({spellings}, ?)", list(self.differs))
        for order, operand in self.orders:
            add(f"{text_of(content_of(value)) if isinstance(operand, str) else number_of(value)} {order} ?", operand)
        named = ObjectName.parse(self.contains or "")
        if named is not None:
            add(f"regexp_matches({value}::VARCHAR, ?)", named.pattern(inside=True))
        elif self.contains is not None:
            add(f"contains({value}::VARCHAR, ?)", json.dumps(self.contains, ensure_ascii=False)[1:-1])
        if self.kind is not None:
            add(f"{kind_of(value)} = ?", self.kind)
        if self.length is not None:
            add(f"{length_of(value)} = ?", self.length)
        return where, parameters
