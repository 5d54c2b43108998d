"""Query the call tree of a trace, as single calls or as totals of each level."""
