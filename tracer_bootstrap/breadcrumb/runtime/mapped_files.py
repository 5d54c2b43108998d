"""Map files into memory without keeping a descriptor open.

``mmap.mmap`` duplicates the descriptor that it is given and keeps it open. In a traced program that would shift the
numbers of files that it opens and use up its limit of open files. And after the program has closed all descriptors, as
daemons do, unmapping would close an unrelated file that has the number by then.
"""

from __future__ import annotations

from mmap import MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE, mmap

from ..platform_features import HAS_MMAP_WITHOUT_SYNC
from .features import HAS_MMAP_TRACKFD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional

_MAP_FIXED = 0x10  # <sys/mman.h>; missing in the mmap module

# The module ``_ctypes``, for those who need it later than here; None where it is not imported.
ctypes_in_c: Any = None


def _system_mmap() -> Optional[Callable[[mmap, int, int], bool]]:
    """Return a function that maps a file over an anonymous map; None if the system's mmap cannot be called."""
    global ctypes_in_c
    try:
        import _ctypes  # alone: importing ctypes takes three times as long

        ctypes_in_c = _ctypes
        c: Any = _ctypes
        # One type for pointers, lengths and numbers, which all are passed in a register: each type takes time to make.
        long: Any = type("c_long", (c._SimpleCData,), {"_type_": "l"})
        fields = {"_flags_": c.FUNCFLAG_CDECL, "_restype_": long, "_argtypes_": (long,) * 6}
        prototype: Any = type("mmap", (c.CFuncPtr,), fields)
        system_mmap = prototype(c.dlsym(c.dlopen(None, 0), "mmap"))
    except Exception:  # a Python without libffi, or linked statically
        return None

    def map_over(anonymous: mmap, fd: int, size: int) -> bool:
        address = c.addressof(long.from_buffer(anonymous))
        return bool(system_mmap(address, size, PROT_READ | PROT_WRITE, MAP_SHARED | _MAP_FIXED, fd, 0) == address)

    return map_over


# Whether the mmap module keeps no descriptor, and flushes no disk.
_MAPS_AS_WANTED = HAS_MMAP_TRACKFD and HAS_MMAP_WITHOUT_SYNC
_map_over = None if _MAPS_AS_WANTED else _system_mmap()


def map_file(fd: int, size: int) -> mmap:
    """Map the first *size* bytes of a file for reading and writing, shared with other processes.

    The caller may close *fd* afterwards. Falls back to a map with its own descriptor where nothing else works.

    Raises:
        OSError: The file cannot be mapped.
    """
    if _map_over is not None:
        mapped = mmap(-1, size, flags=MAP_PRIVATE | MAP_ANONYMOUS)
        if _map_over(mapped, fd, size):
            return mapped
    if HAS_MMAP_TRACKFD:
        return mmap(fd, size, trackfd=False)  # type: ignore[call-arg, unused-ignore]
    return mmap(fd, size)
