"""Import modules of the tracer at their first use, to keep the start of each interpreter short.

The tracer's own loader imports them, all at once: the program's import hooks must not run at that moment. Later imports
find them in ``sys.modules``.
"""

from __future__ import annotations

import sys

from .system import system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# In the order of their imports: each module follows the ones that it needs.
_MODULES = (
    "redaction.regex", "redaction.card_numbers", "redaction.token_prefixes", "redaction.secret_shapes",
    "redaction.named_values", "redaction.encoded_texts", "redaction.text_search", "redaction.learned_secrets",
    "redaction.learning", "values.hidden_values", "values.descriptions", "values.objects", "values.containers",
    "values.typing_text", "values.array_content", "values.arrays", "values.tables", "values.dataframes",
    "values.polars_frames", "values.library_objects", "values.writers", "values.type_plan", "values.python_text",
)  # fmt: skip

_OWN_LOADER = "breadcrumb.runtime.own_builtins"


def import_late_modules() -> None:
    """Import the late modules, once.

    Does nothing without the tracer's own loader, as in the server: there a plain import finds them.
    """
    global _is_done
    if _is_done:
        return
    for name in _MODULES:
        load_late_module(name)
    _is_done = True


def load_late_module(name: str) -> None:
    """Import one module that few programs need, for test runners, wrappers or generators.

    Args:
        name: Below the package, such as ``events.yields``.
    """
    full_name = "breadcrumb." + name
    own: Any = sys.modules.get(_OWN_LOADER)
    if own is not None and full_name not in sys.modules:
        own.load(full_name, "%s/%s.py" % (system.package_folder, name.replace(".", "/")))


_is_done = False
