"""Regular expressions, compiled when there is something to look for.

Importing ``re`` takes longer than the rest of the tracer's start. The compiled ones are kept here: the cache of ``re``
is the program's, and small.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

_compiled: Dict[str, Any] = {}

# What re is made of, on all versions. Where one of these is being imported (by the program, in this thread or another),
# it is half done, and re cannot be had.
_PARTS = (
    "re", "re._compiler", "re._parser", "re._constants", "re._casefix", "sre_compile", "sre_parse", "sre_constants",
    "enum", "functools", "collections", "collections.abc", "_collections_abc", "operator", "types", "copyreg",
    "keyword", "reprlib", "heapq", "abc", "_weakrefset",
)  # fmt: skip


def compiled(regex: str) -> Any:
    """The compiled expression, or None where ``re`` cannot be had at this moment: the text is then redacted whole."""
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
