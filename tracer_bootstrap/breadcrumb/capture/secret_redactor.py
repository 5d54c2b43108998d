"""Offer ``configure_redactor`` under the name that users import it from."""

from __future__ import annotations

from ..redaction.redactor import configure_redactor

__all__ = ["configure_redactor"]
