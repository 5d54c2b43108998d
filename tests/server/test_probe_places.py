"""Test that the place, the condition and the expressions of a probe are understood, or refused with what is right."""

from __future__ import annotations

import pytest

from breadcrumb_server.runs.probe_places import MAX_EXPRESSIONS, MAX_PLACES, Probe, parse_probes
from breadcrumb_storage.errors import BreadcrumbError


@pytest.mark.parametrize(
    ("text", "probe"),
    [
        ("shop.pricing:31", Probe("shop.pricing:31", "line", ("x",), module="shop.pricing", line=31)),
        ("shop/pricing.py:31", Probe("shop/pricing.py:31", "line", ("x",), file="shop/pricing.py", line=31)),
        ("./main.py:3", Probe("main.py:3", "line", ("x",), file="main.py", line=3)),
        ("/a b/main.py:3", Probe("/a b/main.py:3", "line", ("x",), file="/a b/main.py", line=3)),
        ("bin/tool:3", Probe("bin/tool:3", "line", ("x",), file="bin/tool", line=3)),
        ("__main__:3", Probe("__main__:3", "line", ("x",), module="__main__", line=3)),
        ("Rates.of entry", Probe("Rates.of entry", "entry", ("x",), function="Rates.of")),
        ("  Rates.of()   return ", Probe("Rates.of return", "return", ("x",), function="Rates.of")),
        ("shop.rates:Rates.of return", Probe("shop.rates:Rates.of return", "return", ("x",), function="shop.rates:Rates.of")),
        ("outer.<locals>.inner entry", Probe("outer.<locals>.inner entry", "entry", ("x",), function="outer.<locals>.inner")),
        (
            "shop.pricing:31 if amount > 100 if rate else True",
            Probe("shop.pricing:31", "line", ("x",), "amount > 100 if rate else True", module="shop.pricing", line=31),
        ),
        ("of entry if key == ' if '", Probe("of entry", "entry", ("x",), "key == ' if '", function="of")),
    ],
)  # fmt: skip
def test_a_place_is_understood(text: str, probe: Probe) -> None:
    assert parse_probes({text: ["x"]}) == (probe,)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("discounted", 'neither a line (":31") nor "entry" or "return"'),
        ("", 'neither a line (":31")'),
        ("Rates.of exit", "'exit' is neither"),
        ("Rates.* entry", "'Rates.*' is no name"),
        ("shop pricing:31", "'shop pricing' is neither a module nor a file"),
        ("shop.pricing:31-33", "neither a line"),
        ("shop.pricing:amount", "neither a line"),
        ("shop.pricing:0", "Lines count from 1."),
        ("Rates.of entry when key", "neither a line"),
    ],
)
def test_what_is_no_place_is_refused_with_the_shapes_of_places(text: str, why: str) -> None:
    with pytest.raises(BreadcrumbError) as refused:
        parse_probes({text: ["x"]})
    assert repr(text) in str(refused.value) and why in str(refused.value)
    if "count from" not in why:
        assert '"shop/pricing.py:31"' in refused.value.hint and '"Rates.of return"' in refused.value.hint


@pytest.mark.parametrize(
    ("place", "expression", "message"),
    [
        ("main:3", "amount +", "An expression of the probe 'main:3' has a syntax error"),
        ("main:3", "amount = 3", "It is a statement. A probe evaluates expressions and changes no variable"),
        ("main:3", "print(1); print(2)", "It is a statement."),
        ("main:3", "await x()", "An expression of the probe 'main:3' has a syntax error"),
        ("main:3", " ", "An expression of the probe 'main:3' is empty."),
        ("main:3", "x" * 2_000, "has 2,000 characters; at most 1,000"),
        ("main:3", "a\0b", "cannot be"),
        ("main:3 if amount >", "x", "The condition of the probe 'main:3' has a syntax error"),
        ("main:3 if amount = 3", "x", "It is a statement."),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(place: str, expression: str, message: str) -> None:
    with pytest.raises(BreadcrumbError) as refused:
        parse_probes({place: [expression]})
    assert message in str(refused.value) or "NUL" in str(refused.value) or "null bytes" in str(refused.value)


def test_the_place_of_a_syntax_error_is_shown() -> None:
    with pytest.raises(BreadcrumbError) as refused:
        parse_probes({"main:3": ["f(a, b"]})
    assert refused.value.why == "  f(a, b\n   ^"


def test_expressions_are_taken_once_and_no_more_than_an_answer_shows() -> None:
    assert parse_probes({"main:3": ["x", " x ", "y"]})[0].expressions == ("x", "y")
    assert parse_probes({"f return": []})[0].expressions == ()
    assert parse_probes(None) == ()
    with pytest.raises(BreadcrumbError, match="at most"):
        parse_probes({"main:3": [f"x{n}" for n in range(MAX_EXPRESSIONS + 1)]})
    with pytest.raises(BreadcrumbError, match="at most"):
        parse_probes({f"main:{n + 1}": ["x"] for n in range(MAX_PLACES + 1)})
