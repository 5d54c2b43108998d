"""Find the Pythons of this machine, for tests: ``python3 tests/support/pythons.py 3.14`` prints the path of one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

# The Pythons that can be traced.
VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
# Those that sys.monitoring traces; sys.settrace the others.
MONITORING_VERSIONS = VERSIONS[VERSIONS.index("3.12") :]
NEWEST = VERSIONS[-1]
# Those that .ci/run equips with libraries and other tools.
EQUIPPED_VERSIONS = ("3.8", "3.11", "3.12", "3.13", "3.14", "3.15")
# Those of them that also have IPython, dask and jax, which come later to new Pythons.
NOTEBOOK_VERSIONS = ("3.11", "3.12", "3.13")

# Each with folders of Pythons below: of pyenv, of .ci/newer_pythons.sh, of uv.
ROOTS = (
    Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions"),
    Path.home() / ".cache" / "breadcrumb-pythons" / "versions",
    Path.home() / ".local" / "share" / "uv" / "python",
)

# Whether it is the ordinary CPython of a version: what has the name may be PyPy, free-threaded, or a shim of pyenv.
CHECK = (
    "import sys; sys.exit('%d.%d' % sys.version_info[:2] != sys.argv[1] "
    "or sys.implementation.name != 'cpython' or 't' in sys.abiflags)"
)


@lru_cache(maxsize=None)  # noqa: UP033  (the Python that finds the others for .ci/run may be older)
def find_python(version: str) -> str | None:
    """Return the path of a Python of that version, such as "3.14", or None."""
    candidates = [*_candidates(version), Path(sys.executable)]
    return next((str(path) for path in candidates if _is_python(path, version)), None)


def _candidates(version: str) -> Iterator[Path]:
    """Yield the paths that a Python of that version may have, the newest of each root first."""
    name = re.compile(rf"(?:cpython-)?{re.escape(version)}(?:\.(\d+)|-dev)")
    for root in ROOTS:
        named = ((name.match(folder.name), folder) for folder in root.glob("*"))
        found = sorted((int(match[1] or 0), folder) for match, folder in named if match)
        yield from (folder / "bin" / "python" for _, folder in reversed(found))
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield Path(on_path)


def _is_python(path: Path, version: str) -> bool:
    try:
        return subprocess.run([path, "-I", "-c", CHECK, version], capture_output=True).returncode == 0
    except OSError:  # it is not there, or cannot be executed
        return False


if __name__ == "__main__":
    path = find_python(sys.argv[1])
    if path is None:
        sys.exit(f"Python {sys.argv[1]} is needed: run `pyenv install {sys.argv[1]}` or .ci/newer_pythons.sh")
    print(path)
