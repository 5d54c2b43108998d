"""Read a code base: its packages, scripts and tests, and what include patterns match; knows no project."""
