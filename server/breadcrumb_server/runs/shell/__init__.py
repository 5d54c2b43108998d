"""Recognise the syntax of a shell in a command, and write the call of ``run`` that does the same without a shell."""
