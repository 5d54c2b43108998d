"""Constants on which the three source roots must agree are defined once."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from breadcrumb import record_format, value_format
from breadcrumb.events import exceptions, lines
from breadcrumb.json_text import DELETED
from breadcrumb.redaction.redactor import Redactor
from breadcrumb.values.encoder import Encoder
from breadcrumb_server.mcp_server import tools
from breadcrumb_server.projects.config import ProjectConfig

pytestmark = pytest.mark.slow  # a matter of the whole repository, not of the code at hand

ROOT = Path(__file__).parent.parent
NOTICES = {name: value for name, value in vars(record_format).items() if name.startswith("NOTICE_")}
# Words that also have other meanings: they may be literals, but not where the code of a notice is expected.
COMMON_WORDS = {"backend", "core", "stopped", "greenlets", "unknown"}
DEFAULTS = {
    name.removeprefix("DEFAULT_").lower(): value
    for name, value in vars(record_format).items()
    if name.startswith("DEFAULT_")
}
KEYS = {value for name, value in vars(value_format).items() if name.endswith("_KEY")}
CUTS = {
    (value_format.CHARS_CUT, value_format.CHARS_CUT_PATTERN),
    (value_format.ITEMS_CUT, value_format.ITEMS_CUT_PATTERN),
    (value_format.ENTRIES_CUT, value_format.ENTRIES_CUT_PATTERN),
}


@cache
def trees() -> dict[Path, ast.Module]:
    """Return every module of the three roots, by its path."""
    return {
        path.relative_to(ROOT): ast.parse(path.read_text("utf-8"))
        for root in ("tracer_bootstrap", "storage", "server")
        for path in (ROOT / root).rglob("*.py")
    }


def literals(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Return the text literals of a module with their lines, without docstrings."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("utf-8", "replace")
            yield node.lineno, text


def last_name(node: ast.AST) -> str:
    """Return the last part of a dotted name: ``NOTICE_X`` of ``record_format.NOTICE_X``."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def codes_in(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield the expressions that a module uses as codes of notices: those that it writes or compares with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last_name(node.func) in ("notice", "add_notice"):
            yield from node.args[:1]
            yield from (each.value for each in node.keywords if each.arg == "code")
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(last_name(side) == "code" for side in sides):
                for side in sides:
                    yield from side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side]


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def test_codes_of_notices_are_constants_of_the_record_format() -> None:
    rare = re.compile(rf"\b({'|'.join(set(NOTICES.values()) - COMMON_WORDS)})\b")
    for path, tree in trees().items():
        codes = list(codes_in(tree))
        assert not [f"{path}:{code.lineno}" for code in codes if is_text(code)]
        assert {name for name in map(last_name, codes) if name.startswith("NOTICE_")} <= NOTICES.keys(), path
        if path.name != "record_format.py":
            assert not [f"{path}:{line}" for line, text in literals(tree) if rare.search(text)]


def test_codes_of_notices_are_unique_and_each_is_used() -> None:
    assert len(set(NOTICES.values())) == len(NOTICES)
    used = {
        last_name(node)
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(getattr(node, "ctx", None), ast.Load)
    }
    assert not NOTICES.keys() - used


def test_the_page_about_the_spool_lists_each_notice() -> None:
    page = (ROOT / "docs" / "spool-format.md").read_text("utf-8")
    (table,) = re.findall(r"\n## Notices\n(.*?)\n## ", page, re.DOTALL)
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(NOTICES.values())


def test_marks_of_values_are_literals_only_in_one_module_and_in_the_tracers_templates() -> None:
    marks = "|".join(rf"{re.escape(key)}\b" for key in KEYS)
    cuts = "|".join(re.escape(each) for cut in CUTS for each in cut)
    spelled = re.compile(rf"{marks}|{re.escape(value_format.KEY_MARK)}|{re.escape(value_format.REDACTED)}|{cuts}")
    for path, tree in trees().items():
        if path.name == "value_format.py":
            continue
        found = [match[0] for _, text in literals(tree) for match in spelled.finditer(text)]
        if path.parts[0] == "tracer_bootstrap":
            written = [match for _, text in literals(tree) for match in re.findall(r'\{"(\$\w+)', text)]
            assert set(written) <= KEYS, path
            found = [mark for mark in found if mark not in KEYS]
        assert not found, path


def test_the_patterns_of_cuts_match_their_templates() -> None:
    for template, pattern in CUTS:
        match = re.fullmatch(pattern, template % 42)
        assert match is not None and match[1] == "42"
    for mark in (value_format.CHARS_CUT, value_format.ITEMS_CUT):
        assert mark.startswith(value_format.CUT_OPENING)
    assert value_format.CUT_OPENING.startswith(value_format.CUT_MARK)


class Cart:
    def __init__(self) -> None:
        self.total = 5


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ((1, 2), {value_format.TUPLE_KEY: [1, 2]}),
        ({1}, {value_format.SET_KEY: [1]}),
        (frozenset([1]), {value_format.FROZENSET_KEY: [1]}),
        (float("inf"), {value_format.FLOAT_KEY: "inf"}),
        (b"raw", {value_format.BYTES_KEY: "raw"}),
        (bytearray(b"raw"), {value_format.BYTEARRAY_KEY: "raw"}),
        (Cart(), {value_format.TYPE_KEY: "Cart", "total": 5}),
        ({1: 2}, {value_format.KEY_MARK + "1": 2}),
        ({"password": "swordfish-1"}, {"password": value_format.REDACTED}),
        ("x" * 30, "x" * 20 + value_format.CHARS_CUT % 10),
        (b"x" * 30, {value_format.BYTES_KEY: "x" * 20 + value_format.CUT_MARK, "size": 30}),
        ([1, 2, 3, 4, 5], [1, 2, 3, value_format.ITEMS_CUT % 2]),
        (dict.fromkeys("abcde", 0), {"a": 0, "b": 0, "c": 0, value_format.CUT_MARK: value_format.ENTRIES_CUT % 2}),
    ],
)
def test_the_tracer_writes_the_marks(value: object, written: object) -> None:
    encoder = Encoder(Redactor(), max_chars=60 if type(value) is dict else 20, max_items=3)
    assert json.loads(encoder.encode(value)) == written


def test_a_deleted_variable_has_its_mark() -> None:
    assert json.loads(DELETED) == {value_format.DELETED_KEY: True}


def test_config_and_tracer_have_the_same_defaults() -> None:
    config = ProjectConfig(project="shop")
    assert config.capture.lines == []  # without lines the tracer does not even load what records them
    assert {
        **config.capture.model_dump(exclude={"lines"}),
        "backend": config.backend,
        "suspects": config.suspects,
    } == DEFAULTS


def test_the_tracer_takes_defaults_only_from_the_record_format() -> None:
    """Find calls such as ``capture.get("mode", record_format.DEFAULT_MODE)``."""
    found = {
        node.args[0].value: last_name(node.args[1])
        for path, tree in trees().items()
        if path.parts[0] == "tracer_bootstrap"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and last_name(node.func) == "get"
        and len(node.args) == 2
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value in DEFAULTS
    }
    assert found == {name: f"DEFAULT_{name.upper()}" for name in DEFAULTS}


def test_a_tool_and_its_answer_have_the_same_defaults() -> None:
    answers = [
        (each, getattr(module, each.__name__))
        for module in tools._MODULES
        for name, each in vars(module).items()
        if name.startswith("build_")
    ]
    assert len(answers) > 7
    for answer, tool in answers:
        wanted = inspect.signature(answer).parameters
        for parameter in inspect.signature(tool).parameters.values():
            if parameter.name in wanted and wanted[parameter.name].default is not inspect.Parameter.empty:
                assert parameter.default == wanted[parameter.name].default, f"{tool.__name__}: {parameter}"


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("values.md", f"| `max_value_chars`: {record_format.DEFAULT_MAX_VALUE_CHARS} "),
        ("values.md", f"| `max_items`: {record_format.DEFAULT_MAX_ITEMS} "),
        ("values.md", f"| `max_depth`: {record_format.DEFAULT_MAX_DEPTH} "),
        ("values.md", f" {lines._MAX_VALUE_CHARS} characters and {lines._MAX_ITEMS} items"),
        ("spool-format.md", f" {lines.MAX_LINES_PER_CALL:,} lines"),
        ("spool-format.md", f" last {lines.LAST_LINES},"),
        ("spool-format.md", f" first {exceptions.DETAILED_PER_PLACE} "),
    ],
)
def test_the_pages_name_the_actual_limits(page: str, text: str) -> None:
    assert text in (ROOT / "docs" / page).read_text("utf-8").replace("\n", " ")


def test_the_page_of_troubleshooting_quotes_messages_of_the_code() -> None:
    """Look for each part of a quoted message, up to the next ``…``, in the literals of the code."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    fence = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    quoted = [line for block in fence.findall(page) for line in block.splitlines()]
    in_line = re.findall(r"`([^`]+)`", fence.sub("", page))
    quoted += [text for text in in_line if "…" in text and "=" not in text.partition("…")[0]]
    quoted += [text for text in in_line if re.fullmatch(r"[A-Za-z][^=]* [^=]*\w\.", text)]  # whole sentences
    parts = {part.strip() for line in quoted for part in line.removeprefix("RuntimeWarning: ").split("…")} - {""}
    assert len(parts) > 30
    texts = [text for tree in trees().values() for _, text in literals(tree)]
    assert not [part for part in parts if not any(part in text for text in texts)]
