"""Choose what is traced, by patterns: include, exclude, and the gaps that say what to include next."""

import json

import duckdb

import breadcrumb


def save(order):
    return json.dumps(order, indent=2)


def trace(**patterns):
    """Trace one call of save, and print which modules were traced and which calls were gaps."""
    with breadcrumb.init(**patterns) as tracing:
        save({"item": "apple", "count": 2})
    with duckdb.connect(tracing.db_path, read_only=True) as con:
        modules = con.execute(
            "SELECT DISTINCT module_name FROM calls WHERE trace_id = ? ORDER BY ALL", [tracing.trace_id]
        ).fetchall()
        gaps = con.execute(
            "SELECT DISTINCT module_name FROM gaps WHERE trace_id = ? AND module_name LIKE 'json%' ORDER BY ALL",
            [tracing.trace_id],
        ).fetchall()
    print(", ".join(f"{name}={value}" for name, value in patterns.items()))
    print("  traced:", ", ".join(name for (name,) in modules))
    print("  gaps:  ", ", ".join(name for (name,) in gaps) or "none")


trace(include=["__main__"])  # this file alone; what it calls of json is a gap
trace(include=["__main__", "json.*"])  # json and all modules below it
trace(include=["__main__", "json.*"], exclude=["json.encoder"])  # exclude wins
