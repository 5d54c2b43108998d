"""Answers compare_traces: what went differently in one run than in another."""
