"""Conditions on captured values: what an argument or a return value, or something within it, must be."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from breadcrumb_storage.queries.calls.value_sql import kind_of, length_of, number_of, text_of

# JSON texts that stand in a document just so: no spaces, escapes, or other ways to write the same number.
_PLAIN_JSON = re.compile(r'null|true|false|-?\d{1,15}(?:\.0)?|"[A-Za-z0-9_.: -]*"')

Order = Literal["<", "<=", ">", ">="]
ORDERS: tuple[Order, ...] = ("<", "<=", ">", ">=")


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueCondition:
    """What must hold of one stored value; of several, all. Nothing holds of a value that is not there."""

    column: Literal["args", "return_value"]
    path: str  # as DuckDB's json_extract takes it; "$" for the whole
    equals: tuple[str, ...] = ()  # minified JSON, one of which it is
    differs: tuple[str, ...] = ()  # minified JSON, none of which it is
    orders: tuple[tuple[Order, float | str], ...] = ()  # texts compare as texts: dates, say
    contains: str | None = None  # anywhere in its JSON
    kind: str | None = None  # the name of its type
    length: int | None = None

    def sql(self) -> tuple[list[str], list[Any]]:
        """Conditions over ``call_records c``, and their parameters."""
        where: list[str] = []
        parameters: list[Any] = []
        # TRY: a value that is no JSON does not fit; it must not end the query.
        value = f"TRY(json_extract(c.{self.column}, ?))"

        def add(condition: str, *operands: Any) -> None:
            where.append(condition)
            parameters.extend([self.path] * condition.count(value))
            parameters.extend(operands)  # they stand behind the value in each condition

        if self.equals:
            if all(_PLAIN_JSON.fullmatch(text) for text in self.equals):
                # Looking for the text first spares most of the parsing.
                texts = list(dict.fromkeys(text.removesuffix(".0") for text in self.equals))
                where.append("(" + " OR ".join(f"contains(c.{self.column}, ?)" for _ in texts) + ")")
                parameters.extend(texts)
            add(f"{value}::VARCHAR = ANY(?)", list(self.equals))
        if self.differs:
            add(f"{value}::VARCHAR <> ALL(?)", list(self.differs))
        for order, operand in self.orders:
            add(f"{text_of(value) if isinstance(operand, str) else number_of(value)} {order} ?", operand)
        if self.contains is not None:
            add(f"contains({value}::VARCHAR, ?)", json.dumps(self.contains, ensure_ascii=False)[1:-1])
        if self.kind is not None:
            add(f"{kind_of(value)} = ?", self.kind)
        if self.length is not None:
            add(f"{length_of(value)} = ?", self.length)
        return where, parameters
