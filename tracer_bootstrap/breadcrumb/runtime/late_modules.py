"""Modules of the tracer that the start of an interpreter is spared: the first value that needs one imports them.

All at once, by the tracer's own loader: the program's import hooks are not to be asked at that moment. From then on
they are found in ``sys.modules`` as any others.
"""

from __future__ import annotations

import sys
from os.path import dirname

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Each after those that it imports.
_MODULES = (
    "redaction.regex", "redaction.card_numbers", "redaction.token_prefixes", "redaction.secret_shapes",
    "redaction.named_values", "redaction.encoded_texts", "redaction.text_search", "redaction.learned_secrets",
    "redaction.learning", "values.hidden_values", "values.descriptions", "values.objects", "values.containers",
    "values.typing_text", "values.arrays", "values.dataframes", "values.library_objects", "values.writers",
    "values.type_plan", "values.python_text",
)  # fmt: skip

_OWN_LOADER = "breadcrumb.runtime.own_builtins"


def import_late_modules() -> None:
    """Make sure that they are imported. (Without the tracer's loader, in the server, they are as any others.)"""
    global _is_done
    if _is_done:
        return
    for name in _MODULES:
        load_late_module(name)
    _is_done = True


def load_late_module(name: str) -> None:
    """Make sure that one more module is imported, which few programs need: of tests, of wrappers, of generators."""
    full_name = "breadcrumb." + name
    own: Any = sys.modules.get(_OWN_LOADER)
    if own is not None and full_name not in sys.modules:
        own.load(full_name, "%s/%s.py" % (dirname(dirname(__file__)), name.replace(".", "/")))


_is_done = False
