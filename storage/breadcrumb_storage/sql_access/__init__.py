"""Let users read the database with SQL of their own: one read-only statement, and a page of the schema."""
