"""Query single calls: by filter, their values and their ancestors."""
