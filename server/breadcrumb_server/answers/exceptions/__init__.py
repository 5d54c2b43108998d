"""Answers find_exceptions: which exceptions were raised, how they came about, and who handled them."""
