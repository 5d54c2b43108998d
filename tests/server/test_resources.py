"""Test the resources: the schema with working queries, a project's settings and the report of a run."""

from __future__ import annotations

import json
import sys

import pytest
from mcp.shared.exceptions import MCPError

from breadcrumb_storage.database import Database
from breadcrumb_storage.sql_access.read_only_sql import public_columns
from breadcrumb_storage.sql_access.schema_page import EXAMPLES, TABLES, schema_page

pytestmark = pytest.mark.anyio


async def read(session, uri: str) -> str:
    """Return the text of a resource."""
    (content,) = (await session.client.read_resource(uri)).contents
    return content.text


async def test_without_a_project_only_the_schema_is_listed(either_session) -> None:
    resources = (await either_session.client.list_resources()).resources
    templates = (await either_session.client.list_resource_templates()).resource_templates
    assert [str(each.uri) for each in resources] == ["breadcrumb://schema"]
    assert [each.uri_template for each in templates] == [
        "breadcrumb://projects/{project}/config",
        "breadcrumb://projects/{project}/traces/{trace_id}/report",
    ]
    assert all(each.title and each.description and each.mime_type for each in [*resources, *templates])


async def test_listing_and_reading_the_schema_leaves_no_file_behind(session, home) -> None:
    await session.client.list_resources()
    assert "## calls: a recorded call" in await read(session, "breadcrumb://schema")
    assert not home.folder.exists()


@pytest.mark.processes
async def test_the_settings_and_the_report_equal_the_answers_of_the_tools(shop, write) -> None:
    write("main.py", "def f(x):\n    return x / 0\n\nf(1)\n")
    report = await shop.ok("run", project="shop", command=[sys.executable, "main.py"], timeout_seconds=60)
    listed = {str(each.uri): each.title for each in (await shop.client.list_resources()).resources}
    config_uri = "breadcrumb://projects/shop/config"
    latest = "breadcrumb://projects/shop/traces/latest/report"
    assert listed[config_uri] == "shop: a project's settings"
    assert latest in listed
    assert json.loads(await read(shop, config_uri)) == await shop.ok("get_config", project="shop")
    content = json.loads(await read(shop, latest))
    assert content == json.loads(await read(shop, latest.replace("latest", report["trace_id"])))
    assert content == await shop.ok("get_trace", project="shop", trace_id=report["trace_id"])


async def test_the_error_for_an_unreadable_resource_says_why_and_lists_the_resources(shop) -> None:
    with pytest.raises(MCPError, match=r"There is no project 'shpo'.*\n.*Projects here: shop") as refused:
        await read(shop, "breadcrumb://projects/shpo/config")
    assert "init_project" in str(refused.value)
    with pytest.raises(MCPError, match="trace"):
        await read(shop, "breadcrumb://projects/shop/traces/latest/report")
    with pytest.raises(MCPError, match=r"Unknown resource.*Resources: breadcrumb://schema, breadcrumb://projects/"):
        await read(shop, "breadcrumb://tables")


async def test_an_error_of_a_resource_shows_no_secret(shop, monkeypatch) -> None:
    def fail(home: object, project: str) -> None:
        raise RuntimeError("cannot reach https://user:hunter2@host/")

    monkeypatch.setattr("breadcrumb_server.projects.manage.get_config", fail)
    with pytest.raises(MCPError, match="RuntimeError: cannot reach") as refused:
        await read(shop, "breadcrumb://projects/shop/config")
    assert "hunter2" not in str(refused.value)


PROGRAM = """
def rate_of(rate):
    return rate

def total(items, rate=None):
    try:
        return sum(items) * (1 - rate_of(rate))
    except TypeError:
        raise ValueError(items) from None

def test_total():
    assert total([1], 0.5) == 0.5
    assert total([1], 0.5) == 0.5

def test_total_without_rate():
    assert total([2]) == 2
"""


@pytest.mark.processes
async def test_each_example_query_of_the_schema_finds_rows_in_a_real_trace(shop, write) -> None:
    write("tests/test_shop.py", PROGRAM)
    await shop.ok("edit_config", project="shop", add_include=["tests/**/*.py"])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    for _ in range(2):
        report = await shop.ok("run", project="shop", command=command, timeout_seconds=120)
        assert report["status"] == "failed"
    page = await read(shop, "breadcrumb://schema")
    for example in EXAMPLES:
        assert f"-- {example.question}\n{example.sql};" in page
        answer = await shop.ok("query_traces", project="shop", sql=example.sql)
        assert answer["rows"], example.question


def test_the_page_describes_every_table_and_column(tmp_path) -> None:
    with Database(tmp_path / "shop-traces.duckdb").read() as con:
        tables = dict(public_columns(con))
    assert tables.keys() == set(TABLES)
    page = schema_page()
    assert all(f"{column} " in page for columns in tables.values() for column in columns.split(", "))
