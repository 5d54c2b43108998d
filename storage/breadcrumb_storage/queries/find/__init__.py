"""Read what the histories of a name, a value and an exception are written from."""
