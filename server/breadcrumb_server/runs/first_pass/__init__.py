"""Run the other tests of a file before a command that selects single ones, to compare their lines."""
