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
    name = f'project="{project}"' if project else "a project named after this code"
    folder = f'workspace="{workspace}"' if workspace else "the workspace's absolute path"
    return f"""\
Find out what goes wrong in this Python command, with Breadcrumb's tools and without changing the code:

    {command}

1. init_project with {name} and {folder}: an existing project is returned unchanged.
2. run the command (a list of words, an ample timeout_seconds). Read the report: the failure with its values, then the \
suspects.
3. show the suspects, several in one call, instead of reading files. Lines that it does not have yet come with the \
next run.
4. Not plain yet: find follows a name, a value or an exception; run with probes asks for one more value at a place \
that you know; get_flow has the order of calls, find_exceptions what was swallowed.
5. If the wrong value comes out of a function that is not recorded: find_gaps, make the edit_config call that it \
offers, run again.
6. Say what the cause is, with the line, and the values in it that prove it. After a change, run again.
"""


def explain_failure(
    project: Annotated[str, Field(description="Name of the project")],
    trace_id: Annotated[str, Field(description="Trace id of the run; left out: the newest one that failed")] = "",
) -> str:
    """Explain the failure of a run that was recorded: why it failed, and which call shows it."""
    which = (
        f'get_trace(project="{project}", trace_id="{trace_id}")'
        if trace_id
        else f'query_traces(project="{project}", sql="SELECT trace_id FROM traces WHERE status = \'failed\' '
        'ORDER BY started_at DESC LIMIT 1"), then get_trace with its trace_id'
    )
    return f"""\
Explain why a recorded Python run failed, from its trace alone. Do not run it again before you have read the trace.

1. {which}: the exception, the calls it went through with their arguments, the local variables at the raise.
2. show the functions of the call chain, from the innermost, and the suspects: walk back to the first line that was \
wrong. find_exceptions(project="{project}", trace_id=...) shows earlier exceptions that the program handled: the first \
one is often the cause.
3. If the chain passes through code that was not traced, say so, and make the edit_config call that find_gaps offers.
4. Answer with: what failed, the line and the call (call_id) where things went wrong, the values that show it, and the \
change that would fix it. Separate what the trace proves from what you infer.
"""


PROMPTS = (
    (debug, "Debug a Python command"),
    (explain_failure, "Explain a failed run"),
)
