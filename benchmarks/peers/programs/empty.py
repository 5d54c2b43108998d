"""Do nothing: what a tool adds to it is its start."""
