"""Run a program under the older Breadcrumb, in its environment: the script that its `breadcrumb run` writes."""

import runpy
import sys

import breadcrumb

breadcrumb.init(include=["__main__"], db_path=sys.argv[1], silent=True)
try:
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    breadcrumb.shutdown(timeout=5.0)
