"""`inbox-daemon replay`: have envelopes read again, after a parser was mended or a configuration changed."""

from __future__ import annotations

import argparse
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from inbox_daemon.cli import main as frame

if TYPE_CHECKING:
    from inbox_daemon.store.database import Database

_EPILOG = """\
What was taken in before is known by its ids and comes to nothing; only what was missed comes anew. The running daemon
does the reading, so it has to run.

examples:
  inbox-daemon replay --parked                     everything that could not be read
  inbox-daemon replay --instance whatsapp-centro --since 2026-11-20
  inbox-daemon replay E12 E15
"""


def add_parser(subparsers: frame.Subparsers) -> None:
    """Add the command's own parser."""
    parser = subparsers.add_parser(
        "replay",
        help="have envelopes read again",
        description="Has envelopes that were received earlier read again by the running daemon.",
        epilog=_EPILOG,
    )
    parser.add_argument("ids", metavar="ENVELOPE", nargs="*", help="E and a number")
    parser.add_argument("--parked", action="store_true", help="only those that could not be read")
    parser.add_argument("--instance", metavar="NAME", help="only those of this channel")
    parser.add_argument("--since", metavar="DATE", type=_moment, help="only those received since (2026-11-20, 36h, 7d)")
    parser.add_argument("--wait", action="store_true", help="show progress until the daemon has read them all")


def run(args: argparse.Namespace) -> int:
    """Mark them; returns the exit code."""
    from inbox_daemon import settings as configuration
    from inbox_daemon.app import with_database
    from inbox_daemon.store import envelopes

    ids = [int(one[1:]) for one in args.ids if re.fullmatch(r"[Ee]\d+", one)]
    if len(ids) != len(args.ids):
        print("an envelope is named by E and a number, like E12", file=sys.stderr)
        return frame.USAGE
    if not (ids or args.parked or args.instance or args.since):
        print("say which envelopes: --parked, --instance, --since or their ids", file=sys.stderr)
        return frame.USAGE
    settings = configuration.load(args.config, secrets=("database.password",))  # nor those of the plug-ins
    with with_database(settings) as database:
        marked = database.run_now(
            partial(
                envelopes.replay,
                ids=ids or None,
                instance=args.instance,
                since=args.since,
                only_parked=args.parked,
            )
        )
        print(f"{marked} envelope{'' if marked == 1 else 's'} to be read again")
        if args.wait and marked:
            _watch(database, marked)
    if len(set(ids)) > marked:
        print(f"{len(set(ids)) - marked} of them are not there, or are being read anyway", file=sys.stderr)
        return frame.USAGE
    return frame.OK


def _watch(database: Database, marked: int) -> None:
    from tqdm import tqdm

    from inbox_daemon.store import envelopes

    with tqdm(total=marked, unit="envelope") as bar:
        while (left := database.run_now(envelopes.unread)) > 0:
            bar.update(max(marked - left - bar.n, 0))
            time.sleep(0.5)
        bar.update(marked - bar.n)


def _moment(text: str) -> datetime:
    ago = re.fullmatch(r"(\d+)([hd])", text)
    if ago:
        unit = timedelta(hours=1) if ago[2] == "h" else timedelta(days=1)
        return datetime.now(UTC) - int(ago[1]) * unit
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date (2026-11-20) and no span (36h, 7d)") from None
