"""Serve the tools, resources and prompts over MCP; the only package that imports ``mcp`` (besides the demo)."""
