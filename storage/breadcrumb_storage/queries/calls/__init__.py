"""Find single calls by function, values and place in the call tree."""
