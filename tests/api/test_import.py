"""Test what ``import breadcrumb`` costs, and that nothing of it runs in programs that do not ask for it."""

from __future__ import annotations

import json

MODULES = """
    import json, sys
    before = set(sys.modules)
    import breadcrumb
    imported = sorted(set(sys.modules) - before)
    disabled = breadcrumb.init(enabled=False)
    with disabled: pass
    disabled.stop(); breadcrumb.stop()
    started = sorted(name for name in set(sys.modules) - before if name.endswith((".recorder", ".spool", ".monitoring")))
    print(json.dumps([imported, started, sys.gettrace() is None, breadcrumb.get_backend()]))
"""


def test_the_import_loads_one_module_and_a_disabled_init_starts_nothing(program, python) -> None:
    done = program.run(python, MODULES, env={"BREADCRUMB_SERVER_PYTHON": ""})
    imported, started, untraced, backend = json.loads(done.stdout)
    assert imported == ["breadcrumb"] and untraced and backend is None
    assert "breadcrumb.recorder" not in started
    assert [file.name for file in program.folder.iterdir()] == ["program.py"]
