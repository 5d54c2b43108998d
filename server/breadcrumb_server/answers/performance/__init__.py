"""Answers analyze_performance: where the time went, and how it grows with arguments."""
