"""The globs of include and exclude patterns. The server reads patterns by the same rules.

Matched without ``re``: importing it takes longer than the rest of the tracer's start.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List


def is_path_pattern(pattern: str) -> bool:
    """A pattern with a slash or a ``.py`` ending speaks of files, any other of modules."""
    return "/" in pattern or pattern.endswith(".py")


def matches_glob(text: str, pattern: str) -> bool:
    """Whether the whole text matches; ``*`` stands for any characters, ``?`` for one."""
    if "*" not in pattern and "?" not in pattern:
        return text == pattern
    # The usual two pointers: go back to the last star, which then takes one character more.
    position = index = 0
    star = -1
    star_position = 0
    while position < len(text):
        if index < len(pattern) and pattern[index] == "*":
            star, star_position = index, position
            index += 1
        elif index < len(pattern) and pattern[index] in ("?", text[position]):
            position += 1
            index += 1
        elif star >= 0:
            star_position += 1
            position, index = star_position, star + 1
        else:
            return False
    return all(c == "*" for c in pattern[index:])


def matches_module(module: str, pattern: str) -> bool:
    """Whether a dotted module name matches; ``*`` crosses dots, ``shop.*`` takes the package ``shop`` itself too."""
    return matches_glob(module, pattern) or (pattern.endswith(".*") and matches_glob(module, pattern[:-2]))


def matches_function(module: str, name: str, pattern: str) -> bool:
    """Whether a pattern names the function of that qualified name.

    ``shop.cart.Cart.total`` (or ``shop.cart:Cart.total``), or its end from a dot on: ``Cart.total``, ``total``. Globs
    are those of modules, so that ``Cart.*`` takes all methods. ``<locals>`` may be left out.
    """
    pattern = pattern.replace(":", ".")
    # The main module, in a child that multiprocessing spawned.
    full_name = "%s.%s" % ("__main__" if module == "__mp_main__" else module, name)
    return any(
        matches_module(spelling, pattern) or matches_module(spelling, "*." + pattern)
        for spelling in {full_name, full_name.replace(".<locals>", "")}
    )


def matches_path(path: str, pattern: str) -> bool:
    """Whether a path matches; ``**`` stands for any number of folders, ``*`` and ``?`` stay within one."""
    return _matches_parts(path.split("/"), pattern.split("/"))


def _matches_parts(parts: List[str], patterns: List[str]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_matches_parts(parts[skipped:], patterns[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and matches_glob(parts[0], patterns[0]) and _matches_parts(parts[1:], patterns[1:])
