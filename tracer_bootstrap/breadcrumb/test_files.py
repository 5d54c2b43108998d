"""Tell files of tests from others by their names, as test runners do."""

from __future__ import annotations

_NAMES = ("conftest.py", "test.py", "tests.py")
_ENDS = ("_test.py", "_tests.py")
_FOLDER = "/tests/"


def is_test_file(file: str) -> bool:
    """Return whether a file holds tests or what they share: test_cart.py, cart_test.py, conftest.py, tests/shop.py.

    Args:
        file: Its path, with ``/`` between folders.
    """
    name = file.rpartition("/")[2]
    if not name.endswith(".py"):
        return False
    return name.startswith("test_") or name in _NAMES or name.endswith(_ENDS) or _FOLDER in "/" + file
