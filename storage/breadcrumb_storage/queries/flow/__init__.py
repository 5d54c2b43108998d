"""Fetch the call tree of a trace, whole or summed up level by level."""
