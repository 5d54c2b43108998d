"""The names that a source line binds are found."""

from __future__ import annotations

import warnings

import pytest

from breadcrumb_server.answers.lines.bindings import Bindings, LineBindings

SOURCE = """\
import os

class Cart:
    def add(self, item):
        self.items[item.key] = item
        total: int = 1
        total += 2
        self.count += 1
        self.owner.name = item.owner
        for number, (key, *rest) in enumerate(item.parts):
            with open(key) as stream, key as self.key:
                pass
        if (found := rest) and total == 3:
            found.append(number)
        try:
            import os.path, json as j
        except (OSError, ValueError) as error:
            print(error, key=1)
        def inner(): return "\\d"
        match item:
            case {"a": first, **others} | [first, *others]:
                pass
        wrapped = call(
            other=1,
        )
        del self.owner, self.items[0]
        return lambda: total
x = 1
""".splitlines()


@pytest.mark.parametrize(
    ("line", "paths"),
    [
        (5, {"self.items[]"}),
        (6, {"total"}),
        (7, {"total"}),
        (8, set()),  # may change the value in place
        (9, {"self.owner.name"}),
        (10, {"number", "key", "rest"}),
        (11, {"stream", "self.key"}),
        (13, {"found"}),
        (14, set()),
        (16, {"os", "j"}),
        (17, {"error"}),
        (18, set()),
        (19, {"inner"}),
        (21, {"first", "others"}),
        (23, {"wrapped"}),
        (24, set()),
        (26, {"self.owner", "self.items[]"}),
        (99, set()),
    ],
)
def test_a_line_binds_its_targets(line: int, paths: set[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Bindings(SOURCE, 4).at(line) == LineBindings(frozenset(paths), items_is_field=True)


def test_the_lines_of_a_module_bind_names() -> None:
    assert Bindings(SOURCE, None).at(28).paths == {"x"}
    assert Bindings(["x = y.items()"], None).at(1) == LineBindings(frozenset({"x"}), items_is_field=False)


def test_without_the_source_no_bindings_are_known() -> None:
    assert Bindings([], 4).at(4) == LineBindings()
    assert Bindings(["x = 1"], 40).at(40) == LineBindings()


@pytest.mark.parametrize(
    ("line", "paths"),
    [
        ("  style = self.styles[cell['id']]", {"style"}),
        ("  a, *b = c", {"a", "b"}),
        ("  total: dict[str, int] = {}", {"total"}),
        ("  total //= 2", {"total"}),
        ("  for number, each in parts:", {"number", "each"}),
        ("  with open(x) as stream:", {"stream"}),
        ("  if (n := 3) == n:", {"n"}),
        ("  total == 3", set()),
        ("  self.style = 3", set()),
        ("  call(x=3)", set()),
        ("  x[1] = 3", set()),
    ],
)
def test_the_bindings_of_source_that_does_not_parse_are_guessed_from_the_line(line: str, paths: set[str]) -> None:
    assert Bindings(["def broken(:", line], 1).at(2).paths == paths
