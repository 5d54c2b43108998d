"""Let users query the database: run one read-only statement, and describe the schema."""
