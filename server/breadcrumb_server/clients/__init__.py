"""Write the server's entry into the configuration files of MCP clients."""
