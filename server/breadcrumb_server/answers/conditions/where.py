"""Parse conditions on calls, the argument ``where`` of several tools, key by key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from breadcrumb_server.answers.conditions.values import COMPARISONS, value_condition
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.calls.records import OUTCOMES, CallFilter
from breadcrumb_storage.queries.calls.value_conditions import ValueCondition

# Each key with its values, as error messages list them.
KEYS = {
    "outcome": "one of " + ", ".join(OUTCOMES),
    "exception": "the type that was raised, such as KeyError, or a glob",
    "min_ms": "a number",
    "max_ms": "a number",
    "caller": "a function, as in function",
    "test": "a test's node id, a part of it, or a glob",
    "process_id": "a whole number",
    "thread": "a thread's name or number",
    "call_id": "a whole number",
    "parent_call_id": "a whole number",
    "contains": "a text in arguments, result or exception message",
    "args.NAME": "the value of an argument, also args.order.lines[0]; null is None, Cart#1 is that object; "
    f"or a comparison: {COMPARISONS}",
    "result": "the return value, as args.NAME",
    "lines": "a step to begin at, a variable (only the lines that changed it), or false for none",
}
_STEP = re.compile(r"""\.([^.\[\]"]+)|\[(\d+)\]""")


def parse_where(where: Mapping[str, Any] | None, function: str) -> CallFilter:
    """Parse the arguments ``where`` and ``function`` of a question into a filter.

    Raises:
        BreadcrumbError: ``where`` has an unknown key, or a value that its key does not take.
    """
    given: dict[str, Any] = {"function": function or None}
    values: list[ValueCondition] = []
    for key, value in (where or {}).items():
        if key == "outcome":
            if value not in OUTCOMES:
                raise refused(key, value, KEYS[key])
            given[key] = value
        elif key in ("min_ms", "max_ms"):
            given[key] = float(_number(key, value))
        elif key in ("process_id", "call_id", "parent_call_id"):
            given[key] = _whole_number(key, value)
        elif key == "thread":
            given[key] = int(value) if str(value).isdecimal() else _text(key, value)
        elif key in ("caller", "contains", "exception", "test"):
            given[key] = _text(key, value)
        elif key == "lines":  # no condition of the filter: see parse_lines
            continue
        elif key == "result":
            values.append(value_condition(key, value, "return_value", "$"))
        elif key.startswith("args."):
            values.append(value_condition(key, value, "args", _json_path(key)))
        else:
            keys = "; ".join(f"{name}: {takes}" for name, takes in KEYS.items())
            argument = f"An argument is args.{key}. " if key.isidentifier() else ""
            raise BreadcrumbError(f"where has no key {key[:80]!r}.", hint=f"{argument}The keys are {keys}.")
    return CallFilter(**given, values=tuple(values))


def refused(key: str, value: object, takes: str) -> BreadcrumbError:
    """Return the error for a value that a key does not take."""
    return BreadcrumbError(f"where[{key!r}] cannot be {str(value)[:80]!r}.", hint=f"It takes {takes}.")


def _number(key: str, value: Any) -> Any:
    try:
        if isinstance(value, bool) or not abs(float(value)) < 1e12:
            raise ValueError(value)
        return value
    except (TypeError, ValueError) as error:
        raise refused(key, value, KEYS[key]) from error


def _whole_number(key: str, value: Any) -> int:
    number = float(_number(key, value))
    if number != int(number):
        raise refused(key, value, KEYS[key])
    return int(number)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise refused(key, value, KEYS[key])
    return value


def _json_path(key: str) -> str:
    """Convert ``args.order.lines[0]`` to a JSON path into the arguments."""
    path, position = "$", len("args")
    while position < len(key):
        step = _STEP.match(key, position)
        if step is None:
            raise BreadcrumbError(
                f"where cannot follow {key[:80]!r}.", hint="Write args.NAME, args.NAME.KEY or args.NAME[0]."
            )
        path += f'."{step[1]}"' if step[1] is not None else f"[{step[2]}]"
        position = step.end()
    return path
