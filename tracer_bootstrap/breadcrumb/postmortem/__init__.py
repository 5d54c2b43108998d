"""Report where every thread and task stands when a process crashes or is about to be ended."""
