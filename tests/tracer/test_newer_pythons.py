"""Test what came with Python 3.14 and 3.15: annotations that are functions, templates, frozendict, lazy imports."""

from __future__ import annotations

import json
import marshal
from pathlib import Path

import pytest

from breadcrumb import record_format
from breadcrumb.value_format import REDACTED
from pythons import VERSIONS
from spool_reader import Trace, interpreter, program


@pytest.fixture(params=VERSIONS[VERSIONS.index("3.14") :])
def newer_python(request: pytest.FixtureRequest) -> str:
    return interpreter(request.param)


@pytest.fixture
def newest_python() -> str:
    return interpreter("3.15")


def test_the_evaluation_of_annotations_is_no_call(newer_python: str, trace: Trace) -> None:
    spool = trace(
        newer_python,
        program("""
            import typing
            class Order:
                number: Missing
                item: str
            def f(order: Order) -> "Order": return order
            def looks():
                return typing.get_type_hints(f), Order.__annotate__(1)
            Missing = int
            print(len(looks()))
        """),
    )
    assert (spool.stdout, spool.stderr) == ("2\n", "")
    assert [call.function for call in spool.calls] == ["<module>", "Order", "looks"]
    assert "__annotate__" not in str([gap["function"] for gap in spool.of("gap")])


def test_templates_are_written_by_their_parts(newer_python: str, trace: Trace) -> None:
    spool = trace(
        newer_python,
        program("""
            def show(value): return None
            name, password = "Ann", "hunter2hunter2"
            show(t"hello {name!r:>5}!")
            show(t"log in with {password}")
            show(t"{password}".interpolations[0])
        """),
    )
    assert [call.args["value"] for call in spool.named("show")] == [
        {"$type": "Template", "strings": {"$tuple": ["hello ", "!"]}, "name": "Ann"},
        {"$type": "Template", "strings": {"$tuple": ["log in with ", ""]}, "password": REDACTED},
        {"$type": "Interpolation", "password": REDACTED},
    ]
    assert not [path for path in spool.folder.iterdir() if path.is_file() and b"hunter2" in path.read_bytes()]


def test_frozendicts_and_sentinels_are_written_by_their_content(newest_python: str, trace: Trace) -> None:
    spool = trace(
        newest_python,
        program("""
            def show(value): return None
            class Loud(str):
                def __hash__(self): print("hashed"); return 1
                def __eq__(self, other): print("compared"); return True
            class Frozen(frozendict):
                def items(self): print("asked")
                __len__ = __iter__ = items
            loud = Loud("loud")
            for value in (frozendict(), frozendict(a=[1], password="hunter2hunter2"), Frozen(n=1), sentinel("MISSING")):
                show(value)
            frozen = frozendict({loud: 1})
            print("made")
            show(frozen)
        """),
    )
    assert (spool.exit_code, spool.stdout.split("made\n")[1], spool.stderr) == (0, "", "")
    assert "asked" not in spool.stdout
    assert [call.args["value"] for call in spool.named("show")] == [
        {"$type": "frozendict"},
        {"$type": "frozendict", "a": [1], "password": REDACTED},
        {"$type": "Frozen", "n": 1},
        "<sentinel MISSING>",
        {"$type": "frozendict", '$key:{"$type": "Loud", "value": "loud"}': 1},
    ]


def test_a_lazy_import_stays_lazy_and_is_no_variable(newest_python: str, trace: Trace) -> None:
    spool = trace(
        newest_python,
        program("""
            import sys
            lazy import colorsys
            lazy from string import ascii_letters
            def show(value): return None
            number = 3
            show(globals()["colorsys"])
            print("colorsys" in sys.modules)
            1 / 0
        """),
    )
    assert spool.stdout == "False\n"
    (error,) = spool.of("exception")
    assert json.loads(error["locals"]) == {"number": 3}


def test_with_settrace_a_generator_expression_is_one_call(newer_python: str, trace: Trace) -> None:
    def use_settrace(folder: Path) -> None:
        config = folder / record_format.CONFIG_FILE
        config.write_bytes(marshal.dumps({**marshal.loads(config.read_bytes()), "backend": "settrace"}, 2))

    text = "def squares(): return list(n * n for n in range(3))\nsquares()\n"
    spool = trace(newer_python, text, before=use_settrace)
    assert [process["backend"] for process in spool.of("process")] == ["settrace"]
    assert [call.function for call in spool.calls] == ["<module>", "squares", "squares.<locals>.<genexpr>"]
    assert [value for _, value in spool.one("squares.<locals>.<genexpr>").yields] == [0, 1, 4]
