"""Parse conditions on calls that questions take."""
