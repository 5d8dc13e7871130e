"""`inbox-daemon migrate`: bring the database to this program's schema."""

from __future__ import annotations

import argparse

from inbox_daemon.cli import main as frame

_EPILOG = """\
`run` does the same when it starts; this command is for doing it at a time of your choosing. Back the database up first.
"""


def add_parser(subparsers: frame.Subparsers) -> None:
    """Add the command's own parser."""
    subparsers.add_parser(
        "migrate",
        help="bring the database to this version's schema",
        description="Brings the configured database to the schema of this version; does nothing when it is there.",
        epilog=_EPILOG,
    )


def run(args: argparse.Namespace) -> int:
    """Migrate; returns the exit code."""
    from inbox_daemon import settings as configuration
    from inbox_daemon.assembly import open_database, prepare
    from inbox_daemon.store.migrate import HEAD

    settings = configuration.load(args.config, secrets=("database.password",))  # nor those of the plug-ins
    with open_database(settings) as database:
        done = prepare(database)
    print(f"{'migrated to' if done else 'already at'} revision {HEAD}")
    return frame.OK
