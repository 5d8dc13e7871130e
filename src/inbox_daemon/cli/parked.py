"""`inbox-daemon parked`: see what is stopped, let it go on, or give it up."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import orjson

from inbox_daemon.cli import main as frame

if TYPE_CHECKING:
    from inbox_daemon.store.database import Database
    from inbox_daemon.store.parked import Parked

_EPILOG = """\
An id is a letter and a number: E12 an envelope that can't be read, M3 one item of an envelope, D45 a step that a
destination refused or that may have been delivered already.

examples:
  inbox-daemon parked list
  inbox-daemon parked show E12             its details, and the raw input (people's data!) with --raw
  inbox-daemon parked retry D45 D46        after the cause is mended; a step is looked up first where that can be
  inbox-daemon parked retry --all
  inbox-daemon parked discard M3           it stays in the books as discarded
"""


def add_parser(subparsers: frame.Subparsers) -> None:
    """Add the command's own parser."""
    parser = subparsers.add_parser(
        "parked",
        help="see, retry or discard what is stopped",
        description="What could not go on by itself is parked: kept, visible, and waiting for a person.",
        epilog=_EPILOG,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=frame.Parser)
    listing = actions.add_parser("list", help="everything parked")
    listing.add_argument("--json", action="store_true", help="one JSON line per item")
    show = actions.add_parser("show", help="one item")
    show.add_argument("ids", metavar="ID", nargs=1)
    show.add_argument("--raw", action="store_true", help="also the raw input, which holds people's data")
    for action, text in (("retry", "let items go on"), ("discard", "give items up")):
        one = actions.add_parser(action, help=text)
        one.add_argument("ids", metavar="ID", nargs="*")
        if action == "retry":
            one.add_argument("--all", action="store_true", help="everything that is parked and can't double by it")


def run(args: argparse.Namespace) -> int:
    """Do it; returns the exit code (64 for an id that isn't parked)."""
    from inbox_daemon import settings as configuration
    from inbox_daemon.app import with_database
    from inbox_daemon.store import parked

    settings = configuration.load(args.config, secrets=("database.password",))  # nor those of the plug-ins
    with with_database(settings) as database:
        items = {item.id: item for item in database.run_now(parked.items)}
        if args.action == "list":
            _list(list(items.values()), as_json=args.json)
            return frame.OK
        wanted = [one.upper() for one in args.ids]
        if getattr(args, "all", False):
            left_out = database.run_now(parked.doubtful)
            wanted = [one for one in items if one not in left_out]
            for one in sorted(left_out):
                print(f"{one}: left out, it may have arrived already; name it to send it again", file=sys.stderr)
        if not wanted and not getattr(args, "all", False):
            print("name an id; see `inbox-daemon parked list`", file=sys.stderr)
            return frame.USAGE
        missing = [one for one in wanted if one not in items]
        for one in missing:
            print(f"{one} is not parked; see `inbox-daemon parked list`", file=sys.stderr)
        for one in (one for one in wanted if one in items):
            if args.action == "show":
                _show(database, items[one], raw=args.raw)
            else:
                act = parked.retry if args.action == "retry" else parked.discard
                acted = database.run_now(partial(act, item=one))
                said = "goes on" if args.action == "retry" else "discarded"
                print(f"{one}: {said if acted else 'somebody else has just taken care of it'}")
    return frame.USAGE if missing else frame.OK


def _list(items: list[Parked], *, as_json: bool) -> None:
    for item in items:
        if as_json:
            print(orjson.dumps(asdict(item)).decode())
        else:
            since = item.since.astimezone().strftime("%Y-%m-%d %H:%M")
            print(f"{item.id:<8} {since}  {item.instance:<24} {item.what}: {item.reason}")
    if not items and not as_json:
        print("nothing is parked")


def _show(database: Database, item: Parked, *, raw: bool) -> None:
    from inbox_daemon.store import envelopes, parked

    print(orjson.dumps(asdict(item), option=orjson.OPT_INDENT_2).decode(), flush=True)
    envelope_id = database.run_now(partial(parked.envelope_of, item=item.id))
    if raw and envelope_id is not None:
        envelope = database.run_now(partial(envelopes.read, envelope_id=envelope_id))
        sys.stdout.buffer.write(envelope.body if envelope else b"")
