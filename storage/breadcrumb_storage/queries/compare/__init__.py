"""Align and compare the calls of two traces."""
