"""Encode values as JSON within limits, without running any code of the program."""
