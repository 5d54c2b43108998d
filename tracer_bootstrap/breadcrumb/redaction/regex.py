"""Compile regular expressions on first use.

Importing ``re`` takes longer than the rest of the tracer's start. The compiled expressions are kept here because the
cache of ``re`` is small and belongs to the program.
"""

from __future__ import annotations

import sys

from ..runtime.system import system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

_external: Any = sys.modules["_frozen_importlib_external"]

_STANDARD_FOLDER = system.standard_library + "/"

_compiled: Dict[str, Any] = {}

# The modules that re consists of, on all versions. While the program imports one of these, in this or another thread,
# it is incomplete, and importing re would fail. It would fail too, and run the program's file, where a file beside the
# script has the name of one.
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
    if not all(map(_is_importable, _PARTS)):
        return None
    import re

    known = _compiled[regex] = re.compile(regex)
    return known


def _is_importable(part: str) -> bool:
    """Return whether a module that re may consist of is there or would be found, is complete, and the standard one."""
    module: Any = sys.modules.get(part)
    if module is not None:
        spec = getattr(module, "__spec__", None)
    elif "." in part or "re" in sys.modules:  # found by its package, or not needed any more
        return True
    else:
        spec = _external.PathFinder.find_spec(part)
    if spec is None:  # no module of this Python, or one without a file
        return True
    origin = spec.origin
    is_standard = origin in ("built-in", "frozen") or (type(origin) is str and origin.startswith(_STANDARD_FOLDER))
    return is_standard and not getattr(spec, "_initializing", False)
