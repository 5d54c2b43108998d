"""Manage projects: their config files and their home folder."""
