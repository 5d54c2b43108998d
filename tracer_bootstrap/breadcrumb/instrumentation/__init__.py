"""Say what an older Breadcrumb had here, and what to write instead."""

raise ModuleNotFoundError(
    "breadcrumb.instrumentation was a part of an older Breadcrumb. In place of PEP669Backend(...).start() or "
    "SettraceBackend(...).start(), write: breadcrumb.init(include=[...], backend='monitoring') or backend='settrace'; "
    "in place of backend.stop(): breadcrumb.stop()",
    name=__name__,
)
