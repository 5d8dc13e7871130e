"""`inbox-daemon ledger`: the books of each channel and day."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial

import orjson

from inbox_daemon.cli import main as frame

_EPILOG = """\
received = delivered + pending + parked + ignored. A difference is a bug of ours, and the command then exits with 70.

examples:
  inbox-daemon ledger                      the last seven days
  inbox-daemon ledger --days 90 --json     one JSON line per channel and day
"""


def add_parser(subparsers: frame.Subparsers) -> None:
    """Add the command's own parser."""
    parser = subparsers.add_parser(
        "ledger",
        help="what was received, and what became of it",
        description="Shows per channel and day what was received and where each of those things stands now.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "--days", metavar="N", type=frame.whole(1, 36_500), default=7, help="how many days back (default 7)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON line per channel and day")


def run(args: argparse.Namespace) -> int:
    """Show the books; returns the exit code, 70 when they don't balance."""
    from inbox_daemon import settings as configuration
    from inbox_daemon.app import with_database
    from inbox_daemon.pipeline.receive import day_in
    from inbox_daemon.store import ledger

    settings = configuration.load(args.config, secrets=("database.password",))  # nor those of the plug-ins
    since = day_in(settings.daemon.zone)(datetime.now(UTC) - timedelta(days=args.days - 1))
    with with_database(settings) as database:
        lines = database.run_now(partial(ledger.read, since_day=since))
    if not args.json:
        print(f"{'day':<10} {'channel':<24} {'received':>8} {'delivered':>9} {'pending':>7} {'parked':>6}  ignored")
    for line in lines:
        if args.json:
            print(orjson.dumps(asdict(line) | {"balance": line.balance}).decode())
            continue
        ignored = ", ".join(f"{reason} {number}" for reason, number in sorted(line.ignored.items()))
        wrong = f"   DOES NOT BALANCE: {line.balance:+d}" if line.balance else ""
        print(
            f"{_day(line.day):<10} {line.instance:<24} {line.received:>8} {line.delivered:>9} {line.pending:>7} "
            f"{line.parked:>6}  {ignored}{wrong}"
        )
    return frame.BUG if any(line.balance for line in lines) else frame.OK


def _day(day: int) -> str:
    return f"{day // 10_000:04}-{day // 100 % 100:02}-{day % 100:02}"
