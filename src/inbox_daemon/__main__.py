"""`python -m inbox_daemon` and the `inbox-daemon` command."""

from __future__ import annotations

import sys

from inbox_daemon.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
