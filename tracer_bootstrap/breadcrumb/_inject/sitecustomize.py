"""Starts the tracer in a child Python. This folder is the only thing put on its PYTHONPATH.

Written in old syntax: a Python of any version may find it. It never prints and never raises,
it hides nothing (the user's own ``sitecustomize`` is imported as if this one were not here),
and it leaves ``sys.path`` as the user would have found it.
"""

import os
import sys


def _start_tracer(inject_folder):
    """Import the tracer from the folder two levels up, without putting that folder on sys.path.

    On site-packages it would bring every distribution installed there into the user's program.
    """
    # Where bytecode is not to be written the tracer's own is all the same: compiling it anew would triple its start.
    dont_write_bytecode = sys.dont_write_bytecode
    sys.dont_write_bytecode = False
    try:
        if dont_write_bytecode:
            _write_own_bytecode(inject_folder)
        _import_tracer(inject_folder).start_from_environment()
    finally:
        sys.dont_write_bytecode = dont_write_bytecode


def _write_own_bytecode(inject_folder):
    """Cache this file's bytecode as well: the import that runs it could not, and the compiler's start takes longest."""
    try:
        is_cached = os.stat(__spec__.cached).st_mtime >= os.stat(__file__).st_mtime
    except OSError:
        is_cached = False
    if not is_cached and os.access(inject_folder, os.W_OK):
        __spec__.loader.get_code(__name__)


def _import_tracer(inject_folder):
    external = sys.modules["_frozen_importlib_external"]
    bootstrap = sys.modules["_frozen_importlib"]
    package = external._path_split(inject_folder)[0]
    if "breadcrumb" not in sys.modules:
        spec = external.spec_from_file_location(
            "breadcrumb", external._path_join(package, "__init__.py"), submodule_search_locations=[package]
        )
        bootstrap._load(spec)
    import breadcrumb.runtime.own_builtins  # noqa: F401  (first: it decides how the others are loaded)
    from breadcrumb import bootstrap

    return bootstrap


def _import_shadowed():
    """Import the sitecustomize that this file shadows.

    Where there is none, the ImportError goes on to ``site``, which expects it: then this file was never there.
    """
    sys.modules.pop("sitecustomize", None)
    import sitecustomize  # noqa: F401  (the user's: our folder is off sys.path by now)


def _forget_folders(package, separator):
    """Leave no trace in the import system's caches of where the tracer was loaded from."""
    for entry in list(sys.path_importer_cache):
        if entry == package or entry.startswith(package + separator):
            del sys.path_importer_cache[entry]


def _run():
    separator = "\\" if sys.platform == "win32" else "/"
    inject_folder = __file__.rpartition(separator)[0]
    sys.path[:] = [entry for entry in sys.path if entry != inject_folder]
    if sys.version_info >= (3, 8):  # noqa: UP036  (this file is found by any Python)
        try:
            _start_tracer(inject_folder)
            _forget_folders(inject_folder.rpartition(separator)[0], separator)
        except Exception:  # the program comes first: without a "process" record the report says "not traced"
            pass
    _import_shadowed()


_run()
