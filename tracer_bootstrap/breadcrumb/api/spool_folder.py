"""Make the spool folder of a program's trace beside its database, and keep the state of the program in it."""

from __future__ import annotations

import json
import marshal

from ..record_format import CONFIG_FILE, FORMAT_VERSION, PROGRAM_FILE, SPOOLS_SUFFIX
from .host import host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Tuple

_RUNNING = "running"
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600

# The folder of the default path is made in the user's code: it is kept out of version control, as caches are.
_IGNORE_FILE, _IGNORE_ALL = ".gitignore", "*\n"
_DEFAULT_FOLDER_NAME = ".breadcrumb"


def make_spool(database: str, settings: Dict[str, Any]) -> Tuple[str, str]:
    """Make a spool folder under a new trace id, with the tracer's settings in it.

    Args:
        database: The absolute path of the database.
        settings: For the tracer, without ``format`` and ``trace_id``.

    Returns:
        The trace id, and the folder.

    Raises:
        OSError: A folder or file cannot be made; the message says which argument that comes from.
    """
    spools = database + SPOOLS_SUFFIX
    try:
        _make_folder(host.dirname(database))
        if host.exists(database) and not host.access(database, host.RW_OK):
            raise PermissionError("the file cannot be read and written")
        while True:
            host.makedirs(spools, _FOLDER_MODE, exist_ok=True)
            trace_id = "%s-%s" % (host.strftime("%Y%m%d-%H%M%S", host.gmtime()), host.urandom(2).hex())
            folder = "%s/%s" % (spools, trace_id)
            try:
                host.mkdir(folder, _FOLDER_MODE)
                break
            except (FileExistsError, FileNotFoundError):  # taken, or who finished the last trace removed the parent
                continue
        content = marshal.dumps({"format": FORMAT_VERSION, "trace_id": trace_id, "project": "", **settings}, 2)
        _write(folder + "/" + CONFIG_FILE, content)
    except OSError as error:
        raise type(error)(
            "breadcrumb.init cannot write beside db_path=%r: %s. Give a db_path in a folder that can be written to"
            % (database, error.strerror or error)
        ) from error
    return trace_id, folder


def save_program(folder: str, program: Dict[str, Any]) -> None:
    """Write the state of the program into the spool folder, for the process that will store the trace.

    Args:
        folder: The spool folder.
        program: The fields that docs/spool-format.md lists; all texts are redacted.

    Raises:
        OSError: The file cannot be written.
    """
    path = folder + "/" + PROGRAM_FILE
    _write(path + ".new", json.dumps({"format": FORMAT_VERSION, **program}).encode())
    host.replace(path + ".new", path)


def remove_spool(folder: str) -> None:
    """Remove a spool folder of which nothing is wanted, as far as that is possible."""
    try:
        for name in host.listdir(folder):
            host.unlink("%s/%s" % (folder, name))
        host.rmdir(folder)
        host.rmdir(host.dirname(folder))
    except OSError:  # a child process still writes into it, or there are others beside it
        pass


def has_killed_programs(folder: str) -> bool:
    """Return whether a spool folder beside this one is of a program that does not run any more."""
    spools = host.dirname(folder)
    try:
        others = [name for name in host.listdir(spools) if name != host.basename(folder)]
        return any(_has_ended("%s/%s/%s" % (spools, name, PROGRAM_FILE)) for name in others)
    except OSError:  # another process has just stored it
        return False


def _has_ended(program_file: str) -> bool:
    try:
        with host.open_file(program_file, "rb") as file:
            program = json.load(file)
        return program["status"] != _RUNNING or not host.exists("/proc/%d" % program["pid"])
    except (OSError, ValueError, TypeError, KeyError):  # it is just being made, or damaged
        return False


def _make_folder(folder: str) -> None:
    if not host.isdir(folder):
        host.makedirs(folder, _FOLDER_MODE, exist_ok=True)
        if host.basename(folder) == _DEFAULT_FOLDER_NAME:
            _write("%s/%s" % (folder, _IGNORE_FILE), _IGNORE_ALL.encode())


def _write(path: str, content: bytes) -> None:
    with host.open_file(path, "wb") as file:
        file.write(content)
    host.chmod(path, _FILE_MODE)
