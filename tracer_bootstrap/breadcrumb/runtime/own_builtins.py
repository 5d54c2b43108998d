"""Gives the tracer's modules built-in names of their own, as they were when it started.

Programs replace ``builtins.len`` or ``builtins.open`` to see who calls them. The tracer works in their processes at any
moment, so it must not be among the callers. A function takes its builtins from its module's ``__builtins__``; the
loader sets that before the module's code runs. To be imported before any other module of the tracer.
"""

from __future__ import annotations

import builtins
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_OWN = dict(vars(builtins))

# importlib as the interpreter has it at its start: importing the package of that name would take time.
_external: Any = sys.modules["_frozen_importlib_external"]
_bootstrap: Any = sys.modules["_frozen_importlib"]


class OwnBuiltinsLoader(_external.SourceFileLoader):  # type: ignore[misc, unused-ignore]
    """Loads a module of the tracer; what a package contains is found with the same loader."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code with the tracer's own builtins."""
        vars(module)["__builtins__"] = _OWN
        _find_with_own_loader(module)
        super().exec_module(module)


def load(name: str, path: str) -> None:
    """Import a module of the tracer from its file, whatever import hooks there are."""
    loader = OwnBuiltinsLoader(name, path)
    _bootstrap._load(_external.spec_from_file_location(name, path, loader=loader))


def _find_with_own_loader(package: Any) -> None:
    for folder in getattr(package, "__path__", ()):
        finder = _external.FileFinder(folder, (OwnBuiltinsLoader, [".py"]))
        sys.path_importer_cache[folder] = finder


for _package in ("breadcrumb", "breadcrumb.runtime"):  # imported already, by the program's loader
    _find_with_own_loader(sys.modules[_package])
