"""Import modules of the tracer at their first use, to keep the start of each interpreter short.

The tracer's own loader imports them, all at once: the program's import hooks must not run at that moment. Later imports
find them in ``sys.modules``.
"""

from __future__ import annotations

import sys

from .system import system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

# In the order of their imports: each module follows the ones that it needs.
LATE_MODULES = (
    "redaction.regex", "redaction.card_numbers", "redaction.token_prefixes", "redaction.secret_shapes",
    "redaction.named_values", "redaction.encoded_texts", "redaction.text_search", "redaction.learned_secrets",
    "redaction.learning", "values.hidden_values", "values.descriptions", "values.objects", "values.containers",
    "values.typing_text", "values.array_content", "values.arrays", "values.tables", "values.dataframes",
    "values.polars_frames", "values.library_objects", "values.writers", "values.type_plan", "values.python_text",
)  # fmt: skip

# Those that any program may need in the middle, which then cannot do without.
_NEEDED_LATER = ("values.walk", "events.exceptions", "postmortem.stack_writer")

_OWN_LOADER = "breadcrumb.runtime.own_builtins"


def import_late_modules() -> None:
    """Import the late modules, once.

    Does nothing without the tracer's own loader, as in the server: there a plain import finds them.
    """
    global _is_done
    if _is_done:
        return
    for name in LATE_MODULES:
        load_late_module(name)
    _is_done = True


def load_late_module(name: str) -> None:
    """Import one module that few programs need, for test runners, wrappers or generators.

    Args:
        name: Below the package, such as ``events.yields``.
    """
    full_name = "breadcrumb." + name
    own: Any = sys.modules.get(_OWN_LOADER)
    if own is not None:
        own.load(full_name, "%s/%s.py" % (system.package_folder, name.replace(".", "/")))


def load_needed_later() -> None:
    """Import what recording cannot do without once a program needs it."""
    for name in _NEEDED_LATER:
        load_late_module(name)


def late_methods(module: str, name: str) -> Callable[[Any, str], Any]:
    """Return the ``__getattr__`` of a class that lacks methods which few programs need.

    A subclass in a late module has them. The class gets them when the first one is asked for, and has no
    ``__getattr__`` from then on, with which every attribute is slower. So its objects stay what they are, and whoever
    holds one need not know. The subclass itself has no objects.

    Args:
        module: Of the subclass, below the package.
        name: Of the subclass.
    """

    def complete(self: Any, attribute: str) -> Any:
        load_late_module(module)
        subclass: Any = getattr(__import__(module, globals(), None, (name,), 2), name)
        whole = subclass.__base__
        for member, value in list(vars(subclass).items()):
            if not member.startswith("__"):
                setattr(whole, member, value)
        try:
            del whole.__getattr__
        except AttributeError:  # another thread has done the same meanwhile
            pass
        return getattr(self, attribute)

    return complete


_is_done = False
