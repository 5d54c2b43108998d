"""Watch an MCP client find a bug with the tools: ``breadcrumb-mcp demo``."""
