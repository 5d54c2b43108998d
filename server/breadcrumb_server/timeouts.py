"""Bound the time that a command may be given."""

# A week. Beyond it a timeout is a slip (milliseconds, say), and timers overflow.
MAX_TIMEOUT_SECONDS = 7 * 24 * 3600.0
