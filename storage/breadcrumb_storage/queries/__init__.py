"""Query the database for the answers: one module per subject, with small dataclasses as results.

Wording and shortening are left to `breadcrumb_server.answers`. To stay fast on a trace of a million calls, queries
read `call_records` instead of its view, and wide columns (arguments, stacks) only for the few rows that are shown.
"""
