"""Show the recorded lines of calls: steps, loops and changed variables, next to their source."""
