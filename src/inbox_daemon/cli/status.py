"""`inbox-daemon status`: how the running daemon stands, asked over its operations listener."""

from __future__ import annotations

import argparse
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import orjson

from inbox_daemon.cli import main as frame

_EPILOG = """\
exits with 0 when the daemon is ready, with 69 when it does not answer or is not ready

examples:
  inbox-daemon status
  inbox-daemon status --json | jq .destinations
"""


def add_parser(subparsers: frame.Subparsers) -> None:
    """Add the command's own parser."""
    parser = subparsers.add_parser(
        "status",
        help="how does the running daemon stand?",
        description="Asks the running daemon for every channel, destination and queue.",
        epilog=_EPILOG,
    )
    parser.add_argument("--json", action="store_true", help="the whole answer as JSON")


def run(args: argparse.Namespace) -> int:
    """Ask and show; returns the exit code."""
    from inbox_daemon import settings as configuration

    settings = configuration.load(args.config, secrets=())  # nor those of the plug-ins
    url = f"http://{settings.operations.listen}/status"
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=15) as answer:
            status = orjson.loads(answer.read())
    except (OSError, urllib.error.URLError, ValueError):
        print(f"no answer from {url}: is the daemon running?", file=sys.stderr)
        return frame.UNAVAILABLE
    if args.json:
        print(orjson.dumps(status, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(status)
    return frame.OK if status["ready"] else frame.UNAVAILABLE


def _standing(channel: dict[str, Any]) -> Iterator[str]:
    """What is to be known of a channel's standing; what is well is left to --json."""
    look = channel.get("inspection", {"state": "up"})
    if look["state"] in {"down", "refused"}:
        yield f"inspection {look['state']}: {look['detail']}"
    if words := channel.get("notice"):
        yield f"notice     {words} (told {channel['notice_at']})"
    for notice in channel.get("notices", []):
        if notice["grave"]:
            about = " ".join(part for part in (notice["topic"], notice["subject"]) if part)
            yield f"GRAVE      {about}: {notice['words']} (since {notice['sent_at']})"


def _show(status: dict[str, Any]) -> None:
    reason = f" ({status['reason']})" if status["reason"] else ""
    print(f"{'ready' if status['ready'] else 'NOT ready'}{reason}, version {status['version']}, node {status['node']}")
    for name, channel in status["channels"].items():
        more = f", {channel['detail']}" if channel.get("detail") else ""
        print(
            f"  channel      {name:<24} {channel['state']:<9} unread {channel['unread']}, "
            f"parked {channel['parked']}{more}"
        )
        for line in _standing(channel):
            print(f"    {line}")
        if one := channel.get("answers"):
            more = f", {one['detail']}" if one.get("detail") else ""
            print(
                f"    answers    {'':<24} {one['state']:<9} waiting {one['waiting']}, held {one['held']}, "
                f"unknown {one['unknown']}, parked {one['parked']}, oldest {one['oldest_seconds']:g} s{more}"
            )
    for name, one in status["destinations"].items():
        more = f", {one['detail']}" if one.get("detail") else ""
        if one.get("notices", "up") != "up":
            more += f", notices: {one['notices']}"
        print(
            f"  destination  {name:<24} {one['state']:<9} waiting {one['waiting']}, unknown {one['unknown']}, "
            f"parked {one['parked']}, oldest {one['oldest_seconds']:g} s{more}"
        )
