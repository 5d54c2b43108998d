"""Write the bundle: the bytecode of the modules that the start of the tracer needs, in one file beside their own.

Each interpreter has a bundle of its own, as it has its own bytecode. A start that had to load a module without it
writes a new one: there was none, the module was not in it, or its source has changed. So it has what starts of this
interpreter have needed. ``own_builtins.py`` reads it:

- what ``fitting`` returns
- the bytes of the index, a number of 8 bytes
- the index, marshalled: the numbers of the instructions, the modules as in ``Bundle``, and the code of those that every
  start needs, which share their names
- the marshalled code of each other module
- BUNDLE_FORMAT, without which the file is not whole
"""

from __future__ import annotations

import sys
from marshal import dumps
from opcode import opmap
from os import O_CLOEXEC, O_CREAT, O_EXCL, O_WRONLY, sep

from .late_modules import LATE_MODULES
from .own_builtins import BUNDLE_FORMAT, Bundle, OwnBuiltinsLoader, fitting
from .system import system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any, Dict, List, Tuple

# The modules that every start needs, on any Python and with any settings, below the package.
_ALWAYS_NEEDED = {
    "", "backends", "backends.debuggers", "bootstrap", "core", "events", "events.adaptive", "events.budget",
    "events.calls", "events.exception_state", "events.executed_lines", "events.functions", "events.gaps",
    "events.greenlets", "events.switched_off", "events.tasks", "globs", "json_text", "platform_features",
    "postmortem", "postmortem.fault_handler", "postmortem.stacks", "record_format", "recorder", "redaction",
    "redaction.command_lines", "redaction.redactor", "redaction.regex", "redaction.secret_names",
    "redaction.suspicion", "runtime", "runtime.classes", "runtime.features", "runtime.guard", "runtime.interruptions",
    "runtime.late_modules", "runtime.live_locals", "runtime.locals_dict", "runtime.mapped_files",
    "runtime.object_numbers", "runtime.process_key", "runtime.system", "session", "session.functions",
    "session.open_calls", "session.patterns", "session.processes", "session.session", "session.spool",
    "session.threads", "value_format", "values", "values.encoder",
}  # fmt: skip
# Those that many programs need later: they are found without their files then, which may be out of reach.
_OFTEN_NEEDED = (
    *LATE_MODULES,
    "events.exception_text", "events.exceptions", "events.expected", "events.wrappers", "events.yields",
    "postmortem.asyncio_stacks", "postmortem.locks", "postmortem.stack_writer", "values.exception_messages",
    "values.frame_locals", "values.inline_fields", "values.states", "values.walk",
)  # fmt: skip


def write_bundle(bundle: Bundle) -> None:
    """Replace the bundle by one that has the modules of the old one and those that were loaded without it.

    Does nothing where its folder is missing or may not be written to.
    """
    often = ["breadcrumb." + name for name in _OFTEN_NEEDED]
    names = sorted({*bundle.modules, *bundle.missed, *often})
    bundle.missed.clear()
    partial = "%s.%d" % (bundle.path, system.getpid())
    try:
        file = system.open(partial, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o644)
    except OSError:
        return
    try:
        try:
            rest = memoryview(_content(bundle.folder, names))
            while rest:
                rest = rest[system.write(file, rest) :]
        finally:
            system.close(file)
        system.replace(partial, bundle.path)
    except Exception:  # a full disk, or a source that is just being written
        system.unlink(partial)


def _content(folder: str, names: List[str]) -> bytes:
    modules: Dict[str, Tuple[str, int, int, int, int]] = {}
    codes: Dict[str, CodeType] = {}
    parts: List[bytes] = []
    end = 0
    for name in names:
        module: Any = sys.modules.get(name)
        path = sep.join((folder, *name.split(".")[1:])) + ".py" if module is None else module.__file__
        try:
            found = system.stat(path)  # before the code is read: if the source changes meanwhile, this is outdated
        except OSError:  # of an old bundle, and not there any more
            continue
        code = super(OwnBuiltinsLoader, OwnBuiltinsLoader(name, path)).get_code(name)
        source = path[len(folder) + len(sep) :], found.st_mtime_ns, found.st_size
        if name.partition(".")[2] in _ALWAYS_NEEDED:
            codes[name] = code
            modules[name] = (*source, 0, 0)
        else:
            part = dumps(code)
            parts.append(part)
            modules[name] = (*source, end, end + len(part))
            end += len(part)
    index = dumps((dict(opmap), modules, codes))
    return b"".join((fitting(folder), len(index).to_bytes(8, "little"), index, *parts, BUNDLE_FORMAT))
