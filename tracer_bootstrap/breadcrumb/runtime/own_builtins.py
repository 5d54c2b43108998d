"""Load the tracer's modules with a private copy of the built-in names, taken when the tracer starts.

Programs replace ``builtins.len`` or ``builtins.open`` to observe their callers, and must not see the tracer among them.
A function takes its builtins from its module's ``__builtins__``; the loader sets that before the module's code runs.
``import`` looks ``__import__`` up there too: the tracer's own takes some modules of the standard library from where the
program neither sees nor replaces them. Import this module before any other module of the tracer.

The bytecode of the modules that a start needs is read from one file, the bundle: finding and checking each of them by
itself takes longer than running it. ``bundle_writer.py`` writes it, and the ordinary way goes on where there is none.
"""

# No module is imported here that takes a file, not even __future__.
import builtins
import sys
from marshal import loads
from os import __file__ as os_file
from os import sep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType
    from typing import Any, Dict, List, Optional, Tuple

_OWN = dict(vars(builtins))
_import_for_all: "Any" = _OWN["__import__"]
_module_type: "Any" = type(sys)
globals()["__builtins__"] = _OWN  # of the functions below

# Modules of the standard library that a program may have files of the same name for, beside its script. In sys.modules
# they would hide those files; imported late, those files would come in their place and run.
_PRIVATE = ("__future__", "binascii", "bisect", "mmap", "opcode", "types")
_private_modules: "Dict[str, ModuleType]" = {}

# The frozen importlib, loaded by the interpreter itself: importing the package ``importlib`` would take time.
_external: "Any" = sys.modules["_frozen_importlib_external"]
_bootstrap: "Any" = sys.modules["_frozen_importlib"]

# Where the private modules are found, whatever is on sys.path.
_standard_folder = os_file.rpartition(sep)[0]
_STANDARD_FOLDERS = [_standard_folder, _external._path_join(_standard_folder, "lib-dynload")]

BUNDLE_FORMAT = b"breadcrumb 1"
_HEAD_BYTES = 8  # the number of the bytes of the index


class Bundle:
    """The bytecode of modules of the tracer, from one file. Without that file it is empty.

    Attributes:
        path: The file.
        folder: The tracer's package.
        modules: By name: the source below the package, its time and size, and the place of the bytecode among that of
            the modules which not every start needs. The others have none.
        missed: The modules that the start has loaded without it: they are not in it, or their source has changed.
        is_starting: Whether the tracer that the environment asks for is being started, in this thread.
    """

    def __init__(self) -> None:
        self.path = ""
        self.folder = ""
        self.modules: Dict[str, Tuple[str, int, int, int, int]] = {}
        self.missed: List[str] = []
        self.is_starting = False
        self._codes: Dict[str, CodeType] = {}
        self._content: Any = b""
        self._stat: Any = None

    def open(self, folder: str) -> None:
        """Read the file, if there is one that this interpreter can use.

        Args:
            folder: The tracer's package.
        """
        import os

        self.folder = folder
        self._stat = os.stat
        try:
            self.path = _external.cache_from_source(folder + sep + "breadcrumb.py")[: -len("pyc")] + "bundle"
            file = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            try:
                content = os.read(file, os.fstat(file).st_size)
            finally:
                os.close(file)
            begin = len(fitting(folder))
            if content.startswith(fitting(folder)) and content.endswith(BUNDLE_FORMAT):
                end = begin + _HEAD_BYTES + int.from_bytes(content[begin : begin + _HEAD_BYTES], "little")
                opcodes, self.modules, self._codes = loads(content[begin + _HEAD_BYTES : end])
                self._content = content[end:]
                _private_modules["opcode"] = _stand_in("opcode", opmap=opcodes, EXTENDED_ARG=opcodes["EXTENDED_ARG"])
        except Exception:  # there is none yet, or it is damaged, or this Python caches no bytecode: go on without it
            pass

    def code(self, name: str, path: str) -> "Optional[CodeType]":
        """Return the code of a module; None if it is not here (any more), or its source has changed."""
        entry = self.modules.get(name)
        if entry is not None:
            _, modified_ns, size, begin, end = entry
            try:
                found = self._stat(path)
                is_current = found.st_mtime_ns == modified_ns and found.st_size == size
            except OSError:  # the program cannot reach the tracer's files any more
                is_current = True
            if is_current and not end:
                return self._codes.pop(name, None)
            if is_current:
                code: CodeType = loads(self._content[begin:end])
                return code
        if self.is_starting:
            self.missed.append(name)
        return None


def fitting(folder: str) -> bytes:
    """Return the first bytes of a bundle that this interpreter can use, for the tracer in *folder*."""
    return b"%b\0%b%b\0" % (BUNDLE_FORMAT, _external.MAGIC_NUMBER, folder.encode("utf-8", "surrogateescape"))


bundle = Bundle()


# The tracer's modules, by name. A program may empty ``sys.modules``, and would get them a second time by it.
_loaded: "Dict[str, ModuleType]" = {}
_finders: "Dict[str, Any]" = {}  # what finds the others, by the name of their package


def _import(name: str, scope: "Any" = None, local: "Any" = None, names: "Any" = (), level: int = 0) -> "Any":
    """Import a module as ``__import__`` does, for the modules of the tracer."""
    if level:
        package = scope["__package__"]
        for _ in range(level - 1):
            package = package.rpartition(".")[0]
        if name:
            package = "%s.%s" % (package, name)
        module = _own_module(package)
        if module is not None and names:
            variables = vars(module)
            for member in names:
                if member not in variables and _own_module("%s.%s" % (package, member)) is None:
                    break
            else:
                return module
    elif name in _PRIVATE:
        module = _private_modules.get(name)
        if module is None:
            module = _private_modules[name] = _private(name)
        return module
    return _import_for_all(name, scope, local, names, level)


def _own_module(name: str) -> "Any":
    """Return a module of the tracer, which is loaded if it was not; None for anything else.

    The modules of packages that were imported without the loader of this module are left to the import system.
    """
    module = _loaded.get(name)
    if module is not None:
        if getattr(module.__spec__, "_initializing", False):
            with _bootstrap._ModuleLockManager(name):  # until another thread has loaded it
                return _loaded.get(name)
        return module
    package, _, member = name.rpartition(".")
    if package and _own_module(package) is None:
        return None
    if name in bundle.modules:
        spec = _bundled_spec(name, bundle.folder + sep + bundle.modules[name][0])
    elif package in _finders and name not in sys.modules:
        spec = _finders[package].find_spec(name)
    else:
        spec = None
    if spec is None:
        return None
    module = _load(spec)
    if package:
        setattr(_loaded[package], member, module)
    return module


def _bundled_spec(name: str, path: str) -> "Any":
    is_package = path.endswith("__init__.py")
    spec = _bootstrap.ModuleSpec(name, OwnBuiltinsLoader(name, path), origin=path, is_package=is_package)
    spec._set_fileattr = True  # it has a file
    if is_package:
        spec.submodule_search_locations.append(path.rpartition(sep)[0])
    return spec


def _load(spec: "Any") -> "Any":
    """Load a module of the tracer, unless another thread has loaded it meanwhile.

    While the program runs, the module is not listed in ``sys.modules``, over which the program may be iterating.
    """
    if bundle.is_starting:  # no other thread and no signal handler imports the tracer yet
        return _run(spec, sys.modules)
    with _bootstrap._ModuleLockManager(spec.name):
        return _loaded.get(spec.name) or _run(spec, {} if bundle.folder else sys.modules)


def _run(spec: "Any", listed: "Dict[str, Any]") -> "Any":
    name = spec.name
    module: Any = _module_type(name)
    variables = vars(module)
    variables.update(__file__=spec.origin, __loader__=spec.loader, __package__=spec.parent, __spec__=spec)
    if spec.submodule_search_locations is not None:
        module.__path__ = spec.submodule_search_locations
    code = spec.loader.get_code(name)
    spec._initializing = True
    listed[name] = module
    _prepare(module)
    try:
        exec(code, variables)
    except BaseException:
        listed.pop(name, None)
        del _loaded[name]
        raise
    finally:
        spec._initializing = False
    return module


def _prepare(module: "Any") -> None:
    """Give a new module of the tracer the private builtins, before its code runs."""
    vars(module)["__builtins__"] = _OWN
    _loaded[module.__name__] = module
    for folder in vars(module).get("__path__", ()):
        _finders[module.__name__] = _external.FileFinder(folder, (OwnBuiltinsLoader, [".py"]))


def _private(name: str) -> "Any":
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


def _stand_in(name: str, **known: "Any") -> "Any":
    """Return what stands for a module of the standard library: it has what is known, and loads the rest when asked."""

    def load_rest(attribute: str) -> "Any":
        if _private_modules[name] is module:
            _private_modules[name] = _private(name)
        return getattr(_private_modules[name], attribute)

    module = _module_type(name)
    vars(module).update(known, __getattr__=load_rest)
    return module


def _types() -> "Dict[str, Any]":
    """Return the interpreter's own types, by their names in the module ``types``, which takes longer to run."""

    def function() -> "Any":
        yield

    async def coroutine() -> None:
        pass

    async def async_generator() -> "Any":
        yield

    started = coroutine()
    started.close()
    try:
        raise KeyError
    except KeyError as error:
        traceback = error.__traceback__
    return {
        "AsyncGeneratorType": type(async_generator()),
        "BuiltinFunctionType": type(len),
        "CodeType": type(function.__code__),
        "CoroutineType": type(started),
        "FrameType": type(sys._getframe()),
        "FunctionType": type(function),
        "GeneratorType": type(function()),
        "GetSetDescriptorType": type(vars(type(function))["__code__"]),
        "MemberDescriptorType": type(vars(type(function))["__globals__"]),
        "MethodDescriptorType": type(str.join),
        "MethodType": type(bundle.open),
        "ModuleType": _module_type,
        "SimpleNamespace": type(sys.implementation),
        "TracebackType": type(traceback),
        "WrapperDescriptorType": type(object.__init__),
    }


_private_modules["__future__"] = _stand_in("__future__", annotations=None)
if sys.implementation.name == "cpython":
    _private_modules["types"] = _stand_in("types", **_types())
_OWN["__import__"] = _import


class OwnBuiltinsLoader(_external.SourceFileLoader):  # type: ignore[misc, unused-ignore]
    """Loader of the tracer's modules; the modules of a package get the same loader."""

    def exec_module(self, module: "ModuleType") -> None:
        """Run the module's code with the private builtins."""
        _prepare(module)
        try:
            super().exec_module(module)
        except BaseException:
            _loaded.pop(module.__name__, None)
            raise

    def get_code(self, name: str) -> "Optional[CodeType]":
        """Return the module's code, from the bundle if it has it."""
        code = bundle.code(name, self.path)
        return super().get_code(name) if code is None else code


def load(name: str, path: str) -> None:
    """Import a module of the tracer from its file, bypassing all import hooks; do nothing if it is imported already."""
    if name not in _loaded and _own_module(name) is None and name not in _loaded:
        _load(_external.spec_from_file_location(name, path, loader=OwnBuiltinsLoader(name, path)))


def load_tracer(folder: str) -> "Any":
    """Load what starts the tracer in a process that was told to, and return that module.

    Args:
        folder: The tracer's package; nothing of it but this module is loaded.
    """
    _loaded[__name__] = sys.modules[__name__]
    bundle.open(folder)
    bundle.is_starting = True
    load("breadcrumb", sep.join((folder, "__init__.py")))
    load("breadcrumb.runtime", sep.join((folder, "runtime", "__init__.py")))
    vars(_loaded["breadcrumb.runtime"])["own_builtins"] = sys.modules[__name__]
    load("breadcrumb.bootstrap", sep.join((folder, "bootstrap.py")))
    return _loaded["breadcrumb.bootstrap"]


def find_own_modules() -> None:
    """Have later imports of the tracer's modules find them with the private builtins too.

    Called when this module is imported, and again where a program that the tracer was started in from outside imports a
    part of it: by then the finders are forgotten.
    """
    for name, module in list(sys.modules.items()):
        if name == "breadcrumb" or name.startswith("breadcrumb."):
            for folder in getattr(module, "__path__", ()):
                sys.path_importer_cache[folder] = _external.FileFinder(folder, (OwnBuiltinsLoader, [".py"]))


find_own_modules()
