"""`inbox-daemon sample`: the commented table of one plug-in, to be copied into the configuration."""

from __future__ import annotations

import argparse
import sys

from inbox_daemon.cli import main as frame

_EPILOG = """\
examples:
  inbox-daemon sample whatsapp
  inbox-daemon sample request_tracker >> inbox.toml
"""


def add_parser(subparsers: frame.Subparsers) -> None:
    """Add the command's own parser."""
    parser = subparsers.add_parser(
        "sample",
        help="a table to begin with",
        description="Prints the commented table of one channel or ticketing system.",
        epilog=_EPILOG,
    )
    parser.add_argument("kind", metavar="KIND", help="a name that `inbox-daemon plugins` lists")


def run(args: argparse.Namespace) -> int:
    """Print; raises `SettingsError` when KIND is not installed."""
    from inbox_daemon import registry
    from inbox_daemon.settings import mistakes

    kinds = registry.installed()
    if args.kind in kinds.channels:
        sample = registry.channel_plugin(args.kind).sample
    elif args.kind in kinds.ticketing:
        sample = registry.ticketing_plugin(args.kind).sample
    else:
        known = {*kinds.channels, *kinds.ticketing}
        raise frame.Misuse(f'no plug-in "{args.kind}" is installed', remedy=mistakes.suggestion(args.kind, known))
    sys.stdout.write(sample.rstrip("\n") + "\n")
    return frame.OK
