"""Test what completion offers: projects and traces by their beginning, the newest first, at most a hundred."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest
from mcp.types import PromptReference, ResourceTemplateReference

from breadcrumb_storage.database import Database
from breadcrumb_storage.trace_rows import TraceStart, insert_trace

pytestmark = pytest.mark.anyio

REPORT = ResourceTemplateReference(uri="breadcrumb://projects/{project}/traces/{trace_id}/report")
CONFIG = ResourceTemplateReference(uri="breadcrumb://projects/{project}/config")
EXPLAIN = PromptReference(name="explain_failure")


async def complete(session, ref, name: str, value: str, **others: str):
    result = await session.client.complete(ref, {"name": name, "value": value}, others or None)
    return result.completion


def add_traces(home, project: str, count: int) -> list[str]:
    """Add traces to a project's database; return their ids, the newest first."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    ids = [f"20260101-{number:06d}-abcd" for number in range(count)]
    with Database(home.database_file(project)).write() as con:
        for number, trace_id in enumerate(ids):
            insert_trace(
                con, TraceStart(trace_id=trace_id, started_at=start + timedelta(seconds=number), command="python x.py")
            )
    return ids[::-1]


async def test_projects_are_completed_by_their_beginning_the_last_written_first(
    either_session, workspace, home
) -> None:
    for number, name in enumerate(["shop", "ship", "till"]):
        await either_session.ok("init_project", project=name, workspace=str(workspace))
        for file in (home.config_file(name), home.database_file(name)):
            os.utime(file, (number, number))
    for ref in (REPORT, CONFIG, EXPLAIN, PromptReference(name="debug")):
        found = await complete(either_session, ref, "project", "sh")
        assert (found.values, found.total, found.has_more) == (["ship", "shop"], 2, False)
    assert (await complete(either_session, CONFIG, "project", "")).values == ["till", "ship", "shop"]


async def test_traces_are_those_of_the_project_that_was_chosen_and_at_most_a_hundred(shop, home) -> None:
    ids = add_traces(home, "shop", 120)
    found = await complete(shop, EXPLAIN, "trace_id", "2026", project="shop")
    assert (found.values, found.total, found.has_more) == (ids[:100], 120, True)
    found = await complete(shop, REPORT, "trace_id", "20260101-00011", project="shop")
    assert (found.values, found.total, found.has_more) == (ids[:10], 10, False)
    found = await complete(shop, REPORT, "trace_id", "", project="shop")
    assert (found.values[:2], len(found.values), found.total) == (["latest", ids[0]], 100, 121)
    assert (await complete(shop, REPORT, "trace_id", "lat", project="shop")).values == ["latest"]


async def test_where_nothing_can_be_offered_nothing_is_and_no_error(shop) -> None:
    for ref, name, value, others in [
        (REPORT, "trace_id", "", {}),
        (REPORT, "trace_id", "", {"project": "missing"}),
        (REPORT, "trace_id", "", {"project": "../.."}),
        (EXPLAIN, "trace_id", "", {"project": "shop"}),
        (EXPLAIN, "trace_id", "%", {"project": "shop"}),
        (CONFIG, "project", "x", {}),
        (PromptReference(name="debug"), "command", "py", {}),
        (PromptReference(name="unknown"), "anything", "", {}),
    ]:
        found = await complete(shop, ref, name, value, **others)
        assert (found.values, found.total, found.has_more) == ([], 0, False), (ref, name, others)
