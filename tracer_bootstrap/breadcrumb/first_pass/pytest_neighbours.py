"""Make a pytest command run the other tests of the files whose tests it selects: a plugin of pytest.

What would stop early, write reports or caches, or start workers is switched off. Options of plugins that are not there
are set all the same: nobody reads them.
"""

from __future__ import annotations

import os

import pytest

from breadcrumb.first_pass.sampling import MOST, farthest_first, sample

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

# Of pytest, pytest-xdist, pytest-rerunfailures, pytest-repeat, pytest-benchmark and of plugins that write reports.
_OPTIONS = {
    "keyword": "", "maxfail": 0, "usepdb": False, "trace": False, "lf": False, "failedfirst": False,
    "newfirst": False, "stepwise": False, "stepwise_skip": False, "stepwise_reset": False, "cacheclear": False,
    "basetemp": None, "xmlpath": None, "log_file": None, "pastebin": None, "numprocesses": None, "dist": "no",
    "distload": False, "tx": [], "looponfail": False, "reruns": 0, "count": 1, "benchmark_skip": True,
    "htmlpath": None, "report_log": None, "json_report": False, "allure_report_dir": None,
}  # fmt: skip
_WRITES_CACHE = ("lfplugin", "nfplugin", "stepwiseplugin")

# The arguments and the keyword expression of the command.
_selected: Dict[str, Any] = {"args": [], "keyword": ""}


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: Any) -> None:
    """Keep pytest-cov from measuring."""
    early_config.known_args_namespace.cov_source = []


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: Any) -> Any:
    """Remember what is selected, and let whole files be collected; do nothing if no single test is selected."""
    option = config.option
    _selected["args"] = list(config.args)
    _selected["keyword"] = getattr(option, "keyword", "") or ""
    if not _selected["keyword"] and not any("::" in arg for arg in config.args):
        return 0
    if getattr(option, "collectonly", False):
        return 0
    for name, value in _OPTIONS.items():
        setattr(option, name, value)
    config.args[:] = dict.fromkeys(arg.partition("::")[0] for arg in config.args)
    return None


@pytest.hookimpl(trylast=True)
def pytest_configure(config: Any) -> None:
    """Leave pytest's cache as it is."""
    for name in _WRITES_CACHE:
        plugin = config.pluginmanager.get_plugin(name)
        if plugin is not None:
            config.pluginmanager.unregister(plugin)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: Any, items: List[Any]) -> None:
    """Leave the other tests of the files of selected tests, or some of them."""
    selected = _selected_items(config, items)
    files = dict.fromkeys(_path(item) for item in selected)
    groups = {_group(item) for item in selected}
    known = set(map(id, selected))
    chosen = []
    for file in files:
        others = [item for item in items if _path(item) == file and id(item) not in known]
        beside = [item for item in others if _group(item) in groups]
        apart = [item for item in others if _group(item) not in groups]
        chosen += sample(beside, apart)
    kept = set(map(id, chosen[:MOST]))
    left_out = [item for item in items if id(item) not in kept]
    positions = [position for position, item in enumerate(items) if id(item) in kept]
    asked = [position for position, item in enumerate(items) if id(item) in known]
    items[:] = [items[position] for position in farthest_first(positions, asked)]
    config.hook.pytest_deselected(items=left_out)


def _selected_items(config: Any, items: List[Any]) -> List[Any]:
    folder = str(config.invocation_params.dir)
    wanted = [_place(arg, folder) for arg in _selected["args"]]
    found = [item for item in items if any(_covers(place, item) for place in wanted)] if wanted else list(items)
    return _of_keyword(config, found) if _selected["keyword"] else found


def _place(arg: str, folder: str) -> Tuple[str, str]:
    path, _, names = arg.partition("::")
    return os.path.realpath(os.path.join(folder, path)), names


def _covers(place: Tuple[str, str], item: Any) -> bool:
    path, names = place
    own = os.path.realpath(_path(item))
    if not names:
        return own == path or own.startswith(path.rstrip(os.sep) + os.sep) or not os.path.exists(path)
    if os.path.exists(path) and own != path:  # where it does not, it is a module for --pyargs
        return False
    rest = str(item.nodeid).partition("::")[2]
    return rest == names or rest.startswith((names + "::", names + "["))


def _of_keyword(config: Any, items: List[Any]) -> List[Any]:
    from _pytest.mark import deselect_by_keyword

    found = list(items)
    config.option.keyword = _selected["keyword"]
    try:
        deselect_by_keyword(found, config)
    finally:
        config.option.keyword = ""
    return found


def _path(item: Any) -> str:
    return str(getattr(item, "path", None) or item.fspath)


def _group(item: Any) -> str:
    """Return the node id of what holds the test: its class or file."""
    return str(item.nodeid.partition("[")[0].rpartition("::")[0])
