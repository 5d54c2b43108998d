"""Say what to do about what the system refuses."""

import errno

_HINTS = {
    errno.ENOSPC: "Free space on that disk, then call again.",
    errno.EDQUOT: "Free space on that disk, then call again.",
    errno.EACCES: "Give the user that runs the server the right to it, then call again.",
    errno.EPERM: "Give the user that runs the server the right to it, then call again.",
    errno.EROFS: "Its file system is read-only: set BREADCRUMB_HOME to a folder that can be written to.",
    errno.EMFILE: "The server has too many files open: call again when fewer runs are going on.",
}


def hint_for(error: OSError, otherwise: str) -> str:
    """Return what to do about an error of the system.

    Args:
        error: The error.
        otherwise: The advice where the error alone gives none.
    """
    return _HINTS.get(error.errno or 0, otherwise)
