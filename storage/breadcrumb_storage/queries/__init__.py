"""The SQL behind the answers, one module a subject, each returning small dataclasses.

Nothing here words or shortens anything: that is the business of ``breadcrumb_server.answers``. Queries read
``call_records`` directly and fetch wide columns (arguments, stacks) only for the few rows that will be shown, so
that a trace of a million calls is answered in milliseconds.
"""
