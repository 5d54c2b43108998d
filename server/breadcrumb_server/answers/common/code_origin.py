"""Shorten the paths of code, and classify it as own, third-party or standard library."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Literal

from breadcrumb_storage.queries.traces import TraceRow

Origin = Literal["own", "third-party", "stdlib"]

_INSTALLED = re.compile(r"/(?:site|dist)-packages/")
_STANDARD_LIBRARY = re.compile(r"/lib(?:64)?/(?:python|pypy)3\.\d+/")


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of a trace that paths are relative to."""

    roots: tuple[str, ...]
    has_workspace: bool

    @classmethod
    def of(cls, trace: TraceRow) -> Places:
        """Take the workspace and the working directory of a trace, as far as they are known."""
        workspace = trace.config.get("workspace")
        folders = [folder.rstrip("/") for folder in (workspace, trace.cwd) if isinstance(folder, str)]
        return cls(tuple(dict.fromkeys(folder for folder in folders if folder)), bool(workspace))

    def path(self, file: str | None) -> str:
        """Shorten a path: relative to site-packages, the standard library, the workspace or the working directory.

        Returns:
            The path as it is if it is in none of these; ``?`` if there is none.
        """
        if not file:
            return "?"
        if file.startswith("<"):
            return file
        for pattern in (_INSTALLED, _STANDARD_LIBRARY):
            *before, relative = pattern.split(file)
            if before:
                return relative
        for root in self.roots:
            if file.startswith(root + "/"):
                return file[len(root) + 1 :]
        return file

    def is_launcher(self, module: str, name: str, file: str | None) -> bool:
        """Return whether a function is the body of a module that only starts the user's code, as of ``runpy``."""
        return (module, name) == ("__main__", "<module>") and self.origin(file, module) != "own"

    def origin(self, file: str | None, module: str) -> Origin:
        """Classify a function by its file, or by its module if it has none, as with C functions."""
        if not file or not file.startswith("/"):
            top = module.partition(".")[0]
            frozen = (file or "").startswith("<frozen ")
            return "stdlib" if frozen or not top or top in sys.stdlib_module_names else "third-party"
        if _INSTALLED.search(file):
            return "third-party"
        if _STANDARD_LIBRARY.search(file):
            return "stdlib"
        if not self.has_workspace or any(file.startswith(root + "/") for root in self.roots):
            return "own"
        return "third-party"
