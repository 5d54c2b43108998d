"""Define the commands of ``breadcrumb``, a module for each kind."""
