"""Find the rate of a region: a country (FR), or a country and a part of it (DE-BY)."""

from .tables.europe import RATES


def rate_for(region: str) -> int:
    return RATES[country_code(region)]


def country_code(region: str) -> str:
    """Return the country of a region."""
    return region.strip().upper().rpartition("-")[2]
