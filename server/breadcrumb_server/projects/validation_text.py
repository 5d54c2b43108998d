"""Explain a pydantic error in plain words: the key, the value, and what is allowed."""

import difflib
import json
import types
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

MAX_SHOWN_VALUE_CHARS = 100
MAX_PROBLEMS = 10


def explain_validation(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return one line for each refused key, at most MAX_PROBLEMS and a count of the rest.

    Args:
        error: The error.
        model: The model that refused the data.
    """
    lines: dict[str, str] = {}
    for details in error.errors(include_url=False, include_context=True):
        path = _path_in_model(details["loc"], model)
        lines.setdefault(path, _explain(details, path, model))
    problems = list(lines.values())
    if len(problems) > MAX_PROBLEMS:
        problems[MAX_PROBLEMS:] = [f"... and {len(problems) - MAX_PROBLEMS} more"]
    return problems


def did_you_mean(name: str, names: list[str]) -> str:
    """Return `` (did you mean x?)`` if one of the names is similar, else an empty text."""
    near = difflib.get_close_matches(name, names, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def shown(value: object) -> str:
    """Return a value as JSON, else its repr, cut to MAX_SHOWN_VALUE_CHARS."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    if len(text) > MAX_SHOWN_VALUE_CHARS:
        return f"{text[:MAX_SHOWN_VALUE_CHARS]}... ({len(text)} characters)"
    return text


def _explain(details: ErrorDetails, path: str, model: type[BaseModel]) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        owner = _model_at(details["loc"][:-1], model)
        names = list(owner.model_fields)
        return f"- unknown key {path!r}{did_you_mean(str(details['loc'][-1]), names)}. Allowed: {', '.join(names)}"
    if kind == "missing":
        return f"- {path!r} is missing"
    return f"- {path} = {shown(details['input'])}: {_allowed(kind, context, details['msg'])}"


def _allowed(kind: str, context: dict[str, Any], message: str) -> str:
    bounds = {"greater_than_equal": ("ge", "at least"), "less_than_equal": ("le", "at most")}
    if kind in bounds:
        key, words = bounds[kind]
        return f"must be {words} {context[key]}"
    if kind == "literal_error":
        return f"must be one of {context['expected']}"
    wanted = {
        "bool_type": "must be true or false",
        "bool_parsing": "must be true or false",
        "int_type": "must be a whole number",
        "int_parsing": "must be a whole number",
        "int_from_float": "must be a whole number",
        "float_type": "must be a number",
        "float_parsing": "must be a number",
        "finite_number": "must be a finite number",
        "string_type": "must be text",
        "list_type": "must be a list",
        "dict_type": "must be a mapping of keys to values",
        "model_type": "must be a mapping of keys to values",
        "string_too_short": "must not be empty",
        "string_pattern_mismatch": "must not hold control characters",
    }
    return wanted.get(kind, message)


def _model_at(location: tuple[int | str, ...], model: type[BaseModel]) -> type[BaseModel]:
    for part in location:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
    return model


def _path_in_model(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """Return a path such as ``capture.mode`` or ``include[2]``, without the union members that pydantic adds."""
    text = str(location[0]) if location else ""
    field = model.model_fields.get(text)
    members = get_args(field.annotation) if field and get_origin(field.annotation) in (Union, types.UnionType) else ()
    union = len([member for member in members if member is not types.NoneType]) > 1
    for position, part in enumerate(location[1:]):
        if union and position == 0 and isinstance(part, str):
            continue
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text


def explain_arguments(error: ValidationError, tool: str, arguments: type[BaseModel]) -> str:
    """Return the error text for a refused tool call: every problem, and the arguments of the tool.

    Args:
        error: The error.
        tool: Name of the tool.
        arguments: The model of its arguments.
    """
    problems = [
        line.replace("unknown key", "unknown argument").replace(" is missing", " is required")
        for line in (_without_env_values(line) for line in explain_validation(error, arguments))
    ]
    names = [f"{name}{'' if field.is_required() else '?'}" for name, field in arguments.model_fields.items()]
    takes = f"takes {', '.join(names)}  (? = optional)" if names else "takes no arguments"
    return "\n".join([f"{tool} was not called: its arguments were refused.", *problems, f"{tool} {takes}."])


def _without_env_values(line: str) -> str:
    # The environment of a command may hold secrets.
    if line.startswith("- env"):
        return line.split(" = ")[0] + ": must be text" if "." in line.split(" = ")[0] else "- env: must be a mapping"
    return line
