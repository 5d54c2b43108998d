"""Choose which tools a session loads: each costs characters in every session, whether or not it is used.

A tool that is not loaded can still be called by its name. The names stand here, and not with the tools, since the front
door needs them before the tools can be imported.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing is not imported at run time
if TYPE_CHECKING:
    from collections.abc import Mapping

SMALL, ALL = "small", "all"
TOOL_SETS = (SMALL, ALL)
ENV_TOOLS = "BREADCRUMB_TOOLS"

# Enough for the loop of init, run, gaps and expand, and for most questions.
SMALL_SET = frozenset(
    {
        "init_project",
        "edit_config",
        "run",
        "wait_for_run",
        "stop_run",
        "get_trace",
        "show",
        "find",
        "find_gaps",
        "find_exceptions",
        "get_flow",
        "analyze_performance",
        "query_traces",
    }
)


def chosen_set(option: str | None, variables: Mapping[str, str]) -> str:
    """Return the set of tools to load: that of the option, else of the variable, else the small one.

    Args:
        option: The value of ``--tools``; None if it was not given.
        variables: The environment.

    Raises:
        ValueError: There is no such set.
    """
    chosen = option or variables.get(ENV_TOOLS) or SMALL
    if chosen not in TOOL_SETS:
        where = "--tools" if option else ENV_TOOLS
        raise ValueError(f"{where}={chosen} names no set of tools. Valid: {', '.join(TOOL_SETS)}.")
    return chosen


def is_loaded(tool: str, tool_set: str) -> bool:
    """Return whether a set contains a tool."""
    return tool_set == ALL or tool in SMALL_SET
