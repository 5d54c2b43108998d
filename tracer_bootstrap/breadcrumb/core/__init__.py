"""Choose the core: what encodes values, in Python or in C.

The one in Python runs everywhere and says what is right; the one in C writes the same, faster (docs/core.md). It is one
file for all versions that it serves, which no ``import`` finds: other interpreters that have this folder on their path
would crash with it. Only ``choose`` loads it, after its checks.
"""

from __future__ import annotations

import sys

from ..record_format import CORE_AUTO, CORE_C, CORE_PURE
from ..runtime.features import WHY_NO_CORE_IN_C
from ..runtime.system import system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The dot keeps every ``import`` from finding the file, whatever suffixes an interpreter knows.
FILE_NAME = "_values.cp312-abi3.so"
_MODULE_NAME = "breadcrumb.core._values"

# The number of what this package and the file say to each other: INTERFACE of csrc/core.h.
INTERFACE = 5

_ELF_HEADER_BYTES = 64
_ELF_64_LITTLE = b"\x7fELF\x02\x01"


class Core:
    """The core of this process.

    Attributes:
        name: CORE_C or CORE_PURE.
        why: Why it is this one, in a few words; empty for the one in C, if nobody has asked for it.
        native: The module in C, or None.
        is_another: Whether it is not the one that was asked for.
    """

    __slots__ = ("is_another", "name", "native", "why")

    def __init__(self, name: str, why: str, native: Any = None, is_another: bool = False) -> None:
        self.name = name
        self.why = why
        self.native = native
        self.is_another = is_another


def choose(wanted: str) -> Core:
    """Choose the core of this process.

    Args:
        wanted: What BREADCRUMB_CORE asks for; anything unknown counts as CORE_AUTO.
    """
    if wanted == CORE_PURE:
        return Core(CORE_PURE, "BREADCRUMB_CORE asks for it")
    why_not = WHY_NO_CORE_IN_C
    if not why_not:
        path = "%s/core/%s" % (system.package_folder, FILE_NAME)
        try:
            native = load(path)
            if native.INTERFACE == INTERFACE:
                return Core(CORE_C, "BREADCRUMB_CORE asks for it" if wanted == CORE_C else "", native)
            why_not = "the compiled core is of another version of Breadcrumb: install Breadcrumb again"
        except Exception as error:  # whatever a damaged file makes of it: the other core is there
            why_not = _why_not_loaded(error, path)
    if wanted not in (CORE_C, CORE_AUTO):
        why_not = "BREADCRUMB_CORE is neither pure nor c nor auto, and %s" % why_not
    return Core(CORE_PURE, why_not, is_another=wanted == CORE_C)


def load(path: str) -> Any:
    """Load the core in C from its file, without listing it in ``sys.modules``.

    Raises:
        OSError: The file is missing.
        ImportError: The file is damaged, or made for another machine or C library.
    """
    if _is_cut_off(path):
        raise ImportError("the file is not whole")
    bootstrap: Any = sys.modules["_frozen_importlib"]
    external: Any = sys.modules["_frozen_importlib_external"]
    loader = external.ExtensionFileLoader(_MODULE_NAME, path)
    module = bootstrap.module_from_spec(external.spec_from_file_location(_MODULE_NAME, path, loader=loader))
    loader.exec_module(module)
    return module


def _is_cut_off(path: str) -> bool:
    """Return whether an ELF file ends too early: the system's loader would crash on it instead of refusing it."""
    with system.open_file(path, "rb") as file:
        head = file.read(_ELF_HEADER_BYTES)
        size = system.fstat(file.fileno()).st_size
    if head[:6] != _ELF_64_LITTLE or len(head) < _ELF_HEADER_BYTES:
        return False
    # The table of sections comes last: its place, the size of an entry, their number.
    start, entry, count = [int.from_bytes(head[at:end], "little") for at, end in ((40, 48), (58, 60), (60, 62))]
    return size < start + entry * count


def _why_not_loaded(error: Exception, path: str) -> str:
    try:
        system.stat(path)
    except OSError:
        return "no compiled core is installed: there was no C compiler when Breadcrumb was installed"
    return "the compiled core cannot be loaded (%s)" % type(error).__name__
