"""Bound the timeout of a command."""

# A week. A longer timeout is a mistake (milliseconds, say), and timers overflow.
MAX_TIMEOUT_SECONDS = 7 * 24 * 3600.0
