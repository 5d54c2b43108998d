"""Load the tracer's modules with a private copy of the built-in names, taken when the tracer starts.

Programs replace ``builtins.len`` or ``builtins.open`` to observe their callers, and must not see the tracer among them.
A function takes its builtins from its module's ``__builtins__``; the loader sets that before the module's code runs.
Import this module before any other module of the tracer.
"""

from __future__ import annotations

import builtins
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_OWN = dict(vars(builtins))

# The frozen importlib, loaded by the interpreter itself: importing the package ``importlib`` would take time.
_external: Any = sys.modules["_frozen_importlib_external"]
_bootstrap: Any = sys.modules["_frozen_importlib"]


class OwnBuiltinsLoader(_external.SourceFileLoader):  # type: ignore[misc, unused-ignore]
    """Loader of the tracer's modules; the modules of a package get the same loader."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code with the private builtins."""
        vars(module)["__builtins__"] = _OWN
        _find_with_own_loader(module)
        super().exec_module(module)


def load(name: str, path: str) -> None:
    """Import a module of the tracer from its file, bypassing all import hooks."""
    loader = OwnBuiltinsLoader(name, path)
    _bootstrap._load(_external.spec_from_file_location(name, path, loader=loader))


def _find_with_own_loader(package: Any) -> None:
    for folder in getattr(package, "__path__", ()):
        finder = _external.FileFinder(folder, (OwnBuiltinsLoader, [".py"]))
        sys.path_importer_cache[folder] = finder


for _package in ("breadcrumb", "breadcrumb.runtime"):  # imported before this module, by the default loader
    _find_with_own_loader(sys.modules[_package])
