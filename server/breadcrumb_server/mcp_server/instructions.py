"""Tell a client's model what the server is for and how to use it."""

# Clients cut instructions at 2 KB, and decide by them whether to offer the server: the key facts come first.
INSTRUCTIONS = """\
Debug Python programs by tracing them: see what a program really did - every line of a function with its values, \
every call, every exception - without print statements or a debugger. Use it for questions like: why does this Python \
fail, where does this wrong value come from, why is it slow, where does it hang. Begin with two calls, instead of \
reading files:

1. run(project, command, timeout_seconds, cwd): any Python command. With cwd, the code's absolute path, it makes a \
new project (init_project chooses what is traced). Its report shows the failure with the values of the test's body or \
the innermost frames, and the suspects: lines that this test ran and passing tests of its file did not \
(of a script: its good runs).
2. show(project, what=["Cart.total", "Cart", "shop/cart.py:31-60", "shop/cart.py", "retries|max_tries"]): reads code: \
functions, classes, lines, a file's outline, mentions of words; run or not, each line with what it did. Read Python \
with it alone: cat and grep cost more. Name all that you want in one call. … folds lines: ask \
for shop/cart.py:31-60.

Then, where the cause is not plain yet:
- find(project, name= or value= or exception=): where a variable got its value, which calls had one, who raised.
- run(..., probes={"shop.pricing:31": ["rate"]}): one more value at a known place. The answer is its table.
- get_flow for the order of calls; find_exceptions for what was swallowed; analyze_performance for \
where the time went; query_traces (SQL) for anything else.
- A value comes out of untraced code: find_gaps, make its edit_config call, run again.

Without trace_id, the newest trace is meant. Objects are \
Cart#1, calls #162: the same number is the same object, or call, in the whole trace. A command that takes longer than \
wait_seconds: wait_for_run or stop_run. Secrets are redacted.

Callable though not listed: list_projects, get_config, list_traces, \
get_calls (all calls of a function), search_values, compare_traces (where a failing run differs from a passing one), \
delete_traces.
"""
