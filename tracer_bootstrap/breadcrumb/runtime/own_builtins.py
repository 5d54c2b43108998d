"""Load the tracer's modules with a private copy of the built-in names, taken when the tracer starts.

Programs replace ``builtins.len`` or ``builtins.open`` to observe their callers, and must not see the tracer among them.
A function takes its builtins from its module's ``__builtins__``; the loader sets that before the module's code runs.
``import`` looks ``__import__`` up there too: the tracer's own takes some modules of the standard library from where the
program neither sees nor replaces them. Import this module before any other module of the tracer.
"""

from __future__ import annotations

import builtins
import sys
from os import __file__ as os_file
from os import sep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Dict

_OWN = dict(vars(builtins))
_import_for_all: Any = _OWN["__import__"]

# Modules of the standard library that a program may have files of the same name for, beside its script. In sys.modules
# they would hide those files; imported late, those files would come in their place and run.
_PRIVATE = ("binascii", "bisect", "mmap", "opcode", "types")
_private_modules: Dict[str, ModuleType] = {}

# The frozen importlib, loaded by the interpreter itself: importing the package ``importlib`` would take time.
_external: Any = sys.modules["_frozen_importlib_external"]
_bootstrap: Any = sys.modules["_frozen_importlib"]

# Where the private modules are found, whatever is on sys.path.
_standard_folder = os_file.rpartition(sep)[0]
_STANDARD_FOLDERS = [_standard_folder, _external._path_join(_standard_folder, "lib-dynload")]


def _import(name: str, scope: Any = None, variables: Any = None, names: Any = (), level: int = 0) -> Any:
    """Import a module as ``__import__`` does, for the modules of the tracer."""
    if level == 0 and name in _PRIVATE:
        module = _private_modules.get(name)
        if module is None:
            module = _private_modules[name] = _private(name)
        return module
    return _import_for_all(name, scope, variables, names, level)


def _private(name: str) -> Any:
    """Load a module of the standard library past ``sys.modules``, ``sys.path`` and all import hooks."""
    spec = _bootstrap.BuiltinImporter.find_spec(name) or _external.PathFinder.find_spec(name, _STANDARD_FOLDERS)
    if spec is None:  # in a zip file, or wherever the import hooks of this Python find it
        return _import_for_all(name)
    missing = object()
    listed: Any = sys.modules.get(name, missing)
    module = _bootstrap.module_from_spec(spec)
    spec.loader.exec_module(module)
    if listed is missing:
        sys.modules.pop(name, None)  # old modules in C list themselves
    elif sys.modules.get(name) is not listed:
        sys.modules[name] = listed
    return module


_OWN["__import__"] = _import


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


def find_own_modules() -> None:
    """Have later imports of the tracer's modules find them with the private builtins too.

    Called when this module is imported, and again where a program that the tracer was started in from outside imports a
    part of it: by then the finders are forgotten.
    """
    for name, module in list(sys.modules.items()):
        if name == "breadcrumb" or name.startswith("breadcrumb."):
            _find_with_own_loader(module)


find_own_modules()
