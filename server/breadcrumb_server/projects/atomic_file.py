"""Write files atomically."""

import os
import tempfile
from pathlib import Path

from breadcrumb_server.projects.home import FILE_MODE
from breadcrumb_server.system_errors import hint_for
from breadcrumb_storage.errors import BreadcrumbError


def write_file(file: Path, text: str, *, mode: int = FILE_MODE) -> None:
    """Replace the content of a file atomically: write and sync a new file, then rename it over the old.

    If the file is a symbolic link, its target is replaced. Line breaks are written as they are.

    Args:
        file: The file, in a folder that exists.
        text: The new content.
        mode: The permissions of the new file.

    Raises:
        BreadcrumbError: The file cannot be written; the old one is unchanged.
    """
    target = Path(os.path.realpath(file))
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        temporary = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        hint = hint_for(error, "Look at the rights of its folder, and at the free space of its disk.")
        raise BreadcrumbError(
            f"Cannot write {file}.", why=str(error), hint=f"The file is as it was before. {hint}"
        ) from error
