"""Test that a client is sent what Breadcrumb logs while it handles the client's request, from the level that it wants."""

from __future__ import annotations

import logging
from typing import Any

import anyio.to_thread
import pytest
from mcp import Client
from mcp.types import LOG_LEVEL_META_KEY

from breadcrumb_server.projects import manage

# The client's method is deprecated as of 2026-07-28.
IGNORED = "ignore::mcp.shared.exceptions.MCPDeprecationWarning"
pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings(IGNORED)]

LOGGER = logging.getLogger("breadcrumb_server.projects.manage")


@pytest.fixture
def messages() -> list[Any]:
    return []


@pytest.fixture
def noisy(monkeypatch) -> None:
    """Let list_projects log, in a worker thread as the real thing does."""

    def log(*_: Any) -> Any:
        LOGGER.info("unheard of")
        LOGGER.warning("the database of %s is busy: https://user:hunter2@host/", "shop")
        LOGGER.error("it failed")
        return original(*_)

    original = manage.list_projects
    monkeypatch.setattr(manage, "list_projects", log)


async def heard(server, messages: list[Any], mode: str, level: Any = None, meta: Any = None) -> list[tuple[str, str]]:
    async def collect(params: Any) -> None:
        messages.append(params)

    async with Client(server, mode=mode, logging_callback=collect) as client:
        if level:
            await client.set_logging_level(level)
        await client.call_tool("list_projects", {}, meta=meta)
        await anyio.wait_all_tasks_blocked()
    return [(each.level, each.data) for each in messages]


async def test_a_session_hears_warnings_and_errors_without_their_secrets(server, messages, noisy) -> None:
    warning, error = await heard(server, messages, "legacy")
    assert warning[0] == "warning" and "the database of shop is busy" in warning[1]
    assert "hunter2" not in warning[1]
    assert error == ("error", "it failed")
    assert messages[0].logger == LOGGER.name


@pytest.mark.parametrize(
    ("level", "count"), [("debug", 2), ("warning", 2), ("error", 1), ("critical", 0), ("emergency", 0)]
)
async def test_a_session_sets_the_least_level(server, messages, noisy, level, count) -> None:
    assert len(await heard(server, messages, "legacy", level)) == count


@pytest.mark.parametrize(
    ("meta", "count"), [(None, 0), ({LOG_LEVEL_META_KEY: "error"}, 1), ({LOG_LEVEL_META_KEY: "info"}, 2)]
)
async def test_in_the_newer_protocol_each_request_asks_for_it(server, messages, noisy, meta, count) -> None:
    assert len(await heard(server, messages, "auto", meta=meta)) == count


async def test_what_is_logged_outside_of_a_request_goes_to_no_client(server, messages) -> None:
    async def collect(params: Any) -> None:
        messages.append(params)

    async with Client(server, mode="legacy", logging_callback=collect) as client:
        LOGGER.error("in the background")
        await client.call_tool("list_projects", {})
    assert messages == []
