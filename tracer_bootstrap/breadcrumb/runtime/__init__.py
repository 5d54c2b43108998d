"""Keep the tracer out of the program's way: own builtins, late imports, version differences, guards."""
