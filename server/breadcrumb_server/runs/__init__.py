"""Run commands under the tracer: launch, wait, end, record, recover and delete."""
