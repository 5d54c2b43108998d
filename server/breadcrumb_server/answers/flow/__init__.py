"""Answers get_flow: what happened, in order, as a call tree in text."""
