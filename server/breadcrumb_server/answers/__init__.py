"""What the tools answer: a pydantic model for each, and the function that builds it from a project's database.

Nothing here knows MCP. Every answer is small whatever the program did (``fit``), is made of tables of columns and
rows and of plain text lines, and says what was cut and which call to make next.
"""
