"""Manage projects: their config files, their folder, and the checks on both."""
