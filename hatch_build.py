"""Compile the core in C when the package is built: a wheel or an editable install has it where a C compiler is.

Without one, or if anything goes wrong, it is left out without a word: the core in Python does the same, more slowly.
``BREADCRUMB_BUILD_CORE=never`` leaves it out, ``=require`` makes that an error.

``python hatch_build.py FOLDER`` compiles it alone; further arguments go to the compiler.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "csrc"
PACKAGE_FOLDER = ROOT / "tracer_bootstrap" / "breadcrumb" / "core"
FILE_NAME = "_values.cp312-abi3.so"
SETTING = "BREADCRUMB_BUILD_CORE"

# Far longer than it takes: a compiler that reaches it hangs.
MAX_SECONDS = 300

FLAGS = ["-O2", "-fPIC", "-fvisibility=hidden", "-fno-strict-overflow", "-s"]
LIBRARIES = [] if sys.platform == "darwin" else ["-ldl"]  # older C libraries have dlsym there
LINK_FLAGS = ["-bundle", "-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-shared"]


def source_digest() -> str:
    """Return a digest of the sources in C: the compiled file has it, so that a stale one can be told."""
    digest = hashlib.sha256()
    for file in sorted(SOURCES.iterdir()):
        if file.suffix in (".c", ".h"):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def compile_core(folder: Path, extra: list[str]) -> Path:
    """Compile the core into a folder, and return the file.

    Args:
        folder: Where the file is written, whole or not at all.
        extra: Further arguments of the compiler.

    Raises:
        OSError: There is no compiler, or a file cannot be written.
        subprocess.SubprocessError: The compiler has failed.
    """
    headers = sysconfig.get_path("include")
    # Debian's pyconfig.h includes that of the architecture, from a folder beside this one.
    arch = ["-idirafter", str(Path(headers).parent)]
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    given = [word for name in ("ARCHFLAGS", "CFLAGS") for word in shlex.split(os.environ.get(name, ""))] + extra
    with tempfile.TemporaryDirectory(prefix="breadcrumb-core-") as scratch:
        made = Path(scratch) / FILE_NAME
        command = [
            *shlex.split(compiler), *FLAGS, *LINK_FLAGS, f"-I{headers}", *arch, f'-DSOURCE_DIGEST="{source_digest()}"',
            *given, *sorted(file.name for file in SOURCES.glob("*.c")), *LIBRARIES, "-o", str(made),
        ]  # fmt: skip
        subprocess.run(command, cwd=SOURCES, check=True, capture_output=True, timeout=MAX_SECONDS)
        target = folder / FILE_NAME
        new = folder / (FILE_NAME + ".new")
        new.write_bytes(made.read_bytes())
        new.chmod(0o755)
        new.replace(target)  # a process that has the old one loaded keeps it
    return target


def wheel_tag() -> str:
    """Return the tag of a wheel with the compiled core: any Python installs it on this kind of machine."""
    return f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand
    pass
else:

    class CoreBuildHook(BuildHookInterface[Any]):
        """The hook that hatchling calls before it builds a wheel or an editable install."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Compile the core, and have it packed.

            Args:
                version: "editable" or "standard".
                build_data: What hatchling packs; changed here.
            """
            setting = os.environ.get(SETTING, "")
            if setting == "never":
                return
            is_editable = version == "editable"
            folder = PACKAGE_FOLDER if is_editable else Path(self.directory)
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self._made = compile_core(folder, [])
            except (OSError, subprocess.SubprocessError) as error:
                if setting == "require":
                    said = getattr(error, "stderr", None) or b""
                    raise SystemExit(
                        f"the core in C cannot be compiled: {error}\n{said.decode(errors='replace')}"
                    ) from error
                return
            if not is_editable:
                build_data["force_include"][str(self._made)] = f"breadcrumb/core/{FILE_NAME}"
                build_data["pure_python"] = False
                build_data["tag"] = wheel_tag()

        def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
            """Remove the compiled file that stands beside the finished wheel."""
            if version != "editable" and hasattr(self, "_made"):
                self._made.unlink(missing_ok=True)


if __name__ == "__main__":
    print(compile_core(Path(sys.argv[1]).resolve(), sys.argv[2:]))
