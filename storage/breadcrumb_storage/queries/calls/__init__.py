"""Find single calls by filter, and read their values and ancestors."""
