"""Match include and exclude patterns. The server uses the same rules.

Needs no ``re``: importing it takes longer than the rest of the tracer's start.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List


def is_path_pattern(pattern: str) -> bool:
    """Return whether a pattern is about files, by a slash or the ending ``.py``; others are about modules."""
    return "/" in pattern or pattern.endswith(".py")


def matches_glob(text: str, pattern: str) -> bool:
    """Return whether the whole text matches; ``*`` stands for any characters, ``?`` for one."""
    if "*" not in pattern and "?" not in pattern:
        return text == pattern
    # On a mismatch, go back to the last star and let it take one character more.
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
    """Return whether a module name matches; ``*`` crosses dots, and ``shop.*`` includes ``shop`` itself.

    Args:
        module: The dotted name.
        pattern: A glob over dotted names.
    """
    return matches_glob(module, pattern) or (pattern.endswith(".*") and matches_glob(module, pattern[:-2]))


def matches_function(module: str, name: str, pattern: str) -> bool:
    """Return whether a pattern names a function.

    Args:
        module: The dotted name of the function's module.
        name: The function's qualified name in the module.
        pattern: The function's full name or its end after any dot: ``shop.cart.Cart.total``, ``shop.cart:Cart.total``,
            ``Cart.total``, ``total``. ``<locals>`` may be left out. Globs match as for modules: ``Cart.*`` matches all
            methods.
    """
    pattern = pattern.replace(":", ".")
    # The name of the main module in a child that multiprocessing spawned.
    full_name = "%s.%s" % ("__main__" if module == "__mp_main__" else module, name)
    return any(
        matches_module(spelling, pattern) or matches_module(spelling, "*." + pattern)
        for spelling in {full_name, full_name.replace(".<locals>", "")}
    )


def matches_path(path: str, pattern: str) -> bool:
    """Return whether a path matches; ``**`` stands for any number of folders, ``*`` and ``?`` stay within one.

    Args:
        path: The path with slashes.
        pattern: A glob over the whole path.
    """
    return _matches_parts(path.split("/"), pattern.split("/"))


def _matches_parts(parts: List[str], patterns: List[str]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_matches_parts(parts[skipped:], patterns[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and matches_glob(parts[0], patterns[0]) and _matches_parts(parts[1:], patterns[1:])
