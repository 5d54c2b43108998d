"""Keep the import path that users know; the code is in ``redaction``."""
