"""The rates, by continent."""
