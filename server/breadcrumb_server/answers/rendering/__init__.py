"""Render recorded values and calls as short text."""
