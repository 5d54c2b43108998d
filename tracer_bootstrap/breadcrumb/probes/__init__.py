"""Evaluate the user's expressions at places of the program: lines, and the starts and ends of functions."""
