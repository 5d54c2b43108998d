"""Print the calls in the database of the older Breadcrumb by function, as JSON: runs in its environment."""

import json
import sys

import duckdb

with duckdb.connect(sys.argv[1], read_only=True) as connection:
    rows = connection.execute(
        "SELECT function_name, count(*) FROM trace_events WHERE event_type = 'call' GROUP BY function_name"
    ).fetchall()
counted = {}
for name, count in rows:
    last = name.rpartition(".")[2]
    counted[last] = counted.get(last, 0) + count
print(json.dumps(counted))
