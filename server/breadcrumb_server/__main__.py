"""Make ``python -m breadcrumb_server`` the same as ``breadcrumb-mcp``."""

import sys

from breadcrumb_server.cli import main

sys.exit(main())
