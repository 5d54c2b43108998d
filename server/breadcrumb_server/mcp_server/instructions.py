"""Tell a client's model what the server is for and how to use it."""

# Clients cut instructions at 2 KB, and decide by them whether to offer the server: the key facts come first.
INSTRUCTIONS = """\
Debug Python programs by tracing them: see what a program really did - every call with its arguments, return value and \
duration, every exception with its call chain and local variables - without changing the code, without print \
statements or a debugger. Use it for questions like: why does this Python fail, where does this wrong value come from, \
why is it slow, where does it hang, which tests fail and why, was this function called and with what.

The loop:
1. init_project(project, workspace), once for each code base. list_projects shows what exists.
2. run(project, command, timeout_seconds): any Python command, such as a script, -m module, pytest, uv run. Its run \
report shows the failure with the arguments along the call chain, the slow functions, and the gaps.
3. find_gaps(project), if the cause is in code that was called but not traced; then edit_config(project, add_include=\
[...]) and run again.
4. get_calls(project, function) for the values that went in and out, find_exceptions(project) for what was raised and \
swallowed, get_flow(project) for what happened in which order, search_values(project, text) to follow a value, \
analyze_performance(project) for where the time went, compare_traces(project, base_trace_id, trace_id) for where a \
failing run differs from a passing one, query_traces(project, sql) for anything else (breadcrumb://schema lists the \
tables).
5. show(project, what=["Cart.total"]) instead of reading a file: the source with what each line did at the call that \
matters. find(project, name=) for the history of a variable. Lines not recorded come with the next run.
If a command takes long, run answers after wait_seconds with status "running": continue with wait_for_run or stop_run.

Every call names its project; there is no current one. Without trace_id, the newest trace is meant. Every answer is \
short and ends with `next`: complete calls to make next. Secrets (passwords, tokens, keys) are redacted before \
anything is stored.
"""
