"""Run the other tests of the modules whose tests a command of unittest selects: a script instead of ``-m unittest``."""

from __future__ import annotations

import fnmatch
import importlib
import os
import sys
import unittest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Dict, Iterator, List, Optional, Sequence, Tuple


def main(words: Sequence[str]) -> None:
    """Run the tests.

    Args:
        words: The arguments of unittest.
    """
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [os.getcwd(), *(path for path in sys.path if path != folder)]
    from breadcrumb.first_pass.sampling import MOST, farthest_first, sample

    names, patterns = _read(words)
    chosen: List[unittest.TestCase] = []
    for module, selected in _modules(names):
        tests = list(_flat(unittest.defaultTestLoader.loadTestsFromModule(module)))
        asked = {id(test) for test in tests if _is_selected(test.id(), selected, patterns)}
        groups = {type(test) for test in tests if id(test) in asked}
        others = [test for test in tests if id(test) not in asked]
        some = sample(
            [test for test in others if type(test) in groups], [test for test in others if type(test) not in groups]
        )
        kept = set(map(id, some))
        positions = [position for position, test in enumerate(tests) if id(test) in kept]
        asked_positions = [position for position, test in enumerate(tests) if id(test) in asked]
        chosen += [tests[position] for position in farthest_first(positions, asked_positions)]
    with open(os.devnull, "w") as nowhere:
        unittest.TextTestRunner(stream=nowhere, verbosity=0).run(unittest.TestSuite(chosen[:MOST]))


def _read(words: Sequence[str]) -> Tuple[List[str], List[str]]:
    """Return the names of tests and the patterns of ``-k``."""
    names: List[str] = []
    patterns: List[str] = []
    rest = iter(words)
    for word in rest:
        if word == "-k":
            patterns.append(next(rest, ""))
        elif word.startswith("-k"):
            patterns.append(word[2:])
        elif not word.startswith("-"):
            names.append(_module_name(word))
    return names, [pattern if "*" in pattern else "*%s*" % pattern for pattern in patterns]


def _module_name(word: str) -> str:
    if word.endswith(".py") and os.path.isfile(word):
        word = os.path.relpath(word)[:-3].replace(os.sep, ".")
    return word


def _modules(names: Sequence[str]) -> Iterator[Tuple[ModuleType, List[str]]]:
    """Yield the modules that names begin with, each with its names."""
    found: Dict[str, Tuple[ModuleType, List[str]]] = {}
    for name in names:
        module = _import(name)
        if module is not None:
            found.setdefault(module.__name__, (module, []))[1].append(name)
    yield from found.values()


def _import(name: str) -> Optional[ModuleType]:
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        module = ".".join(parts[:count])
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not (module + ".").startswith(error.name + "."):
                raise
    return None


def _flat(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _flat(test)
        else:
            yield test


def _is_selected(test_id: str, names: Sequence[str], patterns: Sequence[str]) -> bool:
    if patterns and not any(fnmatch.fnmatchcase(test_id, pattern) for pattern in patterns):
        return False
    return any(test_id == name or test_id.startswith(name + ".") for name in names)


if __name__ == "__main__":
    main(sys.argv[1:])
