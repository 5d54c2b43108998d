"""Breadcrumb's tracer: what runs inside the traced process. Standard library only, Python 3.8 syntax."""
