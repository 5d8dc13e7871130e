"""`inbox-daemon check`: is the configuration right, and with --online: do the peers let us in?"""

from __future__ import annotations

import argparse
import asyncio
import sys

from inbox_daemon.cli import main as frame

_EPILOG = """\
examples:
  inbox-daemon check                       reads only; nothing is contacted
  inbox-daemon check --online              also logs in to every channel and ticketing system
  inbox-daemon --config my.toml check

exits with 78 when the configuration is wrong, with 69 when a peer can't be reached or refuses us
"""


def add_parser(subparsers: frame.Subparsers) -> None:
    """Add the command's own parser."""
    parser = subparsers.add_parser(
        "check",
        help="is the configuration right?",
        description="Reads the configuration and tells everything that is wrong with it: file, line, key and remedy.",
        epilog=_EPILOG,
    )
    parser.add_argument("--online", action="store_true", help="also log in to every channel and ticketing system")


def run(args: argparse.Namespace) -> int:
    """Check; returns the exit code."""
    from inbox_daemon import registry
    from inbox_daemon import settings as core

    settings, instances = registry.configure(args.config)
    for warning in [*core.warnings(settings), *registry.warnings(settings, instances)]:
        print(f"warning: {warning}", file=sys.stderr)
    counts = (
        _count(len(instances.channels), "channel"),
        _count(len(instances.destinations), "destination"),
        _count(len(settings.routes), "route"),
    )
    print(f"OK: {', '.join(counts)}")
    if not args.online:
        return frame.OK

    from inbox_daemon.app import check_online

    print("asking every channel and destination …", file=sys.stderr, flush=True)
    failed = 0
    for name, problem in asyncio.run(check_online(settings)):
        print(f"{name}: {problem or 'fine'}", flush=True)
        failed += problem is not None
    return frame.UNAVAILABLE if failed else frame.OK


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
