"""Show what becomes of secrets: they are redacted before a byte is written."""

import duckdb

import breadcrumb
from breadcrumb.capture.secret_redactor import configure_redactor, redact_secrets


def log_in(user, password):
    return {"user": user, "api_key": "k-7431-violet"}


def send(note):
    return len(note)


def pay(badge_number):
    return badge_number


configure_redactor(custom_patterns=["badge_*"])  # a name of your own, beside those that are known
tracing = breadcrumb.init()
log_in("alice", "correct-horse-9")  # by name: the parameter, and the key of the dict
send("key AKIAIOSFODNN7EXAMPLE for the bucket")  # by shape: the name says nothing
send("it is correct-horse-9, as always")  # by value: it was seen as a password
pay("B-2290-amber")  # by the name added above
tracing.stop()

with duckdb.connect(tracing.db_path, read_only=True) as con:
    for function, args, result in con.execute(
        "SELECT function_name, args, return_value FROM calls"
        " WHERE trace_id = ? AND function_name != '<module>' ORDER BY started_at, call_id",
        [tracing.trace_id],
    ).fetchall():
        print(f"{function} {args} -> {result}")

# The same rules for data of your own, such as a log record.
print(redact_secrets({"username": "alice", "password": "secret123", "ssn": "078-05-1120", "phone": "555-123-4567"}))
