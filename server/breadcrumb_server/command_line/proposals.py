"""Say in words of the shell what answers and errors propose as tool calls."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from breadcrumb_server.answers.common.parsed_json import is_array

Arguments = dict[str, Any]

PROGRAM = "breadcrumb"

# An option for an argument, by tool. An argument that is not here has no option: then the call stays as it is.
_OPTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "get_calls": ("query", {"function": "--call", "trace_id": "--trace", "where": "--where", "limit": "--limit"}),
    "get_flow": (
        "query --flow",
        {
            "module": "--module",
            "function": "--function",
            "root_call_id": "--root",
            "around_call_id": "--around",
            "exception_id": "--exception",
            "at_ms": "--at",
            "thread": "--thread",
            "process_id": "--process",
            "test": "--test",
            "max_depth": "--depth",
            "trace_id": "--trace",
        },
    ),
    "show": ("show", {"what": "", "where": "--where", "call_id": "--call", "trace_id": "--trace", "chars": "--chars"}),
    "find": (
        "find",
        {
            "name": "",
            "value": "--value",
            "exception": "--exception",
            "of": "--of",
            "trace_id": "--trace",
            "limit": "--limit",
        },
    ),
    "find_gaps": ("query --gaps", {"trace_id": "--trace", "limit": "--limit"}),
    "search_values": ("query", {"text": "--value", "trace_id": "--trace", "limit": "--limit"}),
    "query_traces": ("query", {"sql": "--sql", "limit": "--limit"}),
    "list_traces": ("list", {"status": "--status", "since": "--since", "limit": "--limit"}),
    "get_trace": ("get", {"trace_id": ""}),
    "wait_for_run": ("get", {"trace_id": ""}),
    "find_exceptions": (
        "exceptions",
        {"trace_id": "--trace", "type": "--type", "since": "--since", "test": "--test", "limit": "--limit"},
    ),
    "analyze_performance": ("performance", {"function": "", "trace_id": "--trace", "limit": "--limit"}),
    "init_project": ("init", {"workspace": "--workspace", "include": "--include", "exclude": "--exclude"}),
    "get_config": ("config show", {}),
    "list_projects": ("config list", {}),
}
_EDIT = {
    "add_include": "--add-include",
    "remove_include": "--remove-include",
    "add_exclude": "--add-exclude",
    "remove_exclude": "--remove-exclude",
}
# What a sentence says in place of a tool's name; a name without an underscore is a word of the sentence itself.
_COMMANDS = {tool: command for tool, (command, _) in _OPTIONS.items() if "_" in tool and tool != "wait_for_run"} | {
    "get_calls": "query --call",
    "search_values": "query --value",
    "query_traces": "query --sql",
    "edit_config": "config edit",
    "delete_traces": "clear",
}
# Not in a call, nor within what a program is called or said.
_TOOL_NAME = re.compile(rf"""(?<![\w.:'"/-])(?:{"|".join(_COMMANDS)})(?![\w(:'"/=-]|\.\w)""")
_PROJECT_IS_A_WORD = {"init", "config show", "config edit"}
# Commands that ask, of a project or of a database file.
_ASK = {"show", "find", "query", "query --flow", "query --gaps", "list", "get", "exceptions", "performance"}


def as_project(database: Path) -> str:
    """Return what stands for the project in answers about a database file: its path, which no project is called."""
    return str(database) if database.parent != Path() else f"./{database}"


def needs_a_project(proposal: str) -> bool:
    """Return whether a proposed call, already in words of the shell, is about a database file and needs a project."""
    return re.search(r"""\bproject=["'][^"']*/""", proposal) is not None


def in_shell_words(text: str) -> str:
    """Replace the tool calls and the names of tools in a text by commands of the shell, where there are such commands.

    Args:
        text: A proposed call, or a sentence with calls.
    """
    parts: list[str] = []
    position = 0
    for start in re.finditer(r"\b[a-z_]+\(", text):
        if start.start() < position or start[0][:-1] not in _TOOLS:
            continue
        call, end = _call_at(text, start.start())
        command = _command(call) if call is not None else None
        if command is not None:
            parts += [_with_commands(text[position : start.start()]), command]
            position = end
    return "".join([*parts, _with_commands(text[position:])])


def _with_commands(text: str) -> str:
    """Replace the names of tools in a sentence."""
    return _TOOL_NAME.sub(lambda found: f"{PROGRAM} {_COMMANDS[found[0]]}", text)


def _call_at(text: str, start: int) -> tuple[ast.Call | None, int]:
    """Return the call that begins there, and its end."""
    end = text.find(")", start)
    while end >= 0:
        try:
            expression = ast.parse(text[start : end + 1], mode="eval").body
        except (SyntaxError, ValueError):
            end = text.find(")", end + 1)
            continue
        return (expression if isinstance(expression, ast.Call) else None), end + 1
    return None, start


def _command(call: ast.Call) -> str | None:
    tool = call.func.id if isinstance(call.func, ast.Name) else ""
    try:
        arguments = {each.arg: ast.literal_eval(each.value) for each in call.keywords if each.arg}
    except ValueError:
        return None
    words = _TOOLS[tool](arguments)
    return None if words is None else " ".join([PROGRAM, *words])


def _from_options(tool: str) -> Callable[[Arguments], list[str] | None]:
    command, options = _OPTIONS[tool]

    def words(arguments: Arguments) -> list[str] | None:
        rest = dict(arguments)
        project = rest.pop("project", None)
        if tool == "find_exceptions" and rest.pop("include_handled", True) is False:
            rest["uncaught"] = True
        if tool == "wait_for_run":
            rest.pop("wait_seconds", None)
        return _words(command, options | {"uncaught": "--uncaught"}, project, rest)

    return words


def _edit(arguments: Arguments) -> list[str] | None:
    rest = dict(arguments)
    project, settings = rest.pop("project", None), rest.pop("set", {})
    rest["settings"] = [f"{key}={json.dumps(value)}" for key, value in settings.items()]
    return _words("config edit", _EDIT | {"settings": "--set"}, project, rest)


def _run(arguments: Arguments) -> list[str] | None:
    rest = dict(arguments)
    project, command, capture = rest.pop("project", None), rest.pop("command", ""), rest.pop("capture", {})
    rest |= {key: capture.pop(key) for key in ("mode", "lines") if key in capture}
    if capture:
        return None
    options = {"timeout_seconds": "--timeout", "cwd": "--cwd", "label": "--label", "mode": "--mode", "lines": "--lines"}
    words = _words("run", options, project, rest)
    return None if words is None else [*words, command if isinstance(command, str) else shlex.join(command)]


def _words(command: str, options: dict[str, str], project: str | None, arguments: Arguments) -> list[str] | None:
    words = [command]
    if project is not None and "/" in project:
        if command not in _ASK:
            return None
        words += ["--db-path", shlex.quote(project)]
    elif project is not None:
        words += [shlex.quote(project)] if command in _PROJECT_IS_A_WORD else ["-c", shlex.quote(project)]
    for name, value in arguments.items():
        if name not in options:
            return None
        if value is True:
            words.append(options[name])
            continue
        for each in value if is_array(value) else [value]:
            text = each if isinstance(each, str) else json.dumps(each, ensure_ascii=False)
            words += [options[name], shlex.quote(text)] if options[name] else [shlex.quote(text)]
    return words


_TOOLS: dict[str, Callable[[Arguments], Sequence[str] | None]] = {
    **{tool: _from_options(tool) for tool in _OPTIONS},
    "edit_config": _edit,
    "run": _run,
}
