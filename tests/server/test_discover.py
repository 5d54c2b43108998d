from __future__ import annotations

from breadcrumb_server.workspace.discover import discover_include, workspace_code


def test_packages_scripts_and_tests_are_found(write, workspace) -> None:
    for name in ("shop/__init__.py", "shop/orders/__init__.py", "main.py", "tests/unit/test_a.py", "tools/build_it.py"):
        write(name)
    assert discover_include(workspace) == ["__main__", "*.py", "shop.*", "tests/**/*.py", "tools/**/*.py"]


def test_a_package_in_src_becomes_a_module_glob(write, workspace) -> None:
    write("src/shop/__init__.py")
    assert discover_include(workspace) == ["__main__", "shop.*"]


def test_a_deeper_package_with_an_uncertain_name_becomes_a_path_glob(write, workspace) -> None:
    write("company/billing/__init__.py")
    write("packages/rates/src/rates/__init__.py")
    assert discover_include(workspace) == ["__main__", "company/billing/**/*.py", "rates.*"]


def test_folders_without_the_users_code_are_left_out(write, workspace) -> None:
    write("shop/__init__.py")
    write("my_environment/pyvenv.cfg")
    write("my_environment/lib/thing.py")
    for folder in (".hidden", "venv", "node_modules/x", "build/lib", "dist", "site-packages", "x.egg-info", "docs"):
        write(f"{folder}/module.py")
    assert discover_include(workspace) == ["__main__", "shop.*"]


def test_the_search_does_not_follow_links(write, workspace) -> None:
    write("code/deeper/a.py")
    (workspace / "code" / "loop").symlink_to(workspace)
    assert discover_include(workspace) == ["__main__", "code/deeper/**/*.py"]


def test_a_workspace_without_python_traces_the_started_script(workspace) -> None:
    assert discover_include(workspace) == ["__main__"]


def test_modules_get_the_names_under_which_they_are_imported(write, workspace) -> None:
    write("src/shop/__init__.py")
    write("src/shop/orders/__init__.py")
    write("src/shop/orders/book.py")
    write("run_me.py")
    assert {name for name, _ in workspace_code(workspace)} == {"shop", "shop.orders", "shop.orders.book", "run_me"}
