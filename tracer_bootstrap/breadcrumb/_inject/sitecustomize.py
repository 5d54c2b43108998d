"""Start the tracer in a Python process that has this folder on its PYTHONPATH.

Uses old syntax, because a Python of any version may import it. It never prints, and lets no error of the tracer out. It
imports the user's own ``sitecustomize``, which it shadows, and removes its folder from ``sys.path``.
"""

import gc
import os
import sys


def _start_tracer(inject_folder):
    """Import the tracer from its own package, without putting the folder of that package on sys.path.

    If that folder is a site-packages, all distributions in it would become importable in the user's program.
    """
    # The tracer writes its own bytecode even if the program may not: compiling at each start would triple its time.
    dont_write_bytecode = sys.dont_write_bytecode
    sys.dont_write_bytecode = False
    # Nothing that the start makes is garbage.
    collects_garbage = gc.isenabled()
    gc.disable()
    try:
        if dont_write_bytecode:
            _write_own_bytecode(inject_folder)
        _import_tracer(inject_folder).start_from_environment()
    finally:
        if collects_garbage:
            if not gc.get_freeze_count():  # move all to the oldest generation, as the next collections would
                gc.freeze()
                gc.unfreeze()
            gc.enable()
        sys.dont_write_bytecode = dont_write_bytecode


def _write_own_bytecode(inject_folder):
    """Cache the bytecode of this file too: the import that runs it was not allowed to, and compiling takes longest."""
    try:
        is_cached = os.stat(__spec__.cached).st_mtime >= os.stat(__file__).st_mtime
    except OSError:
        is_cached = False
    if not is_cached and os.access(inject_folder, os.W_OK):
        __spec__.loader.get_code(__name__)


def _import_tracer(inject_folder):
    if "breadcrumb" in sys.modules:  # a file in site-packages has imported it, maybe from another place
        import breadcrumb.runtime.own_builtins  # noqa: F401  (first: it installs the loader of the others)
        from breadcrumb import bootstrap

        return bootstrap
    external = sys.modules["_frozen_importlib_external"]
    name = "breadcrumb.runtime.own_builtins"
    package = external._path_split(inject_folder)[0]
    file = external._path_join(external._path_join(package, "runtime"), "own_builtins.py")
    # Past the import system: hooks of the program's environment need not see it.
    sys.modules["_frozen_importlib"]._load(external.spec_from_file_location(name, file))
    return sys.modules[name].load_tracer(package)


def _import_shadowed():
    """Import the sitecustomize that this file shadows.

    If there is none, ``site`` gets the ImportError, as it would without this file.
    """
    sys.modules.pop("sitecustomize", None)
    import sitecustomize  # noqa: F401  (the user's: this folder is off sys.path by now)


def _forget_folders(package, separator):
    """Remove the tracer's folders from the caches of the import system."""
    for entry in list(sys.path_importer_cache):
        if entry == package or entry.startswith(package + separator):
            del sys.path_importer_cache[entry]


def _describe(failure):
    """Return the type and the place of an exception; its message may hold a secret."""
    kind, _, place = failure
    while place.tb_next is not None:
        place = place.tb_next
    file = os.path.basename(place.tb_frame.f_code.co_filename)
    return "error %s at %s:%d" % (kind.__name__, file, place.tb_lineno)


def _note_why_not(why):
    """Tell the server why this process is not traced, by a file in the spool folder."""
    folder = os.environ.get("BREADCRUMB_TRACE")
    if not folder:
        return
    try:
        file = os.open(os.path.join(folder, "%d.unstarted" % os.getpid()), os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            os.write(file, why.encode("ascii", "replace"))
        finally:
            os.close(file)
    except Exception:  # the folder is gone, or belongs to another user
        pass


def _run():
    separator = "\\" if sys.platform == "win32" else "/"
    inject_folder = __file__.rpartition(separator)[0]
    sys.path[:] = [entry for entry in sys.path if entry != inject_folder]
    if sys.version_info >= (3, 8):  # noqa: UP036  (this file is found by any Python)
        try:
            _start_tracer(inject_folder)
            _forget_folders(inject_folder.rpartition(separator)[0], separator)
        except Exception:  # never disturb the program
            _note_why_not(_describe(sys.exc_info()))
    else:
        _note_why_not("version %d.%d" % sys.version_info[:2])
    _import_shadowed()


_run()
