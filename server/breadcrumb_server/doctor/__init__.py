"""Examine an installation: what keeps runs from being traced or a client from connecting, and what to do about it."""
