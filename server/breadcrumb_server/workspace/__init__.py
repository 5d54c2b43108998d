"""Read a code base: find its packages, scripts and tests, and match patterns against them."""
