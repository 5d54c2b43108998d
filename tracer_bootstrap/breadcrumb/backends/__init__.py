"""The ways to learn that a call starts or ends, behind one protocol; chosen once, when the tracer starts."""

from __future__ import annotations

from ..runtime.features import monitoring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, Tuple

    from ..recorder import Recorder

    class Backend(Protocol):
        """A source of events for a recorder."""

        def start(self) -> None:
            """Begin to observe all code of the process. Raises RuntimeError where that is impossible, saying why."""

        def stop(self) -> None:
            """Observe nothing any more."""


def choose(wanted: str) -> Tuple[str, str]:
    """The name of the backend for a configured one, and why it is another than the wanted, if so.

    wanted: ``auto``, ``monitoring`` (or ``pep669``), ``settrace``.
    """
    if wanted == "settrace":
        return "settrace", ""
    if monitoring is not None:
        return "monitoring", ""
    if wanted == "auto":
        return "settrace", ""
    return "settrace", "this Python has no sys.monitoring (it came with 3.12): sys.settrace is used"


def create(name: str, recorder: Recorder) -> Backend:
    """The backend of that name (as ``choose`` gave it)."""
    if name == "monitoring":
        from .monitoring import MonitoringBackend

        return MonitoringBackend(recorder)
    from .settrace import SettraceBackend

    return SettraceBackend(recorder)
