"""`inbox-daemon run`: the daemon itself, in the foreground, as systemd starts it."""

from __future__ import annotations

import argparse
import asyncio

from inbox_daemon.cli import main as frame

_EPILOG = """\
examples:
  inbox-daemon run                         with /etc/inbox-daemon/inbox.toml
  inbox-daemon --config my.toml run

Ends orderly on SIGTERM or Ctrl-C within daemon.stop_seconds. Health: http://127.0.0.1:8081/readyz
"""


def add_parser(subparsers: frame.Subparsers) -> None:
    """Add the command's own parser."""
    subparsers.add_parser(
        "run",
        help="run the daemon",
        description="Receives from every channel and delivers to every destination until it is told to stop.",
        epilog=_EPILOG,
    )


def run(args: argparse.Namespace) -> int:
    """Run until told to stop; returns the exit code."""
    from inbox_daemon import app, registry

    settings, instances = registry.configure(args.config)
    return asyncio.run(app.run(settings, instances))
