"""Answer get_calls: list the calls of a function with their arguments, results and executed lines."""
