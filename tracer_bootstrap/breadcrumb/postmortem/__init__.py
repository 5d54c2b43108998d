"""Write the stacks of all threads and tasks when a process crashes or is about to be ended."""
