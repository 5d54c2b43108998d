"""Answer analyze_performance: the time of functions and their callers, and its growth with arguments."""
