"""Store several traces in one database, and ask it by SQL."""

import contextlib
from pathlib import Path

import duckdb

import breadcrumb

DATABASE = ".breadcrumb/orders.duckdb"


def discount(customer, rate=None):
    return 0 if rate is None else rate * 100


def order(customer, rate, stock):
    if stock < 1:
        raise LookupError(f"nothing in stock for {customer}")
    return 100 - discount(customer, rate)


Path(DATABASE).unlink(missing_ok=True)  # traces add up; the answers below are about those of this script alone

# A `with` block, or a decorated function, is a trace of its own. One that an exception leaves has failed.
for customer, rate, stock in [("alice", 0.5, 3), ("bob", None, 2), ("carol", 0.25, 0)]:
    with contextlib.suppress(LookupError), breadcrumb.init(db_path=DATABASE, label=customer):
        order(customer, rate, stock)

QUESTIONS = {
    "Which traces are there, and how did they end?": "SELECT label, status FROM traces ORDER BY started_at",
    "How often was each function called?": """
        SELECT function_name, count(*) FROM calls
        WHERE function_name != '<module>' GROUP BY ALL ORDER BY 2 DESC, 1""",
    "Which calls got no rate?": """
        SELECT label, args, return_value FROM calls JOIN traces USING (trace_id)
        WHERE function_name = 'discount' AND args->>'$.rate' IS NULL""",
    "Which exceptions were raised?": """
        SELECT label, exception_type, exception_message FROM exceptions JOIN traces USING (trace_id)""",
}
with duckdb.connect(DATABASE, read_only=True) as con:
    for question, sql in QUESTIONS.items():
        print(question)
        for row in con.execute(sql).fetchall():
            print("  ", *row)
