"""Hand the tracer on to child processes by the environment, as ``breadcrumb run`` does."""

from __future__ import annotations

from ..record_format import ENV_TRACE
from ..runtime.interruptions import OWN_FOLDER
from .host import host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, MutableMapping

_PYTHONPATH = "PYTHONPATH"
_INJECT_FOLDER = OWN_FOLDER + "_inject"
_SEPARATOR = ":"


def trace_children(folder: str) -> None:
    """Have Pythons that this process starts from now on trace into the same folder."""
    environ = host.environ
    environ[ENV_TRACE] = folder
    # An empty part would put the current folder on their sys.path.
    parts = [_INJECT_FOLDER, *_others(environ)]
    environ[_PYTHONPATH] = _SEPARATOR.join(parts)


def leave_children(folder: str) -> None:
    """Undo ``trace_children``, unless another trace has begun since."""
    environ = host.environ
    if environ.get(ENV_TRACE) == folder:
        del environ[ENV_TRACE]
        others = _others(environ)
        if others:
            environ[_PYTHONPATH] = _SEPARATOR.join(others)
        else:
            environ.pop(_PYTHONPATH, None)


def without_tracer(environ: MutableMapping[str, str]) -> Dict[str, str]:
    """Return a copy of the environment for a process that must not be traced."""
    copy = {name: value for name, value in environ.items() if name not in (ENV_TRACE, _PYTHONPATH)}
    others = _others(environ)
    if others:
        copy[_PYTHONPATH] = _SEPARATOR.join(others)
    return copy


def _others(environ: MutableMapping[str, str]) -> List[str]:
    """Return the parts of PYTHONPATH that are not the tracer's and not empty."""
    parts = environ.get(_PYTHONPATH, "").split(_SEPARATOR)
    return [part for part in parts if part and part != _INJECT_FOLDER]
