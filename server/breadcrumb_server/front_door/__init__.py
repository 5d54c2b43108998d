"""Answer a client's first requests on stdio while the MCP server is still being imported.

Clients send their first request to a model a second or two after they started their servers, and importing the SDK may
take longer. Nothing here imports more than a few small modules (no typing, no pathlib) before the first answers.
"""
