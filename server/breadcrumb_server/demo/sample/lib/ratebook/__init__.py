"""Tax rates of countries and regions."""

from .lookup import rate_for

__all__ = ["rate_for"]
