"""Test the ranking of gaps and the include patterns that are suggested for them."""

from __future__ import annotations

import json

import pytest

from breadcrumb_server.answers.common.budget import MAX_ANSWER_CHARS, size_of
from breadcrumb_server.answers.gaps.answer import COLUMNS, find_gaps
from breadcrumb_server.answers.report.answer import build_report
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.project_overview import seen_code

SITE = "/work/shop/.venv/lib/python3.12/site-packages"
STDLIB = "/usr/lib/python3.12"


def column(answer, name: str) -> list:
    return [row[COLUMNS.index(name)] for row in answer.rows]


@pytest.fixture
def trace(project):
    trace = project.trace(config={"include": ["__main__"]})
    trace.process()
    trace.main = trace.function("main", "__main__")
    return trace


def test_own_code_comes_before_packages_before_the_standard_library_and_noise_last(project, trace) -> None:
    trace.gap("loads", "json", ms=900, calls=9_000, file=f"{STDLIB}/json/__init__.py")
    trace.gap("<module>", "decimal", ms=800, file=f"{STDLIB}/decimal.py")
    trace.gap("get", "requests.api", ms=700, file=f"{SITE}/requests/api.py")
    trace.gap("len", "builtins", calls=10**6, kind="c", file="", line=0)
    trace.gap("Response.__init__", "requests.models", ms=950, file=f"{SITE}/requests/models.py")
    trace.gap("often", "shop.b", ms=1, calls=500)
    trace.gap("slow", "shop.a", ms=600)
    trace.gap("<module>", "shop.c", ms=999)

    answer = find_gaps(project.con, "shop")

    assert column(answer, "function") == [
        "slow", "often", "<module>", "get", "loads", "Response.__init__", "<module>",
    ]  # fmt: skip
    assert column(answer, "origin")[:5] == ["own", "own", "own", "third-party", "stdlib"]


def test_functions_written_in_c_are_listed_apart(project, trace) -> None:
    trace.gap("f", "shop.a")
    trace.gap("len", "builtins", calls=10**6, kind="c", file="", line=0, exact=False, caller=trace.main)
    trace.gap("parse", "fast", kind="c", file="", line=0, caller=trace.main)
    for number in range(8):
        trace.gap(f"c{number}", "builtins", kind="c", file="", line=0, caller=trace.main)

    answer = find_gaps(project.con, "shop")

    assert (answer.total, column(answer, "function")) == (1, ["f"])
    assert answer.c_functions[:2] == [
        "fast:parse x1 by __main__:main",
        "builtins:len x>=1,000,000 by __main__:main",
    ]
    assert (len(answer.c_functions), answer.c_functions[-1]) == (9, "… 2 more")


def test_calling_an_object_of_a_library_is_not_noise(project, trace) -> None:
    trace.gap("echo", "click.utils", ms=1, file=f"{SITE}/click/utils.py")
    trace.gap("Command.__call__", "click.core", ms=9, file=f"{SITE}/click/core.py")

    assert column(find_gaps(project.con, "shop"), "function") == ["Command.__call__", "echo"]


def test_iterating_over_an_object_of_a_library_is_not_noise(project, trace) -> None:
    trace.gap("Stream.__anext__", "httpy.streams", ms=9, file=f"{SITE}/httpy/streams.py")
    trace.gap("Rows.__next__", "sheets.rows", ms=8, file=f"{SITE}/sheets/rows.py")
    trace.gap("Stream.__aiter__", "httpy.streams", ms=7, file=f"{SITE}/httpy/streams.py")
    trace.gap("echo", "click.utils", ms=1, file=f"{SITE}/click/utils.py")

    assert column(find_gaps(project.con, "shop"), "function") == [
        "Stream.__anext__", "Rows.__next__", "echo", "Stream.__aiter__",
    ]  # fmt: skip


def test_functions_that_only_imports_called_come_after_those_that_the_program_called(project, trace) -> None:
    body = trace.function("<module>", "calendars.tzid", kind="module")
    script = trace.function("<module>", "__main__", kind="module")
    trace.gap("tz", "dates.tz", ms=90, caller=body, file=f"{SITE}/dates/tz.py")
    trace.gap("parse", "dates.parser", ms=1, caller=body, file=f"{SITE}/dates/parser.py")
    trace.gap("parse", "dates.parser", ms=1, caller=script, file=f"{SITE}/dates/parser.py")

    answer = find_gaps(project.con, "shop")

    assert column(answer, "function") == ["parse", "tz"]
    assert answer.edit_config == 'edit_config(project="shop", add_include=["dates.parser"])'


def test_functions_that_only_imports_called_are_suggested_if_there_are_no_others(project, trace) -> None:
    body = trace.function("<module>", "calendars.tzid", kind="module")
    trace.gap("tz", "dates.tz", caller=body, file=f"{SITE}/dates/tz.py")

    assert find_gaps(project.con, "shop").edit_config == 'edit_config(project="shop", add_include=["dates.tz"])'


def test_the_answer_says_that_nothing_can_be_included(project, trace) -> None:
    trace.gap("len", "builtins", kind="c", file="", line=0, caller=trace.main)

    answer = find_gaps(project.con, "shop")

    assert (answer.rows, answer.next, len(answer.c_functions)) == ([], [], 1)
    assert answer.message == "traced code called no function that could be traced as well"


def test_a_run_without_traced_code_leads_to_its_report(project) -> None:
    empty = project.trace(not_traced_reason="echo is not a Python program")

    answer = find_gaps(project.con, "shop", trace_id=empty.trace_id)

    assert answer.message == "no code was traced in this run: its report says why"
    assert answer.next == [f'get_trace(project="shop", trace_id="{empty.trace_id}")']


def test_from_three_modules_on_their_package_is_suggested(project, trace) -> None:
    for module in ("shop.a.x", "shop.a.y", "shop.a.z", "tools.one", "tools.two"):
        trace.gap("f", module, caller=trace.main)

    answer = find_gaps(project.con, "shop")

    suggested = dict(zip(column(answer, "module"), column(answer, "suggested_include"), strict=True))
    assert suggested["shop.a.x"] == suggested["shop.a.z"] == "shop.a.*"
    assert (suggested["tools.one"], suggested["tools.two"]) == ("tools.one", "tools.two")
    assert answer.edit_config == 'edit_config(project="shop", add_include=["shop.a.*", "tools.one", "tools.two"])'
    assert answer.next == [answer.edit_config]


def test_callers_are_folded_into_one_row_and_lower_bounds_are_marked(project, trace) -> None:
    other = trace.function("other", "__main__")
    trace.gap("f", "shop.a", caller=trace.main, calls=3, ms=1)
    trace.gap("f", "shop.a", caller=other, calls=40, ms=2.5, exact=False)

    [row] = find_gaps(project.con, "shop").rows

    assert row == ["f", "shop.a", "__main__:other and 1 more", ">=43", 3.5, "shop.a", "own"]


def test_functions_that_no_pattern_can_include_have_no_suggestion(project) -> None:
    trace = project.trace(config={"exclude": ["shop.secret.*", "vendor/**/*.py"]})
    trace.gap("a", "shop.secret.keys")
    trace.gap("b", "lib", file="/work/shop/vendor/deep/lib.py")
    trace.gap("c", "importlib._bootstrap", file="<frozen importlib._bootstrap>")
    trace.gap("d", "builtins", kind="c", file="")

    answer = find_gaps(project.con, "shop")

    assert set(column(answer, "suggested_include")) == {""}
    assert answer.edit_config == ""
    assert answer.next == []


def test_code_from_exec_belongs_to_the_module_that_it_was_generated_for(project, trace) -> None:
    trace.gap("load", "shop.models")
    trace.gap("__init__", "shop.models", file="<string>", calls=7)
    trace.gap("__init__", "attr._made", file="<attrs generated init>")

    answer = find_gaps(project.con, "shop")

    origins = dict(zip(column(answer, "module"), column(answer, "origin"), strict=True))
    assert origins == {"shop.models": "own", "attr._made": "third-party"}


def test_without_a_workspace_code_that_is_not_installed_is_the_users_own(project) -> None:
    trace = project.trace(config={"workspace": None})
    trace.gap("f", "thing", file="/somewhere/else/thing.py")

    assert column(find_gaps(project.con, "shop"), "origin") == ["own"]


def test_packages_are_suggested_once_no_own_code_is_left_and_the_standard_library_last(project, trace) -> None:
    trace.gap("loads", "json", ms=10, file=f"{STDLIB}/json/__init__.py")
    assert find_gaps(project.con, "shop").edit_config == 'edit_config(project="shop", add_include=["json"])'
    trace.gap("get", "requests.api", file=f"{SITE}/requests/api.py")
    assert find_gaps(project.con, "shop").edit_config == 'edit_config(project="shop", add_include=["requests.api"])'


def test_a_test_runner_is_never_suggested(project, trace) -> None:
    trace.gap("console_main", "_pytest.config", ms=900, file=f"{SITE}/_pytest/config/__init__.py")

    answer = find_gaps(project.con, "shop")

    assert (answer.total, answer.edit_config) == (1, "")


@pytest.mark.parametrize("included", ["shop.cart", "shop", "shop.cart.*"])
def test_the_second_suggestion_for_a_package_is_the_whole_package(project, included) -> None:
    trace = project.trace(config={"include": ["__main__", included]})
    trace.gap("f", "shop.deep.down")
    trace.gap("g", "tools.one")

    answer = find_gaps(project.con, "shop")

    assert column(answer, "suggested_include") == ["shop.deep.down", "tools.one"]
    assert answer.edit_config == 'edit_config(project="shop", add_include=["shop.*", "tools.one"])'


def test_the_second_suggestion_for_modules_without_a_package_is_their_folder(project) -> None:
    trace = project.trace(config={"include": ["__main__", "prices"]})
    trace.gap("f", "taxes", file="/work/shop/scripts/taxes.py")

    assert find_gaps(project.con, "shop").edit_config == 'edit_config(project="shop", add_include=["scripts/*.py"])'


def test_an_installed_package_is_also_included_in_two_steps(project) -> None:
    for included, added in ((["__main__"], ["requests.api"]), (["__main__", "requests.api"], ["requests.*"])):
        trace = project.trace(config={"include": included})
        trace.gap("get", f"requests.{'api' if len(included) == 1 else 'models'}", file=f"{SITE}/requests/x.py")
        assert f"add_include={json.dumps(added)}" in find_gaps(project.con, "shop").edit_config


WAYS = f"{SITE}/routes/ways.py"
DECORATORS = {"name": "logged.<locals>.wrapper", "module": "tools.decorators", "file": f"{SITE}/tools/decorators.py"}


def test_the_functions_that_a_wrapper_wraps_are_suggested_in_its_place(project, trace) -> None:
    trace.gap("Graph.add", "routes.graph", ms=1, file=f"{SITE}/routes/graph.py")
    trace.gap(**DECORATORS, ms=5, caller=trace.main, wraps=[f"routes.ways:short:{WAYS}", f"routes.ways:long:{WAYS}"])

    answer = find_gaps(project.con, "shop")

    assert answer.columns == [*COLUMNS, "through"]
    assert column(answer, "function") == ["short", "Graph.add"]
    assert column(answer, "module") == column(answer, "suggested_include") == ["routes.ways", "routes.graph"]
    assert [row[-1] for row in answer.rows] == ["tools.decorators:logged.<locals>.wrapper for 1 function more", ""]
    assert answer.edit_config == 'edit_config(project="shop", add_include=["routes.ways", "routes.graph"])'


def test_a_wrapper_of_traced_functions_comes_last(project) -> None:
    trace = project.trace(config={"include": ["__main__", "routes.*"]})
    trace.gap(**DECORATORS, ms=500, wraps=[f"routes.ways:short:{WAYS}"])
    trace.gap("floor", "maths", ms=1, file=f"{SITE}/maths.py")

    answer = find_gaps(project.con, "shop")

    assert answer.columns == COLUMNS
    assert column(answer, "function") == ["floor", "logged.<locals>.wrapper"]
    assert column(answer, "suggested_include") == ["maths", "tools.decorators"]


def test_a_wrapper_of_own_code_counts_as_own_and_own_wrappers_are_included_with_it(project, trace) -> None:
    trace.gap(**DECORATORS, wraps=["shop.pricing:total:/work/shop/shop/pricing.py"])
    trace.gap("timed.<locals>.inner", "shop.timing", calls=9, wraps=["shop.tax:rate:/work/shop/shop/tax.py"])
    trace.gap("get", "requests.api", ms=700, file=f"{SITE}/requests/api.py")

    answer = find_gaps(project.con, "shop")

    assert column(answer, "origin") == ["own", "own", "third-party"]
    assert column(answer, "suggested_include") == ["shop.*", "shop.*", "requests.api"]
    assert answer.edit_config == 'edit_config(project="shop", add_include=["shop.*"])'


def test_callers_of_one_wrapper_are_folded_into_one_row(project, trace) -> None:
    other = trace.function("other", "__main__")
    trace.gap(**DECORATORS, caller=trace.main, calls=2, wraps=[f"routes.ways:short:{WAYS}"])
    trace.gap(**DECORATORS, caller=other, calls=5, wraps=["b.c:d:", f"routes.ways:short:{WAYS}"])

    [row] = find_gaps(project.con, "shop").rows

    assert row[:4] == ["d", "b.c", "__main__:other and 1 more", 7]
    assert row[-1] == "tools.decorators:logged.<locals>.wrapper for 1 function more"


def test_a_row_that_an_older_version_redacted_as_one_text_is_readable(project, trace) -> None:
    trace.gap(**DECORATORS, caller=trace.main, wraps=["shop.session:[REDACTED]", "routes.token", f"a:b:c:{WAYS}"])

    [row] = find_gaps(project.con, "shop").rows

    assert row[:2] == ["[REDACTED]", "shop.session"]
    assert row[-1] == "tools.decorators:logged.<locals>.wrapper for 2 functions more"
    seen = seen_code(project.con)
    assert {("shop.session", ""), ("routes.token", "")} <= seen and not any("REDACTED" in file for _, file in seen)


def _make_workspace(folder, *files: str) -> str:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return str(folder)


def test_untraced_code_of_the_workspace_is_suggested_if_only_a_runner_was_traced(project, tmp_path) -> None:
    workspace = _make_workspace(tmp_path / "w", "src/shop/__init__.py", "src/shop/cart.py", "tests/test_cart.py")
    trace = project.trace(config={"workspace": workspace, "include": ["__main__"]}, cwd=workspace)
    trace.function("<module>", "__main__", file=f"{SITE}/pytest/__main__.py")
    trace.gap("console_main", "_pytest.config", file=f"{SITE}/_pytest/config/__init__.py")

    answer = find_gaps(project.con, "shop")

    assert answer.edit_config == 'edit_config(project="shop", add_include=["tests/**/*.py", "shop.*"])'


def test_a_script_that_calls_only_a_framework_leads_to_the_framework_and_the_workspace(project, tmp_path) -> None:
    workspace = _make_workspace(tmp_path / "w", "main.py", "handlers/__init__.py")
    trace = project.trace(config={"workspace": workspace, "include": ["__main__"]}, cwd=workspace)
    trace.function("main", "__main__", file=f"{workspace}/main.py")
    trace.gap("serve", "webby.server", file=f"{SITE}/webby/server.py")

    answer = find_gaps(project.con, "shop")

    assert answer.edit_config == 'edit_config(project="shop", add_include=["handlers.*", "webby.server"])'


def test_a_workspace_whose_code_was_traced_is_not_suggested(project, tmp_path) -> None:
    workspace = _make_workspace(tmp_path / "w", "main.py")
    trace = project.trace(config={"workspace": workspace, "include": ["__main__"]}, cwd=workspace)
    trace.function("main", "__main__", file=f"{workspace}/main.py")
    trace.gap("serve", "webby.server", file=f"{SITE}/webby/server.py")

    assert find_gaps(project.con, "shop").edit_config == 'edit_config(project="shop", add_include=["webby.server"])'


def test_a_redacted_command_is_not_proposed_again(project) -> None:
    trace = project.trace(command="python main.py --token [REDACTED]", config={"include": ["__main__"]})
    trace.gap("f", "shop.a")

    assert find_gaps(project.con, "shop").next == ['edit_config(project="shop", add_include=["shop.a"])']


def test_pages_have_every_gap_once_even_if_a_newer_trace_is_added(project, trace) -> None:
    for number in range(57):
        trace.gap(f"f{number}", f"shop.m{number}" + "x" * 300, calls=number + 1)
    seen: list[str] = []
    cursor = None
    while True:
        answer = find_gaps(project.con, "shop", limit=25, cursor=cursor)
        assert size_of(answer) <= MAX_ANSWER_CHARS
        assert (answer.trace_id, answer.total) == (trace.trace_id, 57)
        seen += column(answer, "function")
        cursor = answer.next_cursor
        if cursor is None:
            break
        project.trace()

    assert sorted(seen) == sorted(f"f{number}" for number in range(57))


@pytest.mark.parametrize("limit", [0, -5])
def test_a_limit_below_one_is_refused(project, trace, limit) -> None:
    with pytest.raises(BreadcrumbError, match="at least 1"):
        find_gaps(project.con, "shop", limit=limit)


def test_a_huge_limit_is_lowered_with_a_note(project, trace) -> None:
    assert find_gaps(project.con, "shop", limit=10**9).notes == [
        "limit 1000000000 was lowered to 200; continue with next_cursor"
    ]


@pytest.fixture
def environment(tmp_path):
    """Make a virtual environment in a workspace, with a console script."""
    workspace = tmp_path / "w"
    _make_workspace(workspace, ".venv/bin/python", ".venv/bin/tool", "bin/own", "shop/__init__.py", "shop/cli.py")
    return workspace


def test_what_a_console_script_calls_is_no_gap_unless_it_is_own_code(project, environment) -> None:
    trace = project.trace(config={"workspace": str(environment), "include": ["__main__"]}, cwd=str(environment))
    trace.process()
    stub = trace.function("<module>", "__main__", kind="module", file=f"{environment}/.venv/bin/tool")
    trace.gap("main", "click.core", ms=90, caller=stub, file=f"{SITE}/click/core.py")
    report = build_report(project.con, "shop", trace_id=None)
    assert report.gaps is None and not [text for text in report.next if text.startswith("find_gaps")]
    # Its own code is found in the workspace.
    assert find_gaps(project.con, "shop").edit_config == 'edit_config(project="shop", add_include=["shop.*"])'

    trace.gap("main", "shop.cli", ms=1, caller=stub, file=f"{environment}/shop/cli.py")
    assert column(find_gaps(project.con, "shop"), "module") == ["shop.cli"]
    assert find_gaps(project.con, "shop").edit_config == 'edit_config(project="shop", add_include=["shop.cli"])'


def test_what_other_callers_call_as_well_is_a_gap(project, environment) -> None:
    trace = project.trace(config={"workspace": str(environment), "include": ["__main__", "shop.*"]})
    stub = trace.function("<module>", "__main__", kind="module", file=f"{environment}/.venv/bin/tool")
    run = trace.function("run", "shop.cli", file=f"{environment}/shop/cli.py")
    for caller in (stub, run):
        trace.gap("invoke", "click.core", caller=caller, file=f"{SITE}/click/core.py")
    assert find_gaps(project.con, "shop").edit_config == 'edit_config(project="shop", add_include=["click.core"])'


def test_a_script_of_the_user_in_a_folder_bin_is_no_launcher(project, environment) -> None:
    trace = project.trace(config={"workspace": str(environment), "include": ["__main__"]})
    own = trace.function("<module>", "__main__", kind="module", file=f"{environment}/bin/own")
    trace.gap("invoke", "click.core", caller=own, file=f"{SITE}/click/core.py")
    assert column(find_gaps(project.con, "shop"), "suggested_include") == ["click.core"]
    assert '"click.core"' in find_gaps(project.con, "shop").edit_config


def test_a_program_of_others_is_suggested_if_nothing_else_ran(project) -> None:
    trace = project.trace(config={"workspace": None, "include": ["__main__"]}, cwd="/")
    body = trace.function("<module>", "__main__", kind="module", file=f"{SITE}/tool/__main__.py")
    trace.gap("main", "tool.cli", caller=body, file=f"{SITE}/tool/cli.py")
    assert find_gaps(project.con, "shop").edit_config == 'edit_config(project="shop", add_include=["tool.cli"])'


@pytest.mark.parametrize("module", ["execnet.gateway_base", "ipykernel.kernelapp", "ipykernel_launcher"])
def test_what_starts_workers_and_notebooks_is_never_suggested(project, trace, module) -> None:
    trace.gap("serve", module, ms=900, caller=trace.main, file=f"{SITE}/{module.replace('.', '/')}.py")
    answer = find_gaps(project.con, "shop")
    assert (answer.edit_config, answer.rows) == ("", [])


def test_an_installed_package_is_not_suggested_whole_at_once(project, trace) -> None:
    for name in "abcd":
        trace.gap("f", f"flask.{name}", ms=ord(name), caller=trace.main, file=f"{SITE}/flask/{name}.py")
    answer = find_gaps(project.con, "shop")
    assert answer.edit_config == 'edit_config(project="shop", add_include=["flask.d", "flask.c", "flask.b"])'
    assert answer.notes == []


def test_a_whole_package_of_others_is_suggested_with_its_price(project) -> None:
    trace = project.trace(config={"include": ["__main__", "flask.a"]})
    trace.gap("f", "flask.b", file=f"{SITE}/flask/b.py")
    answer = find_gaps(project.con, "shop")
    assert answer.edit_config == 'edit_config(project="shop", add_include=["flask.*"])'
    assert answer.notes == [
        "flask.*: a whole package that is not yours can make a run more than 10 times slower; a single module costs less"
    ]
