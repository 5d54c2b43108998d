"""Find calls that say little: a flow leaves them out first where room is short, and counts them in one line.

They called nothing that was recorded and just returned: initializers and comparisons, getters, predicates, and calls
that repeat one of the same caller, with the same arguments and the same result.
"""

from __future__ import annotations

from collections.abc import Mapping

from breadcrumb_server.answers.common.text import counted, one_line
from breadcrumb_server.answers.flow.limits import LIMITS

# Methods that make, print or compare an object. Others do what a program is about: __call__, __enter__.
_DUNDER = frozenset(
    f"__{name}__"
    for name in (
        *("init", "post_init", "new", "init_subclass", "set_name", "repr", "str", "format", "hash", "bool", "len"),
        *("eq", "ne", "lt", "le", "gt", "ge", "iter", "index"),
    )
)


def has_trivial_name(name: str) -> bool:
    """Return whether a function (module:function) that calls nothing is trivial by its name."""
    return name.rpartition(":")[2].rpartition(".")[2] in _DUNDER


def left_out_line(calls: Mapping[str, int]) -> str:
    """Render ``… left out: 36 trivial calls (Cart.__init__ x8, is_rich x6, …)``.

    Args:
        calls: number of calls by function (module:function).
    """
    most = sorted(calls.items(), key=lambda each: -each[1])[: LIMITS.max_trivial_named]
    named = ", ".join(f"{one_line(name.rpartition(':')[2], 60)} x{count:,}" for name, count in most)
    more = ", …" if len(calls) > len(most) else ""
    return f"… left out: {counted(sum(calls.values()), 'trivial call')} ({named}{more})"
