"""``python -m breadcrumb_server`` is ``breadcrumb-mcp``."""

import sys

from breadcrumb_server.cli import main

sys.exit(main())
