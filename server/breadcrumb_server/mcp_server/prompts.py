"""Define the MCP prompts, which a user chooses in a client to start an agent on debugging."""

from typing import Annotated

from pydantic import Field

Command = Annotated[str, Field(description="The command as you would type it: python app.py, python -m pytest -x")]
OptionalProject = Annotated[str, Field(description="Name of the project; left out: found or made")]
Workspace = Annotated[str, Field(description="Absolute path of the folder that holds the code")]


def debug(command: Command, workspace: Workspace = "", project: OptionalProject = "") -> str:
    """Debug a Python command: run it under the tracer and find out why it fails, hangs, is slow or returns a wrong
    result.
    """
    name = f'Use the Breadcrumb project "{project}"' if project else "Choose a Breadcrumb project with list_projects"
    folder = f'workspace="{workspace}"' if workspace else "the workspace's absolute path"
    return f"""\
Find out what goes wrong in this Python command, with Breadcrumb's tools and without changing the code:

    {command}

1. {name}; if there is none for this code, make it with init_project and {folder}.
2. run the command (a list of words, an ample timeout_seconds). Read the report: the exception with the argument \
values up its call chain, the failing tests, where a thread hangs, the hot functions.
3. Follow `next` of each answer: its calls are ready to make. show has the source of a function with what each line \
did at the call that matters: use it instead of reading the file. find(name=...) tells the history of a variable or \
attribute, get_calls the other calls, find_exceptions what was swallowed.
4. If the wrong value comes out of a function whose calls you do not see: find_gaps, make the edit_config call that it \
offers, run again.
5. Lines that show does not have yet come with the next run.
6. Say what the cause is, with the call (call_id), its arguments and its result that prove it, and the line to change. \
After a change, run again; compare_traces shows its effect.
"""


def explain_failure(
    project: Annotated[str, Field(description="Name of the project")],
    trace_id: Annotated[str, Field(description="Trace id of the run; left out: the newest one that failed")] = "",
) -> str:
    """Explain the failure of a run that was recorded: why it failed, and which call shows it."""
    which = (
        f'get_trace(project="{project}", trace_id="{trace_id}")'
        if trace_id
        else f'list_traces(project="{project}", status="failed", limit=1), then get_trace with its trace_id'
    )
    return f"""\
Explain why a recorded Python run failed, from its trace alone. Do not run it again before you have read the trace.

1. {which}: the exception, the calls it went through with their arguments, the local variables at the raise.
2. Walk back from there to the first call that was wrong: show the functions of the call chain, get_calls for \
their other calls, and compare what went in with what came out. \
find_exceptions(project="{project}", trace_id=...) shows earlier exceptions that the program handled: the first one is \
often the cause.
3. If the chain passes through code that was not traced, say so, and make the edit_config call that find_gaps offers.
4. Answer with: what failed, the call (call_id, arguments, result) where things went wrong, why, and the change that \
would fix it. Separate what the trace proves from what you infer.
"""


PROMPTS = (
    (debug, "Debug a Python command"),
    (explain_failure, "Explain a failed run"),
)
