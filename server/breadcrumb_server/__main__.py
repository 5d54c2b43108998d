"""Make ``python -m breadcrumb_server`` the same as ``breadcrumb-mcp``."""

import sys

from breadcrumb_server.command_line.breadcrumb_mcp import main

sys.exit(main())
