"""Stops a server process where it begins to load, or lets the loading fail: by a `sitecustomize` of its own."""

from __future__ import annotations

from pathlib import Path

from gates import Gate

_HOOK = """
import sys
class Hook:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            {action}
sys.meta_path.insert(0, Hook())
"""


def hold_loading(folder: Path, gate: Gate) -> dict[str, str]:
    """Return variables under which a server waits, before it imports the SDK, until the gate has been written to."""
    return _variables(folder, "mcp", f"sys.meta_path.remove(self); open({str(gate.path)!r}).read()")


def fail_loading(folder: Path, reason: str, module: str = "mcp") -> dict[str, str]:
    """Return variables under which the import of a module fails."""
    return _variables(folder, module, f"raise ImportError({reason!r})")


def _variables(folder: Path, module: str, action: str) -> dict[str, str]:
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_HOOK.format(module=module, action=action))
    return {"PYTHONPATH": str(folder)}
