"""Say which core of the tracer a Python uses."""

from __future__ import annotations

PURE = "pure"


def tracer_core(implementation: str, version: tuple[int, int]) -> str:
    """Return the name of the core that a Python would use.

    Args:
        implementation: As in ``sys.implementation.name``.
        version: Major and minor version.
    """
    return PURE  # the only one there is: written in Python, it runs in every supported version
