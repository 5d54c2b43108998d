"""Make ``python -m breadcrumb_server.command_line`` the same as ``breadcrumb``."""

import sys

from breadcrumb_server.command_line.breadcrumb import main

sys.exit(main())
