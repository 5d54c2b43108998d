"""Taxes, by the book."""

from ratebook import rate_for


def tax_on(net: int, region: str) -> int:
    return net * rate_for(region) // 100
