"""Find the rate of a region."""

from .codes import country_code
from .tables.europe import RATES


def rate_for(region: str) -> int:
    return RATES[country_code(region)]
