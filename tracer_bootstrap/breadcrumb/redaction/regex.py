"""Compile regular expressions on first use.

Importing ``re`` takes longer than the rest of the tracer's start. The compiled expressions are kept here because the
cache of ``re`` is small and belongs to the program.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

_compiled: Dict[str, Any] = {}

# The modules that re consists of, on all versions. While the program imports one of these, in this or another thread,
# it is incomplete, and importing re would fail.
_PARTS = (
    "re", "re._compiler", "re._parser", "re._constants", "re._casefix", "sre_compile", "sre_parse", "sre_constants",
    "enum", "functools", "collections", "collections.abc", "_collections_abc", "operator", "types", "copyreg",
    "keyword", "reprlib", "heapq", "abc", "_weakrefset",
)  # fmt: skip


def compiled(regex: str) -> Any:
    """Return the compiled expression, or None while ``re`` cannot be imported: the whole text is then redacted."""
    known = _compiled.get(regex)
    if known is not None:
        return known
    for part in _PARTS:
        module: Any = sys.modules.get(part)
        if module is not None and getattr(getattr(module, "__spec__", None), "_initializing", False):
            return None
    import re

    known = _compiled[regex] = re.compile(regex)
    return known
