"""Answers find_gaps: which functions were called from traced code but not traced, and what to include."""
