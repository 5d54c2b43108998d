"""Trace a program, and read back what it did: its calls, and an exception that it swallowed.

The trace is in .breadcrumb/traces.duckdb, in the folder in which this is started.
"""

import duckdb

import breadcrumb

PRICES = {"apple": 3, "pear": 4}


def price(item):
    try:
        return PRICES[item]
    except KeyError:
        return 0


def total(basket):
    return sum([price(item) * count for item, count in basket.items()])


tracing = breadcrumb.init()
total({"apple": 2, "plum": 5})
tracing.stop()  # without this, the trace is stored at the program's exit

with duckdb.connect(tracing.db_path, read_only=True) as con:
    print("calls:")
    for function, args, result in con.execute(
        "SELECT function_name, args, return_value FROM calls"
        " WHERE trace_id = ? AND function_name IN ('total', 'price') ORDER BY started_at, call_id",
        [tracing.trace_id],
    ).fetchall():
        print(f"  {function} {args} -> {result}")

    print("exceptions:")
    for kind, message, handler in con.execute(
        "SELECT exception_type, exception_message, handled_by FROM exceptions WHERE trace_id = ?", [tracing.trace_id]
    ).fetchall():
        print(f"  {kind}: {message}, handled by {handler}")
