"""A client that calls the tools of a server."""

from __future__ import annotations

from typing import Any

from mcp import Client

ANSWERS_WITH_A_BRIEF_REPORT = ("run", "wait_for_run", "stop_run")


class Session:
    """Calls tools as an agent does, and collects the progress that they report."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.progress: list[float] = []

    async def ok(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that must succeed; return its answer."""
        result = await self.client.call_tool(tool, arguments, progress_callback=self._note)
        assert not result.is_error, _text(result)
        assert result.structured_content is not None
        if tool in ANSWERS_WITH_A_BRIEF_REPORT:
            return await self._whole(arguments["project"], result.structured_content)
        return result.structured_content

    async def _whole(self, project: str, brief: dict[str, Any]) -> dict[str, Any]:
        """Add the fields of the whole report, of which get_trace tells, to those of the brief one."""
        whole = await self.client.call_tool("get_trace", {"project": project, "trace_id": brief["trace_id"]})
        notes = [line.removeprefix("note: ") for line in brief["report"].split("\n") if line.startswith("note: ")]
        fields = (whole.structured_content or {}) if not whole.is_error else {}
        return {**fields, **brief, **({"notes": notes} if notes else {})}

    async def error(self, tool: str, **arguments: Any) -> str:
        """Call a tool that must fail; return the text of the error."""
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error, result.structured_content
        return _text(result)

    async def _note(self, progress: float, total: float | None, message: str | None) -> None:
        self.progress.append(progress)


def _text(result: Any) -> str:
    return "".join(getattr(block, "text", "") for block in result.content)
