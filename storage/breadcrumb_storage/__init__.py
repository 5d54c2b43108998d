"""Store traces in DuckDB: schema, ingest and queries."""
