"""Answer find: the history of a name, of a value or of an exception, in the order of time."""
