"""Tell a client's model what the server is for and how to use it."""

# Clients cut instructions at 2 KB, and decide by them whether to offer the server: the key facts come first.
INSTRUCTIONS = """\
Debug Python programs by tracing them: see what a program really did - every line of a function with its values, every \
call, every exception - without changing the code, without print statements or a debugger. Use it for questions like: \
why does this Python fail, where does this wrong value come from, why is it slow, where does it hang, which tests fail \
and why. Begin with three calls, instead of reading files:

1. init_project(project, workspace), once for each code base.
2. run(project, command, timeout_seconds): any Python command. Its report shows the failure with the values of the \
failing test's body or of the innermost frames, and the suspects: lines that this test ran and passing tests of its \
file did not.
3. show(project, what=["Cart.total", "shop/cart.py:31", ...]): their source with what each line did, in place of \
reading the file. Name in one call all that you want to read.

Then, where the cause is not plain yet:
- find(project, name= or value= or exception=): where a variable got its value, which calls had a value, who raised.
- run(..., probes={"shop.pricing:31": ["rate"]}): you know the place and need one more value. The answer is its table.
- get_flow for the order of calls, threads and tasks; find_exceptions for what was swallowed; analyze_performance for \
where the time went; query_traces (SQL) for anything else.
- A value comes out of a function that is not recorded: find_gaps, make the edit_config call that it offers, run \
again.

Every call names its project; there is no current one. Without trace_id, the newest trace is meant. Objects are \
Cart#1, calls #162: the same number is the same object, or call, in the whole trace. If a command takes longer than \
wait_seconds, continue with wait_for_run or stop_run. Secrets are redacted before anything is stored.

Tools that can be called by their names even where they are not listed: list_projects, get_config, list_traces, \
get_calls (all calls of a function), search_values, compare_traces (where a failing run differs from a passing one), \
delete_traces.
"""
