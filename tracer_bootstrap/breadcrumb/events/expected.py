"""Tell an exception that its handler expects from a failure that a handler of everything catches.

A web framework answers both its own refusals (404) and the bugs of the program (500), in the same place. It knows the
classes of the refusals: the module of the handler names them, or the module that defines them.
"""

from __future__ import annotations

import sys
from types import FrameType, ModuleType

from ..runtime.classes import attribute_of, class_module, class_name, is_heap_type, mro, namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Names under which exceptions carry the HTTP status that a framework answers with.
_STATUS_NAMES = ("status_code", "code", "status")


def names_class(frame: FrameType, cls: type) -> bool:
    """Return whether the module of a frame names a class or one of its bases, other than the built-in ones.

    Args:
        frame: The frame of a handler.
        cls: The class of an exception.
    """
    names = frame.f_globals
    for base in mro(cls):
        if not is_heap_type(base):
            continue
        if names.get(class_name(base).rpartition(".")[2]) is base:
            return True
        module = class_module(base)
        found = names.get(module.rpartition(".")[2])
        if type(found) is ModuleType and found is sys.modules.get(module):
            return True
    return False


def is_server_error(exception: BaseException) -> bool:
    """Return whether an exception carries an HTTP status from 500 on: the server failed, and no request was refused."""
    for name in _STATUS_NAMES:
        status = attribute_of(exception, name)
        if status is None:
            status = _class_attribute(type(exception), name)
        if type(status) is int:
            return 500 <= status < 600
    return False


def _class_attribute(cls: type, name: str) -> Any:
    for base in mro(cls):
        if is_heap_type(base) and name in namespace(base):
            return namespace(base)[name]
    return None
