"""Build the answers of the tools: for each a pydantic model, and a function that fills it from a project's database.

Nothing here imports MCP. An answer consists of tables and lines of text, never exceeds a maximum size
(``common.budget``), and says what was cut and which calls to make next.
"""
