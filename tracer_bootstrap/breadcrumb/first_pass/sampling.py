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


def farthest_first(chosen: Sequence[int], selected: Sequence[int]) -> List[int]:
    """Move the test to the beginning that is least like those that were selected: it fills the caches of the program.

    What it alone executes tells nothing, while tests that stand close together are often about the same.

    Args:
        chosen: Positions of the tests that run, in their order.
        selected: Positions of the selected tests.
    """
    if not chosen or not selected:
        return list(chosen)
    first = max(chosen, key=lambda position: min(abs(position - each) for each in selected))
    return [first, *(position for position in chosen if position != first)]


def _evenly(tests: Sequence[T], most: int) -> List[T]:
    if len(tests) <= most:
        return list(tests)
    return [tests[number * len(tests) // most] for number in range(most)]
