"""Answers get_calls: how a function was called, with which values, and how each call ended."""
