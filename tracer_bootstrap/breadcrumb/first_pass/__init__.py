"""What the program runs, in a first pass, of the tests beside those that a command selects.

These modules are run by the program's Python, as a plugin of pytest or a script, and import nothing else of the tracer.
"""
