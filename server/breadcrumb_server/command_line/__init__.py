"""Offer the services as the shell command ``breadcrumb``, for people and headless jobs."""
