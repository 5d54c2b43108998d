"""Find secrets in names, texts and values, and replace them before a record is written."""
