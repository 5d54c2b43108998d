"""Choose some of the tests of a file: those of the class of the selected one first, the others evenly."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Sequence, TypeVar

    T = TypeVar("T")

# Tests of one file, and of all files together. For most failures, ten passing tests tell as much as all.
MOST_OF_FILE = 20
MOST = 60
# Of those of a file: tests of the same class as the selected one.
_MOST_BESIDE = 12


def sample(beside: Sequence[T], others: Sequence[T]) -> List[T]:
    """Choose tests of one file.

    Args:
        beside: The tests of the class, or other group, of the selected test.
        others: The other tests of the file.
    """
    close = _evenly(beside, max(_MOST_BESIDE, MOST_OF_FILE - len(others)))
    return close + _evenly(others, MOST_OF_FILE - len(close))


def _evenly(tests: Sequence[T], most: int) -> List[T]:
    if len(tests) <= most:
        return list(tests)
    return [tests[number * len(tests) // most] for number in range(most)]
